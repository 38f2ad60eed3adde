import { type CascadeCost, type ExitTable, measureThresholds, type OperatingPoint } from './cascade.ts';
import { thresholdLevels } from './risk-control.ts';

/** A target on plain means over the images at hand; nothing is promised for others. */
export type MeanTarget =
  | { readonly kind: 'accuracy'; readonly atLeast: number }
  | { readonly kind: 'device-share'; readonly atLeast: number }
  /** Multiply-accumulate operations per image, device and cloud together. */
  | { readonly kind: 'mean-cost'; readonly atMostMacs: number };

/** The operating point of every level of `levels`, each being the threshold of all branches at once. */
export function sweepLevels(
  table: ExitTable,
  cost: CascadeCost,
  levels: ArrayLike<number> = thresholdLevels,
): OperatingPoint[] {
  return Array.from(levels, (level) => measureThresholds(table, sharedThresholds(table.exits, level), cost));
}

/** The same threshold for every exit but the last. */
export function sharedThresholds(exits: number, level: number): number[] {
  return new Array<number>(exits - 1).fill(level);
}

/** What a target is compared with, and what is wanted as large as possible among the points that meet it. */
function judge(
  point: OperatingPoint,
  target: MeanTarget,
): { readonly isMet: boolean; readonly gain: number } {
  switch (target.kind) {
    case 'accuracy':
      return { isMet: point.accuracy >= target.atLeast, gain: point.deviceShare };
    case 'device-share':
      return { isMet: point.deviceShare >= target.atLeast, gain: -point.deviceShare };
    case 'mean-cost':
      return { isMet: point.meanMacs <= target.atMostMacs, gain: point.accuracy };
  }
}

/**
 * Index of the point that serves a target best: for `accuracy` the largest device share, for `device-share` the smallest that is
 * enough, for `mean-cost` the best accuracy; the first of equals, which has the lowest thresholds. `undefined` when none meets it.
 */
export function choosePoint(points: readonly OperatingPoint[], target: MeanTarget): number | undefined {
  let best: number | undefined;
  let bestGain = Number.NEGATIVE_INFINITY;
  points.forEach((point, index) => {
    const { isMet, gain } = judge(point, target);
    if (!isMet || gain <= bestGain) return;
    best = index;
    bestGain = gain;
  });
  return best;
}
