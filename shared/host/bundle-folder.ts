import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OfframpError, reasonOf } from '../errors.ts';

/**
 * A reader of a bundle's files in a folder, as `openBundle` takes it.
 * @throws OfframpError BUNDLE_FILE_MISSING naming the file, when it is read.
 */
export function bundleFolder(folder: string): (name: string) => Promise<Uint8Array> {
  return async (name) => {
    try {
      return await readFile(join(folder, name));
    } catch (cause) {
      throw new OfframpError('BUNDLE_FILE_MISSING', `Cannot read a file of the bundle: ${reasonOf(cause)}`, {
        cause,
      });
    }
  };
}
