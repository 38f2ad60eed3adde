/** Rows `start` to `end - 1` of a request. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** Cuts `rows` rows into ranges of at most `most`, in order. */
export function splitRows(rows: number, most: number): RowRange[] {
  return Array.from({ length: Math.ceil(rows / most) }, (_, index) => {
    return { start: index * most, end: Math.min(rows, (index + 1) * most) };
  });
}

/** Joins what came of several ranges, in their order. One alone is not copied. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  const [only, ...more] = parts;
  return only !== undefined && more.length === 0 ? only : new Uint8Array(Buffer.concat(parts));
}

/** As {@link joinParts}, for logits. */
export function joinFloats(parts: readonly Float32Array[]): Float32Array {
  const [only, ...more] = parts;
  if (only !== undefined && more.length === 0) return only;
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
