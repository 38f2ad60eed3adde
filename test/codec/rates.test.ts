/** Several rates from one set of codes and tables: the first channels alone, with a codec of their own. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  absentCode,
  type Codec,
  type CodesShape,
  type CutTables,
  createCodec,
  firstChannels,
} from '../../shared/codec/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { drawCodes, extremeRows, skewedRows, tablesOf, uniformRows } from './tables-source.ts';

const checksumBytes = 2;

/** Codes at a cut of some channels, and what their tables are made of. */
interface Source {
  readonly shape: CodesShape;
  readonly bits: number;
  readonly rows: readonly (readonly number[])[];
  readonly tables: CutTables;
  readonly codes: Uint8Array;
}

const sources: fc.Arbitrary<Source> = fc
  .record({
    shape: fc.tuple(
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
    ),
    bits: fc.integer({ min: 1, max: 4 }),
    seed: fc.integer({ min: 1, max: 2 ** 30 }),
    skew: fc.constantFrom('skewed', 'extreme', 'uniform'),
  })
  .map(({ shape, bits, seed, skew }) => {
    const rows =
      skew === 'uniform'
        ? uniformRows(shape[0], bits)
        : skew === 'extreme'
          ? extremeRows(shape[0], bits, (row) => Math.imul(row, seed) >>> 16)
          : skewedRows(shape[0], bits, seed);
    return { shape, bits, rows, tables: tablesOf(rows), codes: drawCodes(rows, shape, bits, seed) };
  });

function codecOf({ shape, bits, tables }: Source, channels: number): Codec {
  const [, height, width] = shape;
  return createCodec({ shape: [channels, height, width], bits, tables: firstChannels(tables, channels) });
}

const Rates = suite('the codec of a rate');

Rates('gives back the codes of the first channels, whatever shape, bits, tables and rate', () => {
  fc.assert(
    fc.property(sources, fc.nat(), (source, draw) => {
      const channels = 1 + (draw % source.shape[0]);
      const codec = codecOf(source, channels);
      assert.is(codec.count, channels * source.shape[1] * source.shape[2]);
      const sent = source.codes.subarray(0, codec.count);
      const stream = codec.encode(sent);
      assert.ok(stream.length <= codec.maxBytes);
      assert.equal(codec.decode(stream), sent);
    }),
    { numRuns: 200 },
  );
});

Rates('writes what a codec with tables for these channels alone writes', () => {
  fc.assert(
    fc.property(sources, (source) => {
      const { shape, bits, rows, codes } = source;
      for (let channels = 1; channels <= shape[0]; channels++) {
        const alone = createCodec({
          shape: [channels, shape[1], shape[2]],
          bits,
          tables: tablesOf(rows.slice(0, channels * 64)),
        });
        const sent = codes.subarray(0, alone.count);
        assert.equal(codecOf(source, channels).encode(sent), alone.encode(sent));
      }
    }),
    { numRuns: 20 },
  );
});

Rates('looks at the tables of all channels where they are, without a copy', () => {
  const tables = tablesOf(skewedRows(4, 3));
  const first = firstChannels(tables, 2);
  assert.equal([first.contexts, first.levels, first.cumulative.length], [128, 8, 1024]);
  assert.is(first.cumulative.buffer, tables.cumulative.buffer);
});

Rates('has no tables for channels that are not there', () => {
  const tables = tablesOf(skewedRows(4, 3));
  for (const channels of [0, -1, 5, 1.5, Number.NaN]) {
    assert.throws(() => firstChannels(tables, channels), /expected 1 to 4/);
  }
});

Rates('takes the middle level for the code of an absent channel', () => {
  assert.equal([1, 2, 3, 8].map(absentCode), [1, 2, 4, 128]);
});

Rates.run();

const Mixed = suite('a stream given to the codec of another rate');

/** The codes that `codec` reads from a stream, or `undefined` when it refuses the stream as corrupt. */
function readBy(codec: Codec, stream: Uint8Array): Uint8Array | undefined {
  try {
    return codec.decode(stream);
  } catch (error) {
    if (error instanceof OfframpError && error.code === 'CODES_CORRUPT') return undefined;
    throw error;
  }
}

function isRangeCoded(stream: Uint8Array, codec: Codec): boolean {
  return stream.length < codec.maxBytes;
}

const pairs = fc.tuple(sources, fc.nat(), fc.nat()).map(([source, a, b]) => {
  const channels = source.shape[0];
  const from = 1 + (a % channels);
  return { source, from, to: 1 + ((from + (b % (channels - 1))) % channels) };
});

Mixed('is refused for sure when it is longer than that codec writes', () => {
  let refused = 0;
  fc.assert(
    fc.property(pairs, ({ source, from, to }) => {
      const [writer, reader] = [codecOf(source, from), codecOf(source, to)];
      const stream = writer.encode(source.codes.subarray(0, writer.count));
      if (stream.length <= reader.maxBytes) return;
      assert.is(readBy(reader, stream), undefined);
      refused++;
    }),
    { numRuns: 200 },
  );
  assert.ok(refused > 10, `${refused} streams were longer`);
});

// The checksum is of the payload and knows nothing of a rate: it cannot tell.
Mixed('is read, when both take it for range coded, and right in the channels that both rates have', () => {
  let read = 0;
  fc.assert(
    fc.property(pairs, ({ source, from, to }) => {
      const [writer, reader] = [codecOf(source, from), codecOf(source, to)];
      const stream = writer.encode(source.codes.subarray(0, writer.count));
      if (!isRangeCoded(stream, writer) || !isRangeCoded(stream, reader)) return;
      const common = Math.min(writer.count, reader.count);
      assert.equal(readBy(reader, stream)?.subarray(0, common), source.codes.subarray(0, common));
      read++;
    }),
    { numRuns: 200 },
  );
  assert.ok(read > 30, `${read} streams were read`);
});

Mixed('is refused or gives codes in range, never anything else', () => {
  fc.assert(
    fc.property(pairs, ({ source, from, to }) => {
      const [writer, reader] = [codecOf(source, from), codecOf(source, to)];
      const codes = readBy(reader, writer.encode(source.codes.subarray(0, writer.count)));
      if (codes === undefined) return;
      assert.is(codes.length, reader.count);
      assert.ok(codes.every((code) => code < 2 ** source.bits));
    }),
    { numRuns: 200 },
  );
});

Mixed('with a checksum cut off or a byte changed is found as any other', () => {
  const shape: CodesShape = [4, 6, 6];
  const rows = skewedRows(4, 2);
  const source = { shape, bits: 2, rows, tables: tablesOf(rows), codes: drawCodes(rows, shape, 2, 3) };
  const [writer, reader] = [codecOf(source, 2), codecOf(source, 3)];
  const stream = writer.encode(source.codes.subarray(0, writer.count));
  assert.ok(readBy(reader, stream));
  for (let bit = 0; bit < stream.length * 8; bit++) {
    const flipped = stream.with(bit >> 3, (stream[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
    assert.is(readBy(reader, flipped), undefined, `bit ${bit}`);
  }
  assert.is(readBy(reader, stream.subarray(0, -checksumBytes)), undefined);
});

Mixed.run();
