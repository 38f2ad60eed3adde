import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** A file of the console's page as it is served. */
export interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array;
  readonly gzip: Uint8Array;
  /** With its quotes, of the bytes before any coding. */
  readonly etag: string;
}

/** The files of the page by name; `index.html` is the page itself. */
export type Assets = ReadonlyMap<string, Asset>;

/** Gives the files of the page when they are first asked for. */
export type AssetSource = () => Promise<ReadonlyMap<string, Uint8Array>>;

/** All that there is. A path is looked up here and never joined to a folder. */
const types: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
};

export const assetNames: readonly string[] = Object.keys(types);

/**
 * What the build has put into a folder.
 * @throws OfframpError CONFIG_INVALID where it is not there.
 */
export async function builtFiles(folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    const entries = assetNames.map(async (name) => [name, await readFile(join(folder, name))] as const);
    return new Map(await Promise.all(entries));
  } catch (cause) {
    const message = `The console's page has not been built (${reasonOf(cause)}): run npm run build`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  }
}

/** @throws OfframpError CONFIG_INVALID where a file is missing. */
export function assetsOf(files: ReadonlyMap<string, Uint8Array>): Assets {
  const entries = Object.entries(types).map(([name, type]) => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new OfframpError('CONFIG_INVALID', `The console's page has no ${name}`);
    const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`;
    return [name, { type, bytes, gzip: gzipSync(bytes), etag }] as const;
  });
  return new Map(entries);
}
