import { maximumSymbolBytes, RangeDecoder, RangeEncoder, totalBits } from './range-coder.ts';
import { type CutTables, contextsPerChannel } from './tables.ts';

/** Channels, rows, columns of the codes of one image. */
export type CodesShape = readonly [channels: number, rows: number, columns: number];

const total = 2 ** totalBits;

/**
 * Entropy coding of codes under the tables of their cut. The context of a code is its channel and the two highest bits
 * of three codes already known: left, up, and the same place in the previous channel; 0 where there is none.
 */
export class ContextModel {
  readonly #shape: CodesShape;
  readonly #bits: number;
  readonly #tables: CutTables;
  readonly #work: Uint8Array;
  readonly #encoder: RangeEncoder;
  readonly #decoder = new RangeDecoder();

  constructor(shape: CodesShape, bits: number, tables: CutTables) {
    const [channels, rows, columns] = shape;
    this.#shape = shape;
    this.#bits = bits;
    this.#tables = tables;
    this.#work = new Uint8Array(channels * rows * columns * maximumSymbolBytes + 1);
    this.#encoder = new RangeEncoder(this.#work);
  }

  /** Codes in, stream out: a view that holds until the next call. */
  encode(codes: Uint8Array): Uint8Array {
    const { levels, cumulative } = this.#tables;
    const [channels, rows, columns] = this.#shape;
    const encoder = this.#encoder;
    encoder.start();
    let index = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const code = codes[index] ?? 0;
          const start = this.#context(codes, index, channel, row, column) * levels;
          const from = cumulative[start + code] ?? 0;
          const to = code === levels - 1 ? total : (cumulative[start + code + 1] ?? 0);
          encoder.put(from, to);
          index++;
        }
      }
    }
    return this.#work.subarray(0, encoder.finish());
  }

  /** Fills `codes` from the first `length` bytes of `stream`. */
  decode(stream: Uint8Array, length: number, codes: Uint8Array): void {
    const { levels, cumulative } = this.#tables;
    const [channels, rows, columns] = this.#shape;
    const decoder = this.#decoder;
    decoder.start(stream, length);
    let index = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const start = this.#context(codes, index, channel, row, column) * levels;
          codes[index] = decoder.get(cumulative, start, this.#bits);
          index++;
        }
      }
    }
    decoder.release();
  }

  #context(codes: Uint8Array, index: number, channel: number, row: number, column: number): number {
    const [, rows, columns] = this.#shape;
    const coarse = Math.max(0, this.#bits - 2);
    const left = column > 0 ? (codes[index - 1] ?? 0) >>> coarse : 0;
    const up = row > 0 ? (codes[index - columns] ?? 0) >>> coarse : 0;
    const previous = channel > 0 ? (codes[index - rows * columns] ?? 0) >>> coarse : 0;
    return channel * contextsPerChannel + left * 16 + up * 4 + previous;
  }
}
