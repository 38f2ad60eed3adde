import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { OfframpError, reasonOf } from '../shared/errors.ts';
import type { BundleShelf } from './bundle-shelf.ts';
import type { RepositoryAdmin } from './http/index.ts';

export interface BundleRepositoryOptions {
  /** Holds a folder for every bundle, named by its id. */
  readonly folder: string;
  readonly shelf: Pick<BundleShelf, 'load' | 'unload'>;
  readonly logger: Pick<FastifyBaseLogger, 'info' | 'warn'>;
  /** Why nothing may be changed now. */
  readonly refusal: () => OfframpError | undefined;
  readonly onChange: (verb: RepositoryVerb, outcome: 'done' | 'failed') => void;
}

export type RepositoryVerb = 'load' | 'unload';

/** A folder of bundles that administrators may have loaded and unloaded while the server runs. */
export class BundleRepository implements RepositoryAdmin {
  readonly #options: BundleRepositoryOptions;

  constructor(options: BundleRepositoryOptions) {
    this.#options = options;
  }

  /** @throws OfframpError CONFIG_INVALID when the folder cannot be read. */
  async available(): Promise<readonly string[]> {
    return bundleNames(this.#options.folder);
  }

  load(id: string): Promise<void> {
    return this.#change('load', id, async () => {
      const { folder, shelf } = this.#options;
      const names = await this.available();
      // Only what a listing shows, so that no name leads out of the folder.
      if (!names.includes(id)) {
        const known = names.length === 0 ? 'nothing' : names.join(', ');
        throw new OfframpError('BUNDLE_NOT_FOUND', `No bundle '${id}' in the repository, which has ${known}`);
      }
      return [await shelf.load(id, join(folder, id))];
    });
  }

  unload(id: string, digest?: string): Promise<void> {
    return this.#change('unload', id, () => this.#options.shelf.unload(id, digest));
  }

  async #change(
    verb: RepositoryVerb,
    id: string,
    change: () => Promise<readonly { readonly digest: string }[]>,
  ): Promise<void> {
    const { logger, onChange, refusal } = this.#options;
    try {
      const refused = refusal();
      if (refused !== undefined) throw refused;
      for (const { digest } of await change()) logger.info({ bundle: id, digest }, `bundle ${verb}ed`);
      onChange(verb, 'done');
    } catch (thrown) {
      const error = OfframpError.from(thrown);
      onChange(verb, 'failed');
      logger.warn({ bundle: id, code: error.code }, `bundle not ${verb}ed: ${error.message}`);
      throw error;
    }
  }
}

/**
 * Names of the folders in a repository.
 * @throws OfframpError CONFIG_INVALID when it cannot be read.
 */
export async function bundleNames(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
  } catch (cause) {
    const message = `Cannot read the repository of bundles: ${reasonOf(cause)}`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  }
}
