import { type CodesShape, type CutTables, parseCutTables } from '../../shared/codec/index.ts';

/** A seeded generator of whole numbers below 2^31, the same on every machine. */
export function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state;
  };
}

/** Frequency rows as they lie in a tables file. */
export function tableBytes(rows: readonly (readonly number[])[]): Uint8Array {
  return new Uint8Array(
    rows.flatMap((row) => row.flatMap((frequency) => [frequency & 0xff, frequency >>> 8])),
  );
}

export function tablesOf(rows: readonly (readonly number[])[]): CutTables {
  const levels = rows[0]?.length ?? 0;
  return parseCutTables(tableBytes(rows), { contexts: rows.length, levels, file: 'cut1.tables.bin' });
}

/** Rows whose last level is the likely one and whose others vary from 1 upwards. */
export function skewedRows(channels: number, bits: number, seed = 1): number[][] {
  const next = lcg(seed);
  const levels = 2 ** bits;
  return Array.from({ length: channels * 64 }, () => {
    const row = Array.from({ length: levels - 1 }, () => 1 + ((next() >>> 8) % (16384 / levels)));
    return [...row, 16384 - row.reduce((sum, frequency) => sum + frequency, 0)];
  });
}

/** Rows in which one level has everything and each other one the least there may be. */
export function extremeRows(channels: number, bits: number, likely: (row: number) => number): number[][] {
  const levels = 2 ** bits;
  return Array.from({ length: channels * 64 }, (_, row) =>
    Array.from({ length: levels }, (_, level) => (level === likely(row) % levels ? 16384 - levels + 1 : 1)),
  );
}

export function uniformRows(channels: number, bits: number): number[][] {
  const levels = 2 ** bits;
  return Array.from({ length: channels * 64 }, () => Array.from({ length: levels }, () => 16384 / levels));
}

/** The context of a code, written after the text of the bundle format and not after the codec. */
export function contextAt(codes: Uint8Array, shape: CodesShape, bits: number, index: number): number {
  const [, rows, columns] = shape;
  const place = {
    c: Math.floor(index / (rows * columns)),
    y: Math.floor(index / columns) % rows,
    x: index % columns,
  };
  const q = (c: number, y: number, x: number) =>
    c < 0 || y < 0 || x < 0 ? 0 : (codes[(c * rows + y) * columns + x] ?? 0) >> Math.max(0, bits - 2);
  const { c, y, x } = place;
  return ((c * 4 + q(c, y, x - 1)) * 4 + q(c, y - 1, x)) * 4 + q(c - 1, y, x);
}

/** Draws codes from the tables themselves: a source of which the tables are the true statistics. */
export function drawCodes(
  rows: readonly (readonly number[])[],
  shape: CodesShape,
  bits: number,
  seed: number,
): Uint8Array {
  const next = lcg(seed);
  const codes = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (let index = 0; index < codes.length; index++) {
    let left = (next() >>> 7) % 16384;
    const row = rows[contextAt(codes, shape, bits, index)] ?? [];
    codes[index] = row.findIndex((frequency) => {
      left -= frequency;
      return left < 0;
    });
  }
  return codes;
}

/** Bits that the codes carry under the tables: the sum of -log2 p. */
export function idealBits(
  rows: readonly (readonly number[])[],
  shape: CodesShape,
  bits: number,
  codes: Uint8Array,
): number {
  let sum = 0;
  codes.forEach((code, index) => {
    const frequency = rows[contextAt(codes, shape, bits, index)]?.[code] ?? Number.NaN;
    sum -= Math.log2(frequency / 16384);
  });
  return sum;
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
