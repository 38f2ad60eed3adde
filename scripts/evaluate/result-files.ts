import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** A file to be written, by its plain name. */
export interface ResultFile {
  readonly name: string;
  readonly text: string;
}

/** Makes a folder for results, before anything is measured that could not be written then. Throws `CONFIG_INVALID`. */
export async function makeResultFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

/** Writes files into a folder that is there and gives their paths. Throws `CONFIG_INVALID`. */
export async function writeResults(folder: string, files: readonly ResultFile[]): Promise<string[]> {
  const paths = files.map(({ name }) => join(folder, name));
  for (const [index, { text }] of files.entries()) {
    const path = paths[index] ?? folder;
    await writeFile(path, text).catch((cause) => {
      throw unwritable(path, cause);
    });
  }
  return paths;
}

function unwritable(path: string, cause: unknown): OfframpError {
  return new OfframpError(
    'CONFIG_INVALID',
    `Cannot write ${path}: ${reasonOf(cause)}. Expected a folder to write in`,
    { cause },
  );
}
