/** The values of a question, from the one that keeps it most easily to the one that keeps it hardest; both above 0. */
export interface Axis {
  readonly easiest: number;
  readonly hardest: number;
  /** Values between which there is none. */
  readonly step: 'whole' | 'any';
}

/** What was tried at a value. */
export interface Trial<Found> {
  readonly value: number;
  readonly found: Found;
}

/** The two values between which the answer lies. */
export interface Bracket<Found> {
  /** The hardest that kept, absent where the easiest broke. */
  readonly kept: Trial<Found> | undefined;
  /** The easiest that broke, absent where even the hardest kept. */
  readonly broke: Trial<Found> | undefined;
  readonly runs: number;
}

/** Values that differ by less are the same for whoever asks: a hundredth. */
const closeEnough = 1.01;
const galloping = 2;

/**
 * Finds up to which value something keeps. Goes from the easiest on by doubling (or halving) until it breaks, so that values far
 * beyond the answer, which may take long, are never tried; then halves what is between, in proportion.
 *
 * Where noise makes it keep and break in turns near the edge, the answer is one of these edges: `kept` has kept and `broke` has
 * broken, whatever else would.
 */
export async function bisect<Found>(
  axis: Axis,
  attempt: (value: number) => Promise<Found>,
  keeps: (found: Found) => boolean,
): Promise<Bracket<Found>> {
  let kept: Trial<Found> | undefined;
  let broke: Trial<Found> | undefined;
  let runs = 0;
  for (let value = nextValue(axis, kept, broke); value !== undefined; value = nextValue(axis, kept, broke)) {
    const trial = { value, found: await attempt(value) };
    runs++;
    if (keeps(trial.found)) kept = trial;
    else broke = trial;
  }
  return { kept, broke, runs };
}

/** What to try next; `undefined` when nothing is left. */
function nextValue(
  axis: Axis,
  kept: Trial<unknown> | undefined,
  broke: Trial<unknown> | undefined,
): number | undefined {
  if (kept === undefined) return broke === undefined ? axis.easiest : undefined;
  if (broke !== undefined) return between(axis, kept.value, broke.value);
  return kept.value === axis.hardest ? undefined : further(axis, kept.value);
}

function further({ easiest, hardest }: Axis, value: number): number {
  return hardest > easiest ? Math.min(hardest, value * galloping) : Math.max(hardest, value / galloping);
}

/** Their geometric mean. */
function between({ step }: Axis, one: number, other: number): number | undefined {
  const [low, high] = one < other ? [one, other] : [other, one];
  if (high <= closeEnough * low) return undefined;
  if (step === 'any') return Math.sqrt(low * high);
  if (high - low <= 1) return undefined;
  return Math.min(high - 1, Math.max(low + 1, Math.round(Math.sqrt(low * high))));
}
