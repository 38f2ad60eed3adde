import { readFile, stat } from 'node:fs/promises';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** As much as nobody's camera makes: a file that is larger is no picture. */
const maxPictureBytes = 64 * 1024 * 1024;

/**
 * Reads a picture's file.
 * @throws OfframpError IMAGE_MISSING, IMAGE_TOO_LARGE, IMAGE_INVALID.
 */
export async function readPicture(file: string): Promise<Uint8Array> {
  try {
    // Before it is opened: a pipe would wait for somebody who writes, a device might never end.
    const found = await stat(file);
    if (!found.isFile()) throw new OfframpError('IMAGE_INVALID', `${file} is no file`);
    if (found.size > maxPictureBytes) {
      const message = `${file} has ${found.size} bytes, expected at most ${maxPictureBytes}`;
      throw new OfframpError('IMAGE_TOO_LARGE', message);
    }
    return await readFile(file);
  } catch (thrown) {
    if (thrown instanceof OfframpError) throw thrown;
    const message = `Cannot read the picture: ${reasonOf(thrown)}`;
    throw new OfframpError('IMAGE_MISSING', message, { cause: thrown });
  }
}
