import type { ExitTable } from './cascade.ts';
import { bettingBoundHolds, conformalRiskHolds, hoeffdingBentkusP } from './risk-bounds.ts';

/**
 * What counts as a loss of 1 for an image; all are 0 or 1.
 * - `disagreement`: the answer is not the one the last exit would give (prediction consistency; needs no labels).
 * - `gap`: the answer is wrong and the last exit's would be right. Its mean is at least the accuracy lost to early exits.
 * - `error`: the answer is wrong.
 */
export const lossKinds = ['disagreement', 'gap', 'error'] as const;
export type LossKind = (typeof lossKinds)[number];

/**
 * How a level is found safe.
 * - `ucb-wsr`: upper confidence bound by betting (Waudby-Smith and Ramdas) at most epsilon.
 * - `ltt`: Learn then Test with the Hoeffding-Bentkus p-value at most delta.
 * - `crc`: conformal risk control, in expectation only.
 */
export const riskMethods = ['ucb-wsr', 'ltt', 'crc'] as const;
export type RiskMethod = (typeof riskMethods)[number];

export interface RiskQuestion {
  readonly method: RiskMethod;
  /** Largest mean loss allowed, between 0 and 1. */
  readonly epsilon: number;
  /** Probability, between 0 and 1, with which the mean loss may be larger after all; `crc` does not use it. */
  readonly delta: number;
}

/**
 * The levels that are tried, ascending: 0, then 80 a decade from 1e-6 to 0.01, then every 0.0025 up to 1. They are fixed before
 * any image is looked at, which the guarantees need; a finer grid costs time and no confidence, as levels are tested in order.
 * One level is the threshold of all branches at once, so that a cascade of any length has one sequence of tests.
 */
export const thresholdLevels: Float64Array = Float64Array.from([
  0,
  ...Array.from({ length: 320 }, (_, step) => 10 ** (-6 + step / 80)),
  ...Array.from({ length: 397 }, (_, step) => (step + 4) / 400),
]);

/** The loss of every image at every level, as the few changes there are on the way up. */
export interface LossCurve {
  readonly images: number;
  readonly levels: ArrayLike<number>;
  /** Whether the loss at level 0, where the last exit answers everything, is 0 by definition and needs no test. */
  readonly zeroIsSafe: boolean;
  /** Loss of each image at level 0. */
  readonly start: Uint8Array;
  /** Per level, the images whose loss changes there and what it becomes. */
  readonly changes: readonly (readonly LossChange[])[];
}

interface LossChange {
  readonly image: number;
  readonly loss: number;
}

/** Follows every image of `table` through `levels` (ascending, from 0), all branches having the same threshold. */
export function traceLosses(
  table: ExitTable,
  kind: LossKind,
  levels: ArrayLike<number> = thresholdLevels,
): LossCurve {
  const last = table.exits - 1;
  const start = Uint8Array.from({ length: table.images }, (_, image) => lossAt(table, kind, last, image));
  const changes: LossChange[][] = Array.from({ length: levels.length }, () => []);
  for (let image = 0; image < table.images; image++) {
    let loss = start[image] ?? 0;
    for (const { exit, index } of departures(table, image, levels)) {
      const next = lossAt(table, kind, exit, image);
      if (next !== loss) changes[index]?.push({ image, loss: next });
      loss = next;
    }
  }
  return { images: table.images, levels, zeroIsSafe: kind !== 'error', start, changes };
}

/** The exits an image takes as the level rises, and the index of the level from which on it takes each. */
function departures(
  table: ExitTable,
  image: number,
  levels: ArrayLike<number>,
): { exit: number; index: number }[] {
  const taken: { exit: number; index: number }[] = [];
  let earliest = levels.length;
  for (let exit = 0; exit < table.exits - 1; exit++) {
    const index = firstAbove(levels, table.entropies[exit]?.[image] ?? 1);
    // An exit further back matters only below the levels at which the image has left before it.
    if (index < earliest) taken.unshift({ exit, index });
    earliest = Math.min(earliest, index);
  }
  return taken;
}

/** Index of the first level strictly above `entropy`; the number of levels when there is none. */
function firstAbove(levels: ArrayLike<number>, entropy: number): number {
  let low = 0;
  let high = levels.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((levels[middle] ?? 0) > entropy) high = middle;
    else low = middle + 1;
  }
  return low;
}

function lossAt(table: ExitTable, kind: LossKind, exit: number, image: number): 0 | 1 {
  const answer = table.answers[exit]?.[image];
  const final = table.answers[table.exits - 1]?.[image];
  const truth = table.labels[image];
  if (kind === 'disagreement') return answer === final ? 0 : 1;
  if (answer === truth) return 0;
  return kind === 'error' || final === truth ? 1 : 0;
}

/** Loss of every image at the level of that index, [images]. */
export function lossesAtLevel(curve: LossCurve, index: number): Uint8Array {
  const losses = curve.start.slice();
  for (const changes of curve.changes.slice(0, index + 1)) {
    for (const { image, loss } of changes) losses[image] = loss;
  }
  return losses;
}

/**
 * Walks the levels from the safest, 0, upwards and returns the index of the last one that was found safe before the first that
 * was not; `undefined` when level 0 itself was not.
 *
 * `sample` names the images of the curve to calibrate on, in an order that does not depend on their losses. For `ucb-wsr` and
 * `ltt` this is fixed-sequence testing (Angelopoulos et al., "Learn then Test"): each level's test errs with probability at most
 * delta, and a risky level is only ever returned when the test of the first risky one errs, so that delta holds for the whole
 * walk, however many levels there are and whether or not the risk rises steadily. For `crc`, which needs losses that never fall,
 * the loss of an image is the largest it had so far.
 *
 * Throws `CONFIG_INVALID` for epsilon or delta out of range.
 */
export function controlRisk(
  curve: LossCurve,
  sample: ArrayLike<number>,
  question: RiskQuestion,
): number | undefined {
  const losses = new SampleLosses(curve, sample);
  let isTested = false;
  let safe: number | undefined;
  for (let index = 0; index < curve.levels.length; index++) {
    const isChanged = losses.rise(curve.changes[index] ?? [], question.method);
    const isSafeAnyway: boolean = index === 0 ? curve.zeroIsSafe : isTested && !isChanged;
    if (!isSafeAnyway && !isSafe(losses.values, losses.sum, question)) return safe;
    isTested ||= !isSafeAnyway;
    safe = index;
  }
  return safe;
}

/** The losses of the images calibrated on, in the order of the sample, while the level rises. */
class SampleLosses {
  readonly values: Uint8Array;
  sum: number;
  /** Place of every image of the curve in the sample, -1 for those that are not in it. */
  readonly #places: Int32Array;

  constructor(curve: LossCurve, sample: ArrayLike<number>) {
    this.#places = new Int32Array(curve.images).fill(-1);
    this.values = new Uint8Array(sample.length);
    this.sum = 0;
    for (let place = 0; place < sample.length; place++) {
      const image = sample[place] ?? 0;
      const loss = curve.start[image] ?? 0;
      this.#places[image] = place;
      this.values[place] = loss;
      this.sum += loss;
    }
  }

  /** Goes up one level; tells whether any loss of the sample is another than before. */
  rise(changes: readonly LossChange[], method: RiskMethod): boolean {
    let isChanged = false;
    for (const { image, loss } of changes) {
      const place = this.#places[image] ?? -1;
      if (place < 0) continue;
      const before = this.values[place] ?? 0;
      const after = method === 'crc' ? Math.max(before, loss) : loss;
      this.values[place] = after;
      this.sum += after - before;
      isChanged ||= after !== before;
    }
    return isChanged;
  }
}

function isSafe(losses: Uint8Array, sum: number, { method, epsilon, delta }: RiskQuestion): boolean {
  if (method === 'crc') return conformalRiskHolds(sum, losses.length, epsilon);
  if (method === 'ltt') return hoeffdingBentkusP(sum, losses.length, epsilon) <= delta;
  return bettingBoundHolds(losses, epsilon, delta);
}
