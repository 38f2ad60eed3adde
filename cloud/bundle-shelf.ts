import { type Bundle, openBundle } from '../shared/bundle/index.ts';
import { OfframpError } from '../shared/errors.ts';
import { bundleFolder } from '../shared/host/index.ts';
import type { LoadingRunner, WarmRun } from '../shared/runtime/index.ts';
import { type ServedBundle, serveBundle } from './served-bundle.ts';

/** Where a bundle is on its way onto the shelf and off it. */
export interface ShelvedBundle {
  readonly served: ServedBundle;
  readonly state: 'loading' | 'serving' | 'leaving';
}

/** The rest of the server, as far as bundles that come and go concern it. */
export interface ShelfEvents {
  /** @throws OfframpError when the server could not serve these bundles together; then nothing is loaded. */
  check(all: readonly ServedBundle[]): void;
  onLoaded(served: ServedBundle, warmRuns: readonly WarmRun[]): void;
  /** New work for it is refused from now on. */
  onTakenOff(served: ServedBundle): void;
  /** Resolves once nothing of the bundle waits or runs any more. */
  settled(served: ServedBundle): Promise<void>;
}

export interface ShelfOptions {
  readonly runner: Pick<LoadingRunner, 'load' | 'unload'>;
  /** Served from the start. */
  readonly bundles: readonly ServedBundle[];
  readonly maxBundles: number;
  readonly events: ShelfEvents;
}

/**
 * The bundles a server has. They may come and go while it runs: a new version stands beside the old one, each known by its
 * digest, until the old one is taken off, so that devices can be moved over one after the other.
 */
export class BundleShelf {
  readonly #options: ShelfOptions;
  readonly #byTag: Map<number, ServedBundle>;
  /** On their way, by tag. */
  readonly #loading = new Map<number, ServedBundle>();
  /** Taken off, with answers still to come. */
  readonly #leaving = new Set<ServedBundle>();

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.#byTag = new Map(options.bundles.map((served) => [served.tag, served]));
  }

  /** Oldest first. */
  get all(): readonly ServedBundle[] {
    return [...this.#byTag.values()];
  }

  /** Those that come and go too. */
  get states(): readonly ShelvedBundle[] {
    return [
      ...this.all.map((served) => ({ served, state: 'serving' as const })),
      ...[...this.#loading.values()].map((served) => ({ served, state: 'loading' as const })),
      ...[...this.#leaving].map((served) => ({ served, state: 'leaving' as const })),
    ];
  }

  byTag(tag: number): ServedBundle | undefined {
    return this.#byTag.get(tag);
  }

  /**
   * Reads a bundle and puts it on the shelf once its graphs are loaded and warm; when it throws, all is as it was before. One that
   * is there already is left alone.
   * @throws OfframpError CONFIG_INVALID (the shelf is full, or its id is not `id`), what {@link openBundle}, the check and
   * {@link LoadingRunner.load} throw.
   */
  async load(id: string, folder: string): Promise<ServedBundle> {
    const bundle = await openBundle(bundleFolder(folder));
    if (bundle.manifest.id !== id) {
      const message = `The manifest in ${folder} is of '${bundle.manifest.id}', expected '${id}'`;
      throw new OfframpError('CONFIG_INVALID', message);
    }
    const served = serveBundle(bundle, runKey(bundle));
    const same = this.#byTag.get(served.tag);
    if (same?.digest === served.digest) return same;
    this.#reserve(served);
    try {
      this.#options.events.check([...this.all, ...this.#loading.values()]);
      const warmRuns = await this.#options.runner.load(served.graphs);
      this.#byTag.set(served.tag, served);
      this.#options.events.onLoaded(served, warmRuns);
      return served;
    } finally {
      this.#loading.delete(served.tag);
    }
  }

  /**
   * Takes bundles with this id off, or the one whose digest begins with `digest`: new work for them is refused at once, what waits
   * or runs is still answered, then their graphs are freed. Returns them.
   * @throws OfframpError BUNDLE_NOT_FOUND, CONFIG_INVALID where nothing would be left to serve.
   */
  async unload(id: string, digest = ''): Promise<readonly ServedBundle[]> {
    const leaving = this.all.filter((one) => one.id === id && one.digest.startsWith(digest));
    if (leaving.length === 0) {
      const what = digest === '' ? `'${id}'` : `'${id}' with a digest that begins with ${digest}`;
      throw new OfframpError('BUNDLE_NOT_FOUND', `No bundle ${what} is served`);
    }
    if (leaving.length === this.#byTag.size) {
      throw new OfframpError(
        'CONFIG_INVALID',
        `Nothing would be left without ${id}; stop the server instead`,
      );
    }
    await Promise.all(leaving.map((served) => this.#takeOff(served)));
    return leaving;
  }

  async #takeOff(served: ServedBundle): Promise<void> {
    const { runner, events } = this.#options;
    this.#byTag.delete(served.tag);
    this.#leaving.add(served);
    try {
      events.onTakenOff(served);
      await events.settled(served);
      await runner.unload(served.graphs.map(({ key }) => key));
    } finally {
      this.#leaving.delete(served);
    }
  }

  #reserve(served: ServedBundle): void {
    const { maxBundles } = this.#options;
    if (this.#byTag.has(served.tag) || this.#loading.has(served.tag)) {
      const tag = served.tag.toString(16).padStart(8, '0');
      const message = `${served.id}: a bundle whose digest begins with ${tag} is served, or being loaded, already`;
      throw new OfframpError('CONFIG_INVALID', message);
    }
    if (this.#byTag.size + this.#loading.size >= maxBundles) {
      const message = `${maxBundles} bundles are served, no more are taken; unload one first`;
      throw new OfframpError('CONFIG_INVALID', message);
    }
    this.#loading.set(served.tag, served);
  }
}

/** Of each id the bundle that came last: what callers get that know no digests. */
export function newestOfEach(bundles: readonly ServedBundle[]): ServedBundle[] {
  return [...new Map(bundles.map((served) => [served.id, served])).values()];
}

/** A name for the graphs that no other version of the bundle has. */
function runKey({ manifest, digest }: Bundle): string {
  return `${manifest.id}@${digest.slice(0, 8)}`;
}
