/** Picture files as people have them: large, wrong, or none. */
import { OfframpError } from '../web/index.ts';

/** What is kept of a picture; more than the pad shows nobody sees. */
const keptSide = 560;
const mostBytes = 64 * 1024 * 1024;

/**
 * Decodes a picture, scaled down while it is: a photograph of 50 million pixels would fill 200 MB.
 * @throws OfframpError IMAGE_INVALID, IMAGE_TOO_LARGE.
 */
export async function readPicture(file: Blob): Promise<ImageBitmap> {
  if (file.type !== '' && !file.type.startsWith('image/')) {
    throw new OfframpError('IMAGE_INVALID', `Got a file of the type ${file.type}, expected a picture`);
  }
  if (file.size > mostBytes)
    throw new OfframpError('IMAGE_TOO_LARGE', `Got ${file.size} bytes, expected at most ${mostBytes}`);
  try {
    return await createImageBitmap(file, { resizeWidth: keptSide, resizeQuality: 'medium' });
  } catch (cause) {
    throw new OfframpError('IMAGE_INVALID', 'Got what this browser cannot decode, expected a picture', {
      cause,
    });
  }
}

/** The first picture, else the first file, of what was dropped or pasted. */
export function fileOf(data: DataTransfer | null): File | undefined {
  const files = [...(data?.files ?? [])];
  return files.find(({ type }) => type.startsWith('image/')) ?? files[0];
}

/** What a picture would cost to send instead, and what that is. */
export interface PictureCost {
  readonly bytes: number;
  readonly words: string;
}

/** The network's own pixels as a file: without loss for drawings, at quality 75 for pictures in colour. */
export async function pictureCost(
  canvas: OffscreenCanvas,
  channels: number,
  file?: Blob,
): Promise<PictureCost> {
  const quality = channels === 1 ? 1 : 0.75;
  const stored = await canvas.convertToBlob({ type: 'image/webp', quality });
  const isWebp = stored.type === 'image/webp';
  const webp = channels === 1 ? 'lossless WebP' : 'WebP of quality 75';
  const kind = isWebp ? `${webp} without its colour profile` : 'PNG';
  const own =
    file === undefined ? '' : ` The file that you chose has ${file.size.toLocaleString('en')} bytes.`;
  const words = `The picture: the ${canvas.width} x ${canvas.height} pixels that the network sees, as ${kind}.${own}`;
  const bytes = isWebp ? webpImageBytes(new Uint8Array(await stored.arrayBuffer())) : stored.size;
  return { bytes, words };
}

const riffHeaderBytes = 12;
const chunkHeaderBytes = 8;
const imageChunks = new Set(['ALPH', 'VP8 ', 'VP8L']);

/** Bytes of a WebP file (RFC 9649) without what is not the image: some browsers add a colour profile of 456 bytes. */
export function webpImageBytes(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let bytes = riffHeaderBytes;
  for (let at = riffHeaderBytes; at + chunkHeaderBytes <= file.length; ) {
    const name = String.fromCharCode(...file.subarray(at, at + 4));
    const size = view.getUint32(at + 4, true);
    const whole = chunkHeaderBytes + size + (size % 2);
    if (imageChunks.has(name)) bytes += whole;
    at += whole;
  }
  return bytes;
}
