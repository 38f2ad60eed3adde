import sharp from 'sharp';
import type { ImageSource } from '../../edge/agent/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { decodeImage, sentPictureResize } from '../../shared/host/index.ts';
import type { PictureFormat } from '../../shared/protocol/index.ts';
import type { LabelledImages } from '../data/index.ts';

/** How images are compressed before they are sent at cut 0. */
export interface SentPicture {
  readonly format: PictureFormat;
  /** 1 to 100; absent for PNG, which loses nothing. */
  readonly quality?: number;
}

/** A value of `--image-format`. */
export type ImageFormat = PictureFormat | 'raw';

const defaultQuality = 80;
const atOnce = 64;

/**
 * What the options of `offramp evaluate` ask for; `undefined` for raw pixels.
 * @throws OfframpError CONFIG_INVALID for a format where no image is sent, or a quality where there is none.
 */
export function sentPicture(
  cut: number,
  format: ImageFormat | undefined,
  quality: number | undefined,
): SentPicture | undefined {
  if (format !== undefined && cut !== 0) {
    throw new OfframpError('CONFIG_INVALID', `--image-format ${format} at cut ${cut}, expected --cut 0`);
  }
  if (format === 'jpeg' || format === 'webp') return { format, quality: quality ?? defaultQuality };
  if (quality !== undefined) {
    const got = `--image-quality ${quality} with --image-format ${format ?? 'raw'}`;
    throw new OfframpError('CONFIG_INVALID', `${got}, expected jpeg or webp`);
  }
  return format === 'png' ? { format } : undefined;
}

/** The first `count` images as the agent is to take them: as pixels, or encoded with sharp's defaults but for the quality. */
export async function imageSources(
  images: LabelledImages,
  count: number,
  picture: SentPicture | undefined,
): Promise<ImageSource[]> {
  const sources: ImageSource[] = Array.from({ length: count }, (_, index) => images.image(index));
  if (picture === undefined) return sources;
  const { format, quality } = picture;
  const [height, width, channels] = images.shape;
  const raw = { width, height, channels: channels === 1 ? (1 as const) : (3 as const) };
  const encode = async (index: number) => {
    const options = quality === undefined ? {} : { quality };
    const picture = sharp(images.image(index), { raw }).toColourspace(channels === 1 ? 'b-w' : 'srgb');
    const file = await picture.toFormat(format, options).toBuffer();
    sources[index] = { file, format, decode: () => decodeImage(file, images.shape, sentPictureResize) };
  };
  for (let first = 0; first < count; first += atOnce) {
    const some = Math.min(atOnce, count - first);
    await Promise.all(Array.from({ length: some }, (_, place) => encode(first + place)));
  }
  return sources;
}
