import sharp, { type WebpOptions } from 'sharp';
import { decodeImage, sentPictureResize } from '../../../shared/host/index.ts';

/** A way of making lossy WebP files that leaves only the quality open. */
export type WebpSettings = Omit<WebpOptions, 'quality'>;

/** Height, width, channels; 1 or 3 channels. */
export type PictureShape = readonly [number, number, number];

/** Qualities that are measured: 5 to 90. */
export const webpQualities: readonly number[] = Array.from({ length: 18 }, (_, index) => (index + 1) * 5);

/**
 * What is tried before the best is taken. libwebp knows the preset `text` as another name of `icon`: no noise shaping, no
 * deblocking.
 */
export const webpCandidates: readonly WebpSettings[] = [
  { effort: 4 },
  { effort: 6 },
  { effort: 6, smartSubsample: true },
  { effort: 6, preset: 'drawing' },
  { effort: 6, preset: 'icon' },
  { effort: 6, preset: 'icon', smartSubsample: true },
];

/** Settings for a person to read, such as `effort 6, preset icon`. */
export function settingsWords(settings: WebpSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => (value === true ? name : `${name} ${value}`))
    .join(', ');
}

/** Makes a file of pixels, uint8 [height, width, channels]. */
export function encodeWebp(
  pixels: Uint8Array,
  [height, width, channels]: PictureShape,
  settings: WebpSettings,
  quality: number,
): Promise<Uint8Array> {
  const raw = { width, height, channels: channels === 1 ? (1 as const) : (3 as const) };
  return sharp(pixels, { raw })
    .webp({ ...settings, quality })
    .toBuffer();
}

/** Files of a batch and the pixels that come out of them again. */
export interface WebpBatch {
  readonly files: readonly Uint8Array[];
  /** uint8 [rows, height, width, channels]. */
  readonly pixels: Uint8Array<ArrayBuffer>;
}

/** Makes files of all rows of a batch and decodes them as a server does. libuv's pool bounds how many at once. */
export async function throughWebp(
  rows: readonly Uint8Array[],
  shape: PictureShape,
  settings: WebpSettings,
  quality: number,
): Promise<WebpBatch> {
  const size = shape[0] * shape[1] * shape[2];
  const pixels = new Uint8Array(rows.length * size);
  const files = await Promise.all(
    rows.map(async (row, index) => {
      const file = await encodeWebp(row, shape, settings, quality);
      pixels.set(await decodeImage(file, shape, sentPictureResize), index * size);
      return file;
    }),
  );
  return { files, pixels };
}
