/** Counts of durations in buckets that grow by an eighth of an octave, so that a quantile is off by a tenth at most. */
export type LatencyCounts = Uint32Array;

const perOctave = 8;
const leastMs = 0.01;
/** From 0.01 ms to some 84 s; what is longer is counted as that. */
const octaves = 23;

export const latencyBuckets = octaves * perOctave;

/** The bucket that a duration belongs to. */
export function latencyBucket(ms: number): number {
  if (!(ms > leastMs)) return 0;
  return Math.min(latencyBuckets - 1, Math.floor(Math.log2(ms / leastMs) * perOctave));
}

/**
 * The duration that a share of them does not exceed, milliseconds: the middle of its bucket.
 * @returns null where there are none.
 */
export function latencyQuantile(counts: LatencyCounts, share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let missing = Math.max(1, Math.ceil(share * total));
  for (const [bucket, count] of counts.entries()) {
    missing -= count;
    if (missing <= 0) return rounded(leastMs * 2 ** ((bucket + 0.5) / perOctave));
  }
  return null;
}

/** Three digits are more than it is worth. */
function rounded(ms: number): number {
  return Number(ms.toPrecision(3));
}
