import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** Pixels of a picture, RGBA, row by row. */
export interface Rgba {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** A picture as a page has it: a file, or what it has drawn. */
export type PagePicture = Blob | ImageData;

const mostFileBytes = 32 * 1024 * 1024;
const mostPixels = 50_000_000;

/**
 * Brings a picture to the network's input, uint8 [height, width, channels]: transparent parts on black, the middle of it scaled to fill
 * the input (as `cover` of the daemon does), grey for one channel.
 * @throws OfframpError IMAGE_INVALID, IMAGE_TOO_LARGE.
 */
export async function pixelsOf(picture: PagePicture, shape: readonly number[]): Promise<Uint8Array> {
  const [height = 0, width = 0, channels = 0] = shape;
  if (channels !== 1 && channels !== 3) {
    const got = `A picture for an input of ${channels} channels`;
    throw new OfframpError('IMAGE_INVALID', `${got}, expected 1 or 3: pass pixels`);
  }
  const { data } = await fitted(picture, width, height);
  return channels === 1 ? greyOf(data) : rgbOf(data);
}

async function fitted(picture: PagePicture, width: number, height: number): Promise<Rgba> {
  // A canvas would only be a chance for a browser to blur the pixels against fingerprinting.
  if (!(picture instanceof Blob) && isReady(picture, width, height)) return picture;
  if (picture instanceof Blob && picture.size > mostFileBytes) {
    throw new OfframpError('IMAGE_TOO_LARGE', `A picture of ${picture.size} bytes, at most ${mostFileBytes}`);
  }
  const bitmap = await decoded(picture);
  try {
    return drawn(bitmap, width, height);
  } finally {
    bitmap.close();
  }
}

function isReady({ data, width, height }: Rgba, wantedWidth: number, wantedHeight: number): boolean {
  if (width !== wantedWidth || height !== wantedHeight) return false;
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

async function decoded(picture: PagePicture): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(picture);
  } catch (thrown) {
    throw new OfframpError('IMAGE_INVALID', `Not a picture that this browser reads: ${reasonOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function drawn(bitmap: ImageBitmap, width: number, height: number): Rgba {
  const pixels = bitmap.width * bitmap.height;
  if (pixels > mostPixels) {
    throw new OfframpError('IMAGE_TOO_LARGE', `A picture of ${pixels} pixels, at most ${mostPixels}`);
  }
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) throw new OfframpError('NOT_SUPPORTED', 'This browser has no canvas in workers');
  context.fillStyle = 'black';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  const { x, y, width: w, height: h } = coverRectangle(bitmap, width, height);
  context.drawImage(bitmap, x, y, w, h, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** The largest part in the middle of a picture that has the shape of `width` x `height`. */
export function coverRectangle(
  picture: Pick<Rgba, 'width' | 'height'>,
  width: number,
  height: number,
): { readonly x: number; readonly y: number; readonly width: number; readonly height: number } {
  const own = {
    width: Math.min(picture.width, (picture.height * width) / height),
    height: Math.min(picture.height, (picture.width * height) / width),
  };
  return { x: (picture.width - own.width) / 2, y: (picture.height - own.height) / 2, ...own };
}

export function rgbOf(rgba: Uint8ClampedArray): Uint8Array {
  const count = rgba.length / 4;
  const rgb = new Uint8Array(3 * count);
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < 3; channel++) rgb[3 * pixel + channel] = rgba[4 * pixel + channel] ?? 0;
  }
  return rgb;
}

/** Luminance of linear light, by the weights of Rec. ITU-R BT.709, in sRGB's scale; what is grey already stays as it is. */
export function greyOf(rgba: Uint8ClampedArray): Uint8Array {
  const grey = new Uint8Array(rgba.length / 4);
  for (let pixel = 0; pixel < grey.length; pixel++) {
    const [red = 0, green = 0, blue = 0] = rgba.subarray(4 * pixel, 4 * pixel + 3);
    const isGrey = red === green && green === blue;
    grey[pixel] = isGrey
      ? red
      : encoded(0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue));
  }
  return grey;
}

/** IEC 61966-2-1, 0 to 255 to linear light. */
function linear(value: number): number {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function encoded(light: number): number {
  const share = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
  return Math.round(255 * share);
}
