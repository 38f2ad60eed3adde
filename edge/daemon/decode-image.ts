import sharp from 'sharp';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** How a picture of another size is brought to the network's: sharp's `fit`, or `off` to refuse it. */
export const resizeModes = ['cover', 'contain', 'fill', 'off'] as const;
export type ResizeMode = (typeof resizeModes)[number];

const formats = ['png', 'jpeg', 'webp'];

/** Pixels of the largest picture that is decoded at all: a small file can unpack to gigabytes. */
const maxPixels = 50_000_000;

// Pictures come from strangers, each only once: a cache would hold their memory for nothing.
sharp.cache(false);

/**
 * Decodes PNG, JPEG or WebP into the network's input, uint8 [height, width, channels] with 1 (grey) or 3 (sRGB) channels.
 * @throws OfframpError IMAGE_INVALID, IMAGE_TOO_LARGE.
 */
export async function decodeImage(
  file: Uint8Array,
  shape: readonly number[],
  resize: ResizeMode,
): Promise<Uint8Array> {
  const [height = 0, width = 0, channels = 0] = shape;
  if (file.length === 0) throw new OfframpError('IMAGE_INVALID', 'An empty file, expected a picture');
  // Cameras say in EXIF how they were held.
  const picture = sharp(file, { limitInputPixels: maxPixels, failOn: 'error' }).autoOrient();
  const { autoOrient, format } = await decoded(picture.metadata());
  const { width: gotWidth, height: gotHeight } = autoOrient;
  if (!formats.includes(format)) {
    throw new OfframpError('IMAGE_INVALID', `A picture in ${format}, expected PNG, JPEG or WebP`);
  }
  if (resize === 'off' && (gotWidth !== width || gotHeight !== height)) {
    const message = `A picture of ${gotWidth} x ${gotHeight} pixels, expected ${width} x ${height} (resizing is off)`;
    throw new OfframpError('IMAGE_INVALID', message);
  }
  const sized =
    resize === 'off' ? picture : picture.resize(width, height, { fit: resize, background: 'black' });
  const flat = sized.flatten({ background: 'black' }).toColourspace(channels === 1 ? 'b-w' : 'srgb');
  const { data, info } = await decoded(flat.raw().toBuffer({ resolveWithObject: true }));
  if (info.channels === channels) return data;
  throw new OfframpError('IMAGE_INVALID', `A picture of ${info.channels} channels, expected ${channels}`);
}

async function decoded<T>(work: Promise<T>): Promise<T> {
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
