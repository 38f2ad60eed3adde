/** Draws that follow what was measured: a value between two neighbours among ascending samples, each pair as likely as any other. */
export function sampler(ascending: ArrayLike<number>, random: () => number): () => number {
  const last = ascending.length - 1;
  const only = ascending[0] ?? 0;
  if (last < 1) return () => only;
  return () => {
    const place = random() * last;
    const lower = Math.floor(place);
    const from = ascending[lower] ?? only;
    return from + (place - lower) * ((ascending[lower + 1] ?? from) - from);
  };
}

/** `count` values that stand for many: their quantiles from the least to the largest. */
export function standIns(samples: Iterable<number>, count: number): number[] {
  const ascending = Float64Array.from(samples).sort();
  const last = ascending.length - 1;
  if (last < 0) return [];
  return Array.from({ length: count }, (_, index) => {
    const place = (index / Math.max(1, count - 1)) * last;
    const lower = Math.floor(place);
    const from = ascending[lower] ?? 0;
    return from + (place - lower) * ((ascending[lower + 1] ?? from) - from);
  });
}
