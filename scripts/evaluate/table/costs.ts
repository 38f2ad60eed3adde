/** Operations of an image by the exit it leaves at: those of all segments up to there. */
export function costsOfExits(segments: readonly { readonly macs: number }[]): number[] {
  let total = 0;
  return segments.map(({ macs }) => {
    total += macs;
    return total;
  });
}

/** Mean cost of an image when a share of `shares[k]` of them costs `costs[k]`. */
export function weighted(shares: readonly number[], costs: readonly number[]): number {
  return shares.reduce((sum, share, exit) => sum + share * (costs[exit] ?? Number.NaN), 0);
}
