import sharp from 'sharp';
import { OfframpError, reasonOf } from '../errors.ts';
import { pictureFormatOf } from '../protocol/index.ts';

/** How a picture of another size is brought to the network's: sharp's `fit`, or `off` to refuse it. */
export const resizeModes = ['cover', 'contain', 'fill', 'off'] as const;
export type ResizeMode = (typeof resizeModes)[number];

/** How every server fits the pictures that are sent to it: a device that wants it otherwise sends pixels. */
export const sentPictureResize: ResizeMode = 'cover';

export interface DecodeLimits {
  /** Pixels of the largest picture that is decoded at all: a small file can unpack to gigabytes. */
  readonly maxPixels?: number;
}

const defaultMaxPixels = 50_000_000;

// Pictures come from strangers, each only once: a cache would hold their memory for nothing.
sharp.cache(false);
// One thread of libuv's pool per picture; libvips would add as many of its own as there are cores.
sharp.concurrency(1);

/**
 * Decodes PNG, JPEG or WebP into the network's input, uint8 [height, width, channels] with 1 (grey) or 3 (sRGB) channels, off
 * the calling thread. Device and server use it alike, so that a file gives the same pixels on either side.
 * @throws OfframpError IMAGE_INVALID, IMAGE_TOO_LARGE.
 */
export async function decodeImage(
  file: Uint8Array,
  shape: readonly number[],
  resize: ResizeMode,
  { maxPixels = defaultMaxPixels }: DecodeLimits = {},
): Promise<Uint8Array> {
  const [height = 0, width = 0, channels = 0] = shape;
  // Before the library sees it: it knows many formats, and tries them all.
  const claimed = pictureFormatOf(file);
  if (claimed === undefined) {
    throw new OfframpError(
      'IMAGE_INVALID',
      `A file of ${file.length} bytes that does not begin as PNG, JPEG or WebP`,
    );
  }
  // Cameras say in EXIF how they were held.
  const picture = sharp(file, { limitInputPixels: maxPixels, failOn: 'error' }).autoOrient();
  const { autoOrient, format } = await decoded(picture.metadata(), maxPixels);
  const { width: gotWidth, height: gotHeight } = autoOrient;
  if (format !== claimed) {
    throw new OfframpError('IMAGE_INVALID', `A picture in ${format}, its first bytes claim ${claimed}`);
  }
  if (resize === 'off' && (gotWidth !== width || gotHeight !== height)) {
    const message = `A picture of ${gotWidth} x ${gotHeight} pixels, expected ${width} x ${height} (resizing is off)`;
    throw new OfframpError('IMAGE_INVALID', message);
  }
  const sized =
    resize === 'off' ? picture : picture.resize(width, height, { fit: resize, background: 'black' });
  const flat = sized.flatten({ background: 'black' }).toColourspace(channels === 1 ? 'b-w' : 'srgb');
  const { data, info } = await decoded(flat.raw().toBuffer({ resolveWithObject: true }), maxPixels);
  if (info.channels === channels) return data;
  throw new OfframpError('IMAGE_INVALID', `A picture of ${info.channels} channels, expected ${channels}`);
}

async function decoded<T>(work: Promise<T>, maxPixels: number): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    const reason = reasonOf(thrown);
    if (reason.includes('pixel limit')) {
      throw new OfframpError('IMAGE_TOO_LARGE', `The picture has more than ${maxPixels} pixels`, {
        cause: thrown,
      });
    }
    throw new OfframpError('IMAGE_INVALID', `Not a picture in PNG, JPEG or WebP: ${reason}`, {
      cause: thrown,
    });
  }
}
