import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc16 } from '../../shared/codec/crc16.ts';
import { type Codec, type CodesShape, createCodec } from '../../shared/codec/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  bytesOf,
  drawCodes,
  extremeRows,
  hexOf,
  idealBits,
  lcg,
  skewedRows,
  tablesOf,
  uniformRows,
} from './tables-source.ts';

function throwsCode(action: () => unknown, code: string, part: string): void {
  assert.throws(action, (error: unknown) => {
    return error instanceof OfframpError && error.code === code && error.message.includes(part);
  });
}

function sealed(payload: Uint8Array): Uint8Array {
  const checksum = crc16(payload, payload.length);
  return Uint8Array.of(...payload, checksum >>> 8, checksum & 0xff);
}

function refuses(codec: Codec, stream: Uint8Array): boolean {
  try {
    codec.decode(stream);
    return false;
  } catch (error) {
    return error instanceof OfframpError && error.code === 'CODES_CORRUPT';
  }
}

function noisyCodes(count: number, bits: number): Uint8Array {
  const next = lcg(7);
  return Uint8Array.from({ length: count }, () => (next() >>> 12) % 2 ** bits);
}

const Checksum = suite('checksum');

Checksum('gives the check value of CRC-16/GENIBUS', () => {
  const bytes = new TextEncoder().encode('123456789');
  assert.is(crc16(bytes, 9), 0xd64e);
  assert.is(crc16(bytes, 0), 0);
});

Checksum.run();

const Streams = suite('known streams');

// Computed with exact integers of any length by a program that shares nothing with the codec, and that finds the
// shortest end of a stream by trying every length from 0.
const known: { shape: CodesShape; bits: number; noise: string; last: string; mixed: string }[] = [
  { shape: [1, 2, 3], bits: 1, noise: '1ddd93', last: '3fd9b3', mixed: '2edba3' },
  { shape: [2, 3, 3], bits: 3, noise: '6513c88152e72767ff', last: 'fff22e52', mixed: '16ba495b22f5' },
  {
    shape: [3, 4, 4],
    bits: 2,
    noise: '51a161d9931ee825a349cec0824a',
    last: 'fffffff98236',
    mixed: 'fcfcfcfcfcfcfcfcfcfcfcfcceb0',
  },
  { shape: [2, 2, 2], bits: 8, noise: 'c5e4452939582aee00ee', last: 'ff0b5064', mixed: '00e17caffb' },
  {
    shape: [1, 4, 5],
    bits: 5,
    noise: '859494b17211cad84c7e9725014c03',
    last: 'ffff539569',
    mixed: '01b2ba162a8c0f62',
  },
];

for (const { shape, bits, noise, last, mixed } of known) {
  Streams(`are written and read byte for byte, ${shape.join('x')} codes of ${bits} bits`, () => {
    const codec = createCodec({ shape, bits, tables: tablesOf(skewedRows(shape[0], bits)) });
    const most = 2 ** bits - 1;
    const cases: [Uint8Array, string][] = [
      [noisyCodes(codec.count, bits), noise],
      [new Uint8Array(codec.count).fill(most), last],
      [Uint8Array.from({ length: codec.count }, (_, i) => (i % 4 === 0 ? i % (most + 1) : most)), mixed],
    ];
    for (const [codes, hex] of cases) {
      assert.is(hexOf(codec.encode(codes)), hex);
      assert.equal(codec.decode(bytesOf(hex)), codes);
    }
  });
}

Streams('hold no payload at all when every code is the lowest', () => {
  const codec = createCodec({ shape: [4, 8, 8], bits: 2, tables: tablesOf(uniformRows(4, 2)) });
  const zeros = new Uint8Array(256);
  assert.is(hexOf(codec.encode(zeros)), '0000');
  assert.equal(codec.decode(bytesOf('0000')), zeros);
});

Streams('pack the first code into the lowest bits', () => {
  const codec = createCodec({ shape: [1, 1, 5], bits: 3 });
  const packed = sealed(Uint8Array.of(0b11_010_001, 0b0_101_100_0));
  assert.equal(codec.encode(Uint8Array.of(1, 2, 3, 4, 5)), packed);
});

Streams('are packed when packing is as short as range coding', () => {
  const codec = createCodec({ shape: [1, 4, 4], bits: 2, tables: tablesOf(uniformRows(1, 2)) });
  const codes = noisyCodes(16, 2);
  assert.equal(codec.encode(codes), createCodec({ shape: [1, 4, 4], bits: 2 }).encode(codes));
});

Streams('are range coded when that saves a single byte', () => {
  const codec = createCodec({ shape: [1, 1, 1], bits: 8, tables: tablesOf(uniformRows(1, 8)) });
  assert.is(hexOf(codec.encode(Uint8Array.of(0))), '0000');
  assert.is(codec.encode(Uint8Array.of(1)).length, 3);
});

Streams('have no shorter form that would decode to the same codes', () => {
  const rows = skewedRows(2, 3, 5);
  const codec = createCodec({ shape: [2, 4, 4], bits: 3, tables: tablesOf(rows) });
  let compared = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const codes = drawCodes(rows, [2, 4, 4], 3, seed);
    const stream = codec.encode(codes);
    if (stream.length === codec.maxBytes || stream.length < 3) continue;
    const shorter = stream.subarray(0, stream.length - 3);
    for (const payload of [shorter, raised(shorter)]) {
      if (payload.at(-1) === 0) continue;
      assert.not.equal(codec.decode(sealed(payload)), codes);
      compared++;
    }
  }
  assert.ok(compared > 300, `compared ${compared}`);
});

/** The next larger number of as many bytes. */
function raised(bytes: Uint8Array): Uint8Array {
  const result = bytes.slice();
  let index = result.length - 1;
  while (index >= 0 && result[index] === 0xff) result[index--] = 0;
  if (index >= 0) result[index] = (result[index] ?? 0) + 1;
  return result;
}

Streams.run();

const RoundTrip = suite('round trip');

const shapes = fc.tuple(
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: 1, max: 9 }),
  fc.integer({ min: 1, max: 9 }),
);

function anyRows(channels: number, bits: number): fc.Arbitrary<number[][]> {
  const seed = fc.integer({ min: 1, max: 2 ** 30 });
  return fc.oneof(
    seed.map((value) => skewedRows(channels, bits, value)),
    seed.map((value) => extremeRows(channels, bits, (row) => Math.imul(row, value) >>> 16)),
    fc.constant(uniformRows(channels, bits)),
  );
}

const cases = fc.tuple(shapes, fc.integer({ min: 1, max: 8 })).chain(([shape, bits]) => {
  const count = shape[0] * shape[1] * shape[2];
  const code = fc.integer({ min: 0, max: 2 ** bits - 1 });
  const codes = fc.oneof(
    fc.uint8Array({ minLength: count, maxLength: count, max: 2 ** bits - 1 }),
    fc
      .tuple(code, code)
      .map(([few, many]) => Uint8Array.from({ length: count }, (_, i) => (i % 11 ? many : few))),
  );
  return fc.record({
    shape: fc.constant(shape),
    bits: fc.constant(bits),
    rows: fc.option(anyRows(shape[0], bits), { nil: undefined }),
    codes,
  });
});

RoundTrip('gives back any codes under any shape, bits and tables, within maxBytes', () => {
  fc.assert(
    fc.property(cases, ({ shape, bits, rows, codes }) => {
      const codec = createCodec({ shape, bits, tables: rows === undefined ? undefined : tablesOf(rows) });
      const stream = codec.encode(codes);
      assert.is(codec.maxBytes, Math.ceil((codec.count * bits) / 8) + 2);
      assert.ok(stream.length <= codec.maxBytes);
      assert.equal(codec.decode(stream), codes);
    }),
    { numRuns: 400 },
  );
});

RoundTrip('survives codes drawn from tables of any skew, where carries run far', () => {
  for (const bits of [1, 2, 4]) {
    for (const likely of [0, 2 ** bits - 1]) {
      const shape: CodesShape = [4, 16, 16];
      const rows = extremeRows(4, bits, () => likely);
      const codec = createCodec({ shape, bits, tables: tablesOf(rows) });
      for (let spoilt = 0; spoilt < 1024; spoilt += 7) {
        const codes = new Uint8Array(1024).fill(likely);
        codes[spoilt] = 2 ** bits - 1 - likely;
        assert.equal(codec.decode(codec.encode(codes)), codes);
      }
    }
  }
});

RoundTrip('leaves the codes it was given as they were', () => {
  const codes = noisyCodes(16, 2);
  const before = codes.slice();
  createCodec({ shape: [1, 4, 4], bits: 2, tables: tablesOf(skewedRows(1, 2)) }).encode(codes);
  assert.equal(codes, before);
});

RoundTrip('works on a stream and a target that are views into larger memory', () => {
  const rows = skewedRows(2, 3);
  const codec = createCodec({ shape: [2, 3, 3], bits: 3, tables: tablesOf(rows) });
  const batch = new Uint8Array(3 * codec.count).fill(0xee);
  const wanted = batch.slice();
  for (const [row, seed] of [
    [2, 5],
    [0, 9],
  ] as const) {
    const codes = drawCodes(rows, [2, 3, 3], 3, seed);
    const stream = codec.encode(codes);
    const message = new Uint8Array(stream.length + 9).fill(0xaa);
    message.set(stream, 5);
    codec.decodeInto(message.subarray(5, 5 + stream.length), batch, row * codec.count);
    wanted.set(codes, row * codec.count);
  }
  assert.equal(batch, wanted);
});

RoundTrip('gives streams that later calls leave alone', () => {
  const rows = skewedRows(1, 4);
  const codec = createCodec({ shape: [1, 8, 8], bits: 4, tables: tablesOf(rows) });
  const first = codec.encode(drawCodes(rows, [1, 8, 8], 4, 1));
  const copy = first.slice();
  codec.encode(drawCodes(rows, [1, 8, 8], 4, 2));
  assert.equal(first, copy);
});

RoundTrip('is not disturbed by another codec at work between its calls', () => {
  const rowsA = skewedRows(2, 2, 3);
  const rowsB = skewedRows(2, 2, 99);
  const shape: CodesShape = [2, 6, 6];
  const a = createCodec({ shape, bits: 2, tables: tablesOf(rowsA) });
  const b = createCodec({ shape, bits: 2, tables: tablesOf(rowsB) });
  for (let seed = 1; seed < 50; seed++) {
    const codesA = drawCodes(rowsA, shape, 2, seed);
    const codesB = drawCodes(rowsB, shape, 2, seed + 1000);
    const streamA = a.encode(codesA);
    const streamB = b.encode(codesB);
    assert.equal(b.decode(streamB), codesB);
    assert.equal(a.decode(streamA), codesA);
    assert.equal(a.encode(codesA), streamA);
  }
});

RoundTrip.run();

const Size = suite('size');

for (const bits of [1, 2, 4, 6]) {
  Size(`is within 1 % and 3 bytes of the entropy under the tables, ${bits} bits`, () => {
    const shape: CodesShape = [8, 12, 12];
    // One level per context has 7/8 of the weight, and which one depends on the neighbours.
    const levels = 2 ** bits;
    const rest = 2048 / levels;
    const rows = uniformRows(8, bits).map((row, context) =>
      row.map((_, level) => rest + (level === (context * 5) % levels ? 16384 - 2048 : 0)),
    );
    const codec = createCodec({ shape, bits, tables: tablesOf(rows) });
    for (let seed = 1; seed <= 20; seed++) {
      const codes = drawCodes(rows, shape, bits, seed);
      const idealBytes = idealBits(rows, shape, bits, codes) / 8;
      const { length } = codec.encode(codes);
      assert.ok(idealBytes < 0.75 * codec.maxBytes, 'the source should be compressible');
      assert.ok(length <= idealBytes * 1.01 + 3, `got ${length} bytes, ideal ${idealBytes}`);
      assert.ok(length >= idealBytes, `got ${length} bytes, fewer than the ideal ${idealBytes}`);
    }
  });
}

Size.run();

const Corruption = suite('corruption');

const damaged = [
  {
    name: 'range coded',
    codec: createCodec({ shape: [4, 8, 8], bits: 2, tables: tablesOf(skewedRows(4, 2)) }),
  },
  { name: 'packed', codec: createCodec({ shape: [4, 8, 8], bits: 2 }) },
  { name: 'packed with unused bits', codec: createCodec({ shape: [1, 3, 3], bits: 3 }) },
].map(({ name, codec }) => {
  const codes = Uint8Array.from({ length: codec.count }, (_, index) => (index % 5 === 0 ? index % 4 : 3));
  return { name, codec, stream: codec.encode(codes) };
});

for (const { name, codec, stream } of damaged) {
  Corruption(`of any single bit is found, ${name}`, () => {
    for (let bit = 0; bit < stream.length * 8; bit++) {
      const flipped = stream.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.ok(refuses(codec, flipped), `bit ${bit} of ${stream.length * 8}`);
    }
  });

  // A checksum of 16 bits lets one cut in 65536 pass; none of these does, and they are the same on every run.
  Corruption(`by a cut at any length is found, ${name}`, () => {
    for (let length = 0; length < stream.length; length++) {
      assert.ok(refuses(codec, stream.subarray(0, length)), `cut to ${length} of ${stream.length}`);
    }
  });

  Corruption(`by zero bytes behind the end is found, ${name}`, () => {
    for (let surplus = 1; surplus <= 8; surplus++) {
      assert.ok(
        refuses(codec, Uint8Array.of(...stream, ...new Uint8Array(surplus))),
        `${surplus} more bytes`,
      );
    }
  });
}

Corruption('lets noise through no more often than 16 bits must', () => {
  const codec = createCodec({ shape: [4, 8, 8], bits: 2, tables: tablesOf(skewedRows(4, 2)) });
  const next = lcg(11);
  let accepted = 0;
  for (let round = 0; round < 20_000; round++) {
    const stream = Uint8Array.from({ length: next() % 60 }, () => next() >>> 16);
    if (!refuses(codec, stream)) accepted++;
  }
  assert.ok(accepted <= 4, `accepted ${accepted} of 20000, expected about 0.3`);
});

Corruption('leaves the target as it was', () => {
  for (const { codec, stream } of damaged) {
    const target = new Uint8Array(codec.count).fill(0xee);
    const flipped = stream.with(0, (stream[0] ?? 0) ^ 1);
    assert.throws(() => codec.decodeInto(flipped, target, 0));
    assert.ok(target.every((value) => value === 0xee));
  }
});

Corruption('with a right checksum gives codes in range or an error, never anything else', () => {
  const codec = createCodec({ shape: [2, 4, 4], bits: 3, tables: tablesOf(extremeRows(2, 3, (row) => row)) });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 14 }), (payload) => {
      const stream = sealed(payload);
      if (refuses(codec, stream)) return;
      const codes = codec.decode(stream);
      assert.is(codes.length, 32);
      assert.ok(codes.every((code) => code < 8));
    }),
    { numRuns: 2000 },
  );
});

Corruption('is named: length, checksum, unused bits, trailing zeros', () => {
  const coded = createCodec({ shape: [1, 3, 3], bits: 3, tables: tablesOf(uniformRows(1, 3)) });
  const packed = createCodec({ shape: [1, 3, 3], bits: 3 });
  const code = 'CODES_CORRUPT';
  throwsCode(() => packed.decode(new Uint8Array(7)), code, 'got 7 bytes, expected at most 6');
  throwsCode(() => packed.decode(new Uint8Array(5)), code, 'got 5 bytes, expected 6');
  throwsCode(() => coded.decode(new Uint8Array(1)), code, 'got 1 bytes, expected at least 2');
  throwsCode(() => coded.decode(Uint8Array.of(0, 1)), code, 'got checksum 0x0001, expected 0x0000');
  throwsCode(() => coded.decode(sealed(Uint8Array.of(7, 0))), code, 'trailing zero bytes');
  throwsCode(() => coded.decode(sealed(Uint8Array.of(0, 0, 0, 0x08))), code, 'unused bits');
  assert.equal(coded.decode(sealed(Uint8Array.of(0, 0, 0, 0x07))).at(-1), 7);
});

Corruption.run();

const Refusal = suite('refusal');

Refusal('names a code that does not fit its bits', () => {
  const codec = createCodec({ shape: [1, 2, 2], bits: 2, tables: tablesOf(uniformRows(1, 2)) });
  throwsCode(() => codec.encode(Uint8Array.of(0, 3, 4, 9)), 'CODES_INVALID', 'got 4 at 2, expected 0 to 3');
});

Refusal('names a wrong number of codes', () => {
  const codec = createCodec({ shape: [1, 2, 2], bits: 2 });
  throwsCode(() => codec.encode(new Uint8Array(3)), 'CODES_INVALID', 'got 3 codes, expected 4');
  throwsCode(() => codec.encode(new Uint8Array(5)), 'CODES_INVALID', 'got 5 codes, expected 4');
});

Refusal('names a target without room', () => {
  const codec = createCodec({ shape: [1, 2, 2], bits: 2 });
  const stream = codec.encode(new Uint8Array(4));
  for (const offset of [-1, 5, 0.5, Number.NaN]) {
    throwsCode(
      () => codec.decodeInto(stream, new Uint8Array(8), offset),
      'CODES_INVALID',
      `offset ${offset}`,
    );
  }
  codec.decodeInto(stream, new Uint8Array(8), 4);
});

Refusal('names options that do not fit together', () => {
  const code = 'BUNDLE_MANIFEST_INVALID';
  const tables = tablesOf(uniformRows(2, 2));
  throwsCode(() => createCodec({ shape: [0, 2, 2], bits: 2 }), code, '[0, 2, 2]');
  throwsCode(() => createCodec({ shape: [1, 2, 2], bits: 9 }), code, 'got 9 bits');
  throwsCode(() => createCodec({ shape: [1, 2, 2], bits: 0 }), code, 'got 0 bits');
  throwsCode(() => createCodec({ shape: [3, 2, 2], bits: 2, tables }), code, '128 contexts, expected 192');
  throwsCode(() => createCodec({ shape: [2, 2, 2], bits: 3, tables }), code, '4 levels, expected 8');
});

Refusal.run();
