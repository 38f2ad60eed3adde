/**
 * The classification extension: instead of logits the best classes of each row, as `value:index:class`.
 * @param logits float32 [rows, classes].
 * @param best classes per row, at most all of them.
 * @returns [rows, best], the largest logit of a row first; of equal ones the smaller index.
 */
export function bestOfRows(logits: Float32Array, classes: readonly string[], best: number): string[] {
  const words: string[] = [];
  for (let at = 0; at < logits.length; at += classes.length) {
    const row = logits.subarray(at, at + classes.length);
    const order = Array.from(row.keys()).sort((one, other) => (row[other] ?? 0) - (row[one] ?? 0));
    for (const index of order.slice(0, best)) {
      words.push(`${(row[index] ?? 0).toFixed(6)}:${index}:${classes[index]}`);
    }
  }
  return words;
}

/** A BYTES tensor as binary data: each element behind its length as uint32, little-endian. */
export function bytesTensor(words: readonly string[]): Buffer {
  return Buffer.concat(
    words.flatMap((word) => {
      const bytes = Buffer.from(word);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
