import { OfframpError } from '../errors.ts';
import { totalBits } from './range-coder.ts';

/** Contexts per channel: 4 coarse values of each of three neighbours. */
export const contextsPerChannel = 64;

const total = 2 ** totalBits;

/** The frequencies of a cut's codes per context, checked; made by `parseCutTables`. */
export interface CutTables {
  readonly contexts: number;
  /** Values a code can have, 2^bits. */
  readonly levels: number;
  /** Where each value starts in its row of 2^14, [contexts][levels]; the first of a row is 0. */
  readonly cumulative: Uint16Array;
}

export interface CutTablesShape {
  readonly contexts: number;
  readonly levels: number;
  /** Name of the file, for error messages. */
  readonly file: string;
}

/**
 * Reads `cutK.tables.bin`: uint16 little-endian [contexts][levels], every entry at least 1 (any code can be sent), every
 * row adding up to 2^14. Throws `BUNDLE_FILE_CORRUPT` naming the file and the row.
 */
export function parseCutTables(bytes: Uint8Array, { contexts, levels, file }: CutTablesShape): CutTables {
  const expected = contexts * levels * Uint16Array.BYTES_PER_ELEMENT;
  if (bytes.length !== expected) {
    throw new OfframpError(
      'BUNDLE_FILE_CORRUPT',
      `${file}: got ${bytes.length} bytes, expected ${expected} for ${contexts} contexts of ${levels} levels`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cumulative = new Uint16Array(contexts * levels);
  for (let row = 0; row < contexts; row++) {
    let sum = 0;
    for (let level = 0; level < levels; level++) {
      const index = row * levels + level;
      const frequency = view.getUint16(index * Uint16Array.BYTES_PER_ELEMENT, true);
      if (frequency === 0) {
        throw new OfframpError(
          'BUNDLE_FILE_CORRUPT',
          `${file}: row ${row}: got 0 for level ${level}, expected at least 1`,
        );
      }
      cumulative[index] = sum;
      sum += frequency;
    }
    if (sum !== total) {
      throw new OfframpError('BUNDLE_FILE_CORRUPT', `${file}: row ${row}: got sum ${sum}, expected ${total}`);
    }
  }
  return { contexts, levels, cumulative };
}

/**
 * The tables of the first `channels` channels, without a copy: contexts are numbered channel by channel, and none looks at a
 * later channel. Throws `RangeError` for a number of channels that the tables do not have.
 */
export function firstChannels(tables: CutTables, channels: number): CutTables {
  const all = tables.contexts / contextsPerChannel;
  if (!Number.isInteger(channels) || channels < 1 || channels > all) {
    throw new RangeError(`got ${channels} channels, expected 1 to ${all}`);
  }
  const { levels, cumulative } = tables;
  const contexts = channels * contextsPerChannel;
  return { contexts, levels, cumulative: cumulative.subarray(0, contexts * levels) };
}
