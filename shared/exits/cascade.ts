import { OfframpError } from '../errors.ts';
import type { ExitRecords } from './records.ts';
import { argmax, normalisedEntropy, softmax } from './softmax.ts';

/** What every exit says of every image under given temperatures: all that thresholds are chosen on. */
export interface ExitTable {
  readonly images: number;
  readonly exits: number;
  /** True classes, [images]. */
  readonly labels: ArrayLike<number>;
  /** Class each exit answers, [exits][images]. */
  readonly answers: readonly Uint16Array[];
  /** Normalised entropy at each exit, 0 to 1, [exits][images]. */
  readonly entropies: readonly Float64Array[];
}

/** Applies temperatures, [exits], to the images of `records` at the places `chosen` (all when absent), in that order. */
export function tabulateExits(
  records: ExitRecords,
  temperatures: readonly number[],
  chosen: readonly number[] = Array.from({ length: records.images }, (_, image) => image),
): ExitTable {
  const perExit = temperatures.map((temperature, exit) => {
    const answers = new Uint16Array(chosen.length);
    const entropies = new Float64Array(chosen.length);
    chosen.forEach((image, row) => {
      const logits = records.logits(exit, image);
      answers[row] = argmax(logits);
      entropies[row] = normalisedEntropy(softmax(logits, temperature));
    });
    return { answers, entropies };
  });
  return {
    images: chosen.length,
    exits: temperatures.length,
    labels: Uint16Array.from(chosen, (image) => records.labels[image] ?? 0),
    answers: perExit.map(({ answers }) => answers),
    entropies: perExit.map(({ entropies }) => entropies),
  };
}

/** Puts the images of `tables` one after the other; all must have the same exits. */
export function joinTables(tables: readonly ExitTable[]): ExitTable {
  const exits = tables[0]?.exits ?? 0;
  const perExit = Array.from({ length: exits }, (_, exit) => exit);
  return {
    images: tables.reduce((sum, { images }) => sum + images, 0),
    exits,
    labels: Uint16Array.from(tables.flatMap(({ labels }) => Array.from(labels))),
    answers: perExit.map((exit) =>
      Uint16Array.from(tables.flatMap(({ answers }) => Array.from(answers[exit] ?? []))),
    ),
    entropies: perExit.map((exit) =>
      Float64Array.from(tables.flatMap(({ entropies }) => Array.from(entropies[exit] ?? []))),
    ),
  };
}

/** The exit that answers image `row`: the first whose entropy is strictly below its threshold, else the last. */
export function exitTaken(table: ExitTable, row: number, thresholds: readonly number[]): number {
  for (let exit = 0; exit < thresholds.length; exit++) {
    if ((table.entropies[exit]?.[row] ?? 1) < (thresholds[exit] ?? 0)) return exit;
  }
  return table.exits - 1;
}

/** How a bundle is run: what its segments cost and which of them the device has. */
export interface CascadeCost {
  /** Multiply-accumulate operations of each segment per image, head included, [segments]. */
  readonly segmentMacs: readonly number[];
  /** Number of segments on the device; the exits of these answer without the cloud. */
  readonly cut: number;
}

/** What thresholds reach on a set of images; plain means over it. */
export interface OperatingPoint {
  /** Threshold of every exit but the last. */
  readonly thresholds: readonly number[];
  /** Share of images that each exit answers, [exits]. */
  readonly exitShares: readonly number[];
  /** Share of images answered by the exits of the device. */
  readonly deviceShare: number;
  readonly accuracy: number;
  /** Share of images answered as the last exit would answer them. */
  readonly agreement: number;
  /** Multiply-accumulate operations per image over the segments that run, device and cloud. */
  readonly meanMacs: number;
  /** The part of `meanMacs` that the device runs. */
  readonly meanDeviceMacs: number;
  /** E[D] of arXiv 2604.15764: mean number of exits an image passes, 1 to exits. A diagnostic, not a guarantee. */
  readonly expectedDepth: number;
  /** H(D) of arXiv 2604.15764: entropy of the exit an image takes, nats. A diagnostic, not a guarantee. */
  readonly depthEntropy: number;
}

/** Counts what the exit rule does with `thresholds`, [exits - 1]. Throws `CONFIG_INVALID` when their number does not fit. */
export function measureThresholds(
  table: ExitTable,
  thresholds: readonly number[],
  { segmentMacs, cut }: CascadeCost,
): OperatingPoint {
  if (thresholds.length !== table.exits - 1) {
    throw new OfframpError(
      'CONFIG_INVALID',
      `got ${thresholds.length} thresholds, expected ${table.exits - 1}, one per exit but the last`,
    );
  }
  const counts = new Array<number>(table.exits).fill(0);
  let right = 0;
  let agreed = 0;
  for (let row = 0; row < table.images; row++) {
    const exit = exitTaken(table, row, thresholds);
    counts[exit] = (counts[exit] ?? 0) + 1;
    const answer = table.answers[exit]?.[row];
    if (answer === table.labels[row]) right++;
    if (answer === table.answers[table.exits - 1]?.[row]) agreed++;
  }
  const exitShares = counts.map((count) => count / table.images);
  const reached = exitShares.map((_, exit) => counts.slice(exit).reduce(add, 0) / table.images);
  const costs = reached.map((share, segment) => share * (segmentMacs[segment] ?? 0));
  return {
    thresholds,
    exitShares,
    deviceShare: counts.slice(0, cut).reduce(add, 0) / table.images,
    accuracy: right / table.images,
    agreement: agreed / table.images,
    meanMacs: costs.reduce(add, 0),
    meanDeviceMacs: costs.slice(0, cut).reduce(add, 0),
    expectedDepth: exitShares.map((share, exit) => share * (exit + 1)).reduce(add, 0),
    depthEntropy: exitShares.map((share) => (share === 0 ? 0 : -share * Math.log(share))).reduce(add, 0),
  };
}

function add(a: number, b: number): number {
  return a + b;
}
