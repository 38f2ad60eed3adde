/** Something that costs and reaches something. */
export interface Outcome {
  readonly cost: number;
  readonly accuracy: number;
}

/** The outcomes that nothing cheaper or equally dear surpasses or equals, cheapest first. */
export function upperEnvelope<T extends Outcome>(outcomes: readonly T[]): T[] {
  const sorted = [...outcomes].sort((a, b) => a.cost - b.cost || b.accuracy - a.accuracy);
  let best = Number.NEGATIVE_INFINITY;
  return sorted.filter(({ accuracy }) => {
    if (accuracy <= best) return false;
    best = accuracy;
    return true;
  });
}

/**
 * The knee of an envelope, cheapest first: where it lies furthest above the straight line from its first to its last point. Before
 * it accuracy is cheap, behind it dear; the paper chooses its thresholds there. `undefined` where no point lies above the line.
 */
export function kneeOf<T extends Outcome>(envelope: readonly T[]): T | undefined {
  const first = envelope[0];
  const last = envelope.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const slope = (last.accuracy - first.accuracy) / (last.cost - first.cost);
  let knee: T | undefined;
  // Rounding must not make a knee of a straight line.
  let height = 1e-9;
  for (const outcome of envelope.slice(1, -1)) {
    const above = outcome.accuracy - first.accuracy - slope * (outcome.cost - first.cost);
    if (above <= height) continue;
    knee = outcome;
    height = above;
  }
  return knee;
}
