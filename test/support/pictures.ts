import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

/** Grey levels of a test picture: dark at the top left, light at the bottom right, and no two rows alike. */
export function greyAt(x: number, y: number): number {
  return (x * 3 + y * 5) % 256;
}

export function greyPixels(width: number, height: number): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, at) => greyAt(at % width, Math.floor(at / width)));
}

/** A grey picture encoded as `format`, without loss where the format can. */
export async function greyFile(
  width: number,
  height: number,
  format: 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff',
): Promise<Uint8Array> {
  const picture = sharp(greyPixels(width, height), { raw: { width, height, channels: 1 } });
  const options = { png: {}, jpeg: { quality: 100 }, webp: { lossless: true }, gif: {}, tiff: {} }[format];
  return new Uint8Array(await picture.toFormat(format, options).toBuffer());
}

/** One colour everywhere; three or four channels. */
export async function colourFile(
  width: number,
  height: number,
  colour: readonly number[],
): Promise<Uint8Array> {
  const raw = Uint8Array.from(
    { length: width * height * colour.length },
    (_, at) => colour[at % colour.length] ?? 0,
  );
  const channels = colour.length === 4 ? 4 : 3;
  return new Uint8Array(await sharp(raw, { raw: { width, height, channels } }).png().toBuffer());
}

function chunk(name: string, body: Uint8Array): Buffer {
  const head = Buffer.from(name, 'latin1');
  const whole = Buffer.concat([head, body]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(whole));
  return Buffer.concat([length, whole, checksum]);
}

/** A grey PNG put together by hand, of `bits` 8 or 16, with these bytes as its rows (RFC 2083, filter 0). */
export function rawPng(
  width: number,
  height: number,
  bits: 8 | 16,
  rows: (y: number) => Uint8Array,
): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bits, 0, 0, 0, 0], 8);
  const data = Buffer.concat(
    Array.from({ length: height }, (_, y) => Buffer.concat([Uint8Array.of(0), rows(y)])),
  );
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(data)), chunk('IEND', Buffer.alloc(0))];
  return new Uint8Array(Buffer.concat([signature, ...chunks]));
}

/** A PNG of a few bytes that claims to be `width` x `height`. */
export function pixelBomb(width: number, height: number): Uint8Array {
  const png = rawPng(1, 1, 8, () => Uint8Array.of(0));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  return new Uint8Array(Buffer.concat([png.subarray(0, 8), chunk('IHDR', header), png.subarray(33)]));
}
