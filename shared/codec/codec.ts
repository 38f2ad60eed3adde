import { OfframpError } from '../errors.ts';
import { crc16 } from './crc16.ts';
import { type CodesShape, ContextModel } from './model.ts';
import { pack, packedLength, unpack } from './packing.ts';
import { type CutTables, contextsPerChannel } from './tables.ts';

const checksumBytes = 2;

export interface CodecOptions {
  /** Channels, rows, columns of the codes of one image. */
  readonly shape: CodesShape;
  /** Bits per code, 1 to 8. */
  readonly bits: number;
  /** Entropy coder tables of the cut; without them codes are packed only. */
  readonly tables?: CutTables | undefined;
}

/**
 * Turns the codes of one image into a stream and back, without loss.
 *
 * A stream is a payload and its checksum, nothing else: the bundle's digest, agreed on beforehand, fixes shape, bits
 * and tables.
 *
 * - Payload: the codes in the tensor's own order (channel, row, column), either packed (`bits` each without gaps, first
 *   code in the lowest bits, `ceil(count * bits / 8)` bytes, unused bits 0), or range coded, and then strictly shorter
 *   than that and without zero bytes at its end. The length tells which, so no byte is spent on saying it; the encoder
 *   takes the range coded form when it is the shorter one.
 * - Checksum: CRC-16/GENIBUS of the payload, high byte first.
 *
 * A range coded payload of any content decodes to some codes, and one flipped bit changes every code after it; only the
 * checksum can tell. It finds every single flipped bit and every burst of up to 16 bits. A stream cut short is found by
 * its checksum too, save for a chance of 1 in 65536, and always when less than the checksum is left. A stream too long
 * is found by its length before anything is read, which bounds the work a peer can ask for.
 *
 * A stream does not say at which rate of its cut it was made, and the checksum, being the payload's alone, cannot tell. The
 * codec of another rate is sure to refuse only what is longer than its own longest stream. What is range coded for both it
 * reads without an error: the channels that both rates have come out right, any others are arbitrary.
 *
 * A codec keeps work memory between calls; it belongs to one thread, and no call leaves anything behind for the next.
 */
export interface Codec {
  /** Bits per code. */
  readonly bits: number;
  /** Codes per image, channels x rows x columns. */
  readonly count: number;
  /** Longest stream of one image in bytes: packed payload and checksum. */
  readonly maxBytes: number;
  /**
   * Codes [channels, rows, columns] to a stream of their own memory. Throws `CODES_INVALID` for a wrong number of codes
   * and for a code of 2^bits or more.
   */
  encode(codes: Uint8Array): Uint8Array;
  /** Stream to codes [channels, rows, columns]. Throws `CODES_CORRUPT`. */
  decode(stream: Uint8Array): Uint8Array;
  /**
   * Stream to codes at `offset` of a larger tensor, such as one row of a batch. Throws `CODES_CORRUPT` for a broken
   * stream and `CODES_INVALID` for a target without room; `target` is then unchanged.
   */
  decodeInto(stream: Uint8Array, target: Uint8Array, offset: number): void;
}

/**
 * The code that the receiver puts for every code of a channel that was not sent, 2^(bits - 1): the middle level, which the
 * network behind the cut was trained to take for an absent one.
 */
export function absentCode(bits: number): number {
  return 2 ** (bits - 1);
}

/** Makes the codec of one cut. Throws `BUNDLE_MANIFEST_INVALID` for a shape, bits and tables that do not fit together. */
export function createCodec({ shape, bits, tables }: CodecOptions): Codec {
  checkOptions(shape, bits, tables);
  const count = shape[0] * shape[1] * shape[2];
  const packedBytes = packedLength(count, bits);
  const maxBytes = packedBytes + checksumBytes;
  const usedInLastByte = count * bits - (packedBytes - 1) * 8;
  const model = tables === undefined ? undefined : new ContextModel(shape, bits, tables);

  function encode(codes: Uint8Array): Uint8Array {
    checkCodes(codes, count, bits);
    const coded = model?.encode(codes);
    if (coded !== undefined && coded.length < packedBytes) {
      const stream = new Uint8Array(coded.length + checksumBytes);
      stream.set(coded);
      return sealed(stream);
    }
    const stream = new Uint8Array(maxBytes);
    pack(codes, bits, stream);
    return sealed(stream);
  }

  function decodeInto(stream: Uint8Array, target: Uint8Array, offset: number): void {
    if (!Number.isInteger(offset) || offset < 0 || offset + count > target.length) {
      throw new OfframpError(
        'CODES_INVALID',
        `got a target of ${target.length} codes and offset ${offset}, expected room for ${count} codes`,
      );
    }
    const length = checkStream(stream);
    const codes = target.subarray(offset, offset + count);
    if (length === packedBytes) unpack(stream, bits, codes);
    else model?.decode(stream, length, codes);
  }

  /** Everything that can be wrong with a stream is found here, before a code is written. Returns the payload's length. */
  function checkStream(stream: Uint8Array): number {
    const length = stream.length - checksumBytes;
    if (length > packedBytes) corrupt(`${stream.length} bytes`, `at most ${maxBytes}`);
    const isPacked = length === packedBytes;
    if (!isPacked && model === undefined) corrupt(`${stream.length} bytes`, `${maxBytes}, having no tables`);
    checkChecksum(stream);

    const last = stream[length - 1] ?? 0;
    if (isPacked && last >>> usedInLastByte !== 0) corrupt(`last byte ${last}`, 'its unused bits to be 0');
    if (!isPacked && length > 0 && last === 0)
      corrupt('zeros at the end', 'trailing zero bytes to be left out');
    return length;
  }

  return {
    bits,
    count,
    maxBytes,
    encode,
    decode(stream) {
      const codes = new Uint8Array(count);
      decodeInto(stream, codes, 0);
      return codes;
    },
    decodeInto,
  };
}

function checkOptions(shape: CodesShape, bits: number, tables: CutTables | undefined): void {
  if (!shape.every((size) => Number.isInteger(size) && size >= 1)) {
    mismatch(`codes of shape [${shape.join(', ')}]`, 'three whole numbers of at least 1');
  }
  if (!Number.isInteger(bits) || bits < 1 || bits > 8) mismatch(`${bits} bits per code`, '1 to 8');
  if (tables === undefined) return;
  const contexts = shape[0] * contextsPerChannel;
  if (tables.contexts !== contexts) {
    mismatch(`tables of ${tables.contexts} contexts`, `${contexts} for ${shape[0]} channels`);
  }
  if (tables.levels !== 2 ** bits) {
    mismatch(`tables of ${tables.levels} levels`, `${2 ** bits} for ${bits} bits`);
  }
}

function mismatch(got: string, expected: string): never {
  throw new OfframpError('BUNDLE_MANIFEST_INVALID', `got ${got}, expected ${expected}`);
}

function checkCodes(codes: Uint8Array, count: number, bits: number): void {
  if (codes.length !== count) {
    throw new OfframpError('CODES_INVALID', `got ${codes.length} codes, expected ${count}`);
  }
  let seen = 0;
  for (let index = 0; index < codes.length; index++) seen |= codes[index] ?? 0;
  if (seen >>> bits === 0) return;
  const most = 2 ** bits - 1;
  const place = codes.findIndex((code) => code > most);
  throw new OfframpError('CODES_INVALID', `codes: got ${codes[place]} at ${place}, expected 0 to ${most}`);
}

/** Writes the checksum into the last two bytes. */
function sealed(stream: Uint8Array): Uint8Array {
  const length = stream.length - checksumBytes;
  const checksum = crc16(stream, length);
  stream[length] = checksum >>> 8;
  stream[length + 1] = checksum;
  return stream;
}

function checkChecksum(stream: Uint8Array): void {
  const length = stream.length - checksumBytes;
  if (length < 0) corrupt(`${stream.length} bytes`, `at least ${checksumBytes}`);
  const stated = ((stream[length] ?? 0) << 8) | (stream[length + 1] ?? 0);
  const computed = crc16(stream, length);
  if (stated !== computed) corrupt(`checksum ${hex(stated)}`, `${hex(computed)} for its ${length} bytes`);
}

function corrupt(got: string, expected: string): never {
  throw new OfframpError('CODES_CORRUPT', `stream: got ${got}, expected ${expected}`);
}

function hex(checksum: number): string {
  return `0x${checksum.toString(16).padStart(4, '0')}`;
}
