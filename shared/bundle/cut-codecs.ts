import { type Codec, type CutTables, createCodec, firstChannels } from '../codec/index.ts';
import type { CodesShape, CutSpec } from './schema.ts';

/** The codecs of one cut: that of all channels, and that of each rate. */
export class CutCodecs {
  /** The codec of all channels. */
  readonly all: Codec;
  /** The rates of the cut in channels, ascending; all channels alone where the manifest lists none. */
  readonly rates: readonly number[];
  readonly #shape: CodesShape;
  readonly #bits: number;
  readonly #tables: CutTables | undefined;
  readonly #made: Map<number, Codec>;

  constructor(shape: CodesShape, { bits, rates }: CutSpec, tables: CutTables | undefined) {
    this.all = createCodec({ shape, bits, tables });
    this.rates = rates?.map(({ channels }) => channels) ?? [shape[0]];
    this.#shape = shape;
    this.#bits = bits;
    this.#tables = tables;
    this.#made = new Map([[shape[0], this.all]]);
  }

  /**
   * The codec of the first `channels` channels, shape [channels, rows, columns], on the part of the tables that is theirs;
   * `undefined` when the cut has no such rate. Made when it is first asked for: a device uses one of them.
   */
  ofRate(channels: number): Codec | undefined {
    if (!this.rates.includes(channels)) return undefined;
    const made = this.#made.get(channels);
    if (made !== undefined) return made;
    const [, rows, columns] = this.#shape;
    const tables = this.#tables && firstChannels(this.#tables, channels);
    const codec = createCodec({ shape: [channels, rows, columns], bits: this.#bits, tables });
    this.#made.set(channels, codec);
    return codec;
  }
}
