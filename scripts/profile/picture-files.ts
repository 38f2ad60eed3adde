import sharp from 'sharp';

/** How pictures are encoded: without loss, so that they are answered as the pixels are. */
export const pictureFormat = 'lossless WebP, effort 6';
const slowest = 6;
const atOnce = 64;

/** The first `count` images as files, each encoded without loss. */
export async function pictureFiles(
  image: (index: number) => Uint8Array,
  shape: readonly [number, number, number],
  count: number,
  onProgress: (done: number, total: number) => void,
): Promise<Uint8Array[]> {
  const [height, width, channels] = shape;
  const raw = { width, height, channels: channels === 1 ? (1 as const) : (3 as const) };
  const files: Uint8Array[] = [];
  for (let first = 0; first < count; first += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, count - first) }, (_, place) =>
      sharp(image(first + place), { raw })
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .webp({ lossless: true, effort: slowest })
        .toBuffer(),
    );
    files.push(...(await Promise.all(some)));
    onProgress(files.length, count);
  }
  return files;
}
