import { type ExitTable, measureThresholds, sharedThresholds } from '../../../shared/exits/index.ts';
import { weighted } from '../table/costs.ts';

/** What an image costs by the exit it leaves at, with all that ran on the way, [exits]. */
export interface ExitCosts {
  /** Milliseconds, median. */
  readonly ms: readonly number[];
  /** Multiply-accumulate operations. */
  readonly macs: readonly number[];
}

/** What thresholds reach and cost; means over the images of the records. */
export interface SweepPoint {
  /** Normalised entropies, of every exit but the last. */
  readonly thresholds: readonly number[];
  /** Share of images that each exit answers, [exits]. */
  readonly exitShares: readonly number[];
  readonly accuracy: number;
  readonly meanMs: number;
  readonly meanMacs: number;
}

/** Combinations of thresholds that are tried at most, about. */
const combinations = 2500;
const mostLevels = 400;
/** With fewer levels than this for each branch a grid says less than one level for all of them. */
const leastLevels = 5;

/** The point of given thresholds, [exits - 1]. */
export function pointAt(table: ExitTable, thresholds: readonly number[], costs: ExitCosts): SweepPoint {
  // Costs are known by exit here, so that those by segment are not asked for.
  const { exitShares, accuracy } = measureThresholds(table, thresholds, { segmentMacs: [], cut: 0 });
  return {
    thresholds,
    exitShares,
    accuracy,
    meanMs: weighted(exitShares, costs.ms),
    meanMacs: weighted(exitShares, costs.macs),
  };
}

/**
 * The point of every combination of thresholds on a grid, those that decide alike left out, the lowest thresholds first. The levels
 * of a branch are quantiles of its own entropies, closer together where they are high, as the images that are hard to decide are
 * few. From a grid of many branches little is left for each; then all branches share one level.
 */
export function sweep(table: ExitTable, costs: ExitCosts): SweepPoint[] {
  const seen = new Set<string>();
  return thresholdGrid(table)
    .map((thresholds) => pointAt(table, thresholds, costs))
    .filter(({ exitShares, accuracy }) => {
      const outcome = JSON.stringify([exitShares, accuracy]);
      return !seen.has(outcome) && seen.add(outcome);
    });
}

/** Every combination of thresholds that is tried, [combinations][exits - 1]. */
export function thresholdGrid(table: ExitTable): number[][] {
  const branches = table.exits - 1;
  if (branches === 0) return [[]];
  const levels = Math.min(mostLevels, Math.floor(combinations ** (1 / branches)));
  if (levels < leastLevels) {
    return thresholdLevels(table.entropies.slice(0, branches), mostLevels).map((level) =>
      sharedThresholds(table.exits, level),
    );
  }
  let grid: number[][] = [[]];
  for (const entropies of table.entropies.slice(0, branches)) {
    const own = thresholdLevels([entropies], levels);
    grid = grid.flatMap((earlier) => own.map((level) => [...earlier, level]));
  }
  return grid;
}

/** At most `wanted` levels, rising: 0, at which nothing leaves, quantiles of the entropies, and 1. */
function thresholdLevels(entropies: readonly Float64Array[], wanted: number): number[] {
  const sorted = Float64Array.from(entropies.flatMap((values) => Array.from(values))).sort();
  const steps = wanted - 1;
  const quantiles = Array.from({ length: steps - 1 }, (_, index) => {
    const share = 1 - (1 - (index + 1) / steps) ** 2;
    return sorted[Math.floor(share * sorted.length)] ?? 1;
  });
  return [...new Set([0, ...quantiles, 1])];
}
