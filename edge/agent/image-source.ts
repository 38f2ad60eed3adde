import type { PictureFormat } from '../../shared/protocol/index.ts';

/** A compressed picture file as it came. Where the image is sent (cut 0) it goes as it is. */
export interface PictureFile {
  readonly file: Uint8Array;
  /** What the file really is, not what somebody says of it: a server refuses another. */
  readonly format: PictureFormat;
  /** Makes the pixels that a server would make of the file. Called only when the device itself has to compute. */
  decode(): Promise<Uint8Array>;
}

/**
 * An image: pixels, uint8 [height, width, channels]; what makes them, and then making them is timed and takes from the budget;
 * or a picture file. The bytes have to stay as they are until the answer is there.
 */
export type ImageSource = Uint8Array | (() => Promise<Uint8Array>) | PictureFile;

/** The picture file where there is one. */
export function pictureFile(source: ImageSource): PictureFile | undefined {
  return source instanceof Uint8Array || typeof source === 'function' ? undefined : source;
}

/**
 * The picture file that a server takes as it is; without one the image goes as pixels.
 * @param mostBytes what the server takes; absent: no files.
 */
export function sentFile(source: ImageSource, mostBytes: number | undefined): PictureFile | undefined {
  const picture = pictureFile(source);
  return picture !== undefined && picture.file.length <= (mostBytes ?? 0) ? picture : undefined;
}
