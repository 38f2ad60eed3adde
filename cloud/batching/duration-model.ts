import { OfframpError } from '../../shared/errors.ts';
import {
  assumedSpread,
  type DurationLine,
  fitLine,
  type LinePrior,
  lineMs,
  type MeasuredBatch,
  positiveMs,
  scaledLine,
  upperSpread,
  windowBatches,
} from './duration-line.ts';
import type { Costs } from './types.ts';

/** A batch that was run to see how long it takes, none of whose rows went deeper than `exit`. */
export interface WarmUpBatch extends MeasuredBatch {
  readonly exit: number;
}

/** The last batches of a lane that ended at one exit. */
interface History {
  readonly prior: LinePrior;
  readonly batches: MeasuredBatch[];
  /** What they told when somebody last asked after enough had changed. */
  measured: Learned | undefined;
  /** Batches that came since. */
  unseen: number;
}

/** What is known of the durations at one exit. */
interface Learned {
  readonly line: DurationLine;
  /** See `upperSpread`. */
  readonly spread: number;
  /** At an exit that was not measured: the next deeper one that was, if any. */
  readonly bound: Learned | undefined;
}

interface Lane {
  readonly exits: readonly number[];
  /** One per exit. */
  readonly histories: readonly History[];
  /** One per exit; undefined until somebody asks. */
  learned: readonly Learned[] | undefined;
}

const defaultMaxLanes = 1024;
/** Where nothing was measured: a millisecond per row and another one per batch, for every segment run. */
const guess: DurationLine = { perRowMs: 1, fixedMs: 1 };
const guessLooseness = 2;
const warmUpLooseness = 0.5;
/** Rows of the batch by which exits are compared. */
const comparedRows = 8;
/** Up to so many batches each one is worth a new fit; later ones change little, and four together are as good. */
const fewBatches = 12;
const batchesPerFit = 4;

/**
 * Learns how long batches take, as `duration = a * rows + b` for each lane and exit, from the last 50 batches of each, of which
 * older ones count less. `fitLine` says how; an outlier does next to nothing to it, and a change is learned within 50
 * batches, most of it within 25.
 *
 * Predictions never fall with more rows or a deeper exit. An exit never measured goes by the nearest that was, in proportion
 * to what the two took in the warm-up or, where neither was run then, to the segments run until there. Without any
 * measurement a guess stands in.
 *
 * Least squares over a kept window and not recursive ones: a batch that looked like an outlier when it came can be given its
 * weight back once others agree with it, and long runs of batches of one size leave nothing behind that goes out of bounds.
 */
export class DurationModel implements Costs {
  readonly #maxLanes: number;
  readonly #lanes = new Map<string, Lane>();

  constructor(maxLanes: number = defaultMaxLanes) {
    this.#maxLanes = maxLanes;
  }

  /**
   * Makes a lane known; one that was known already is learned anew.
   * @param exits at which a batch of the lane may end, ascending: one after each segment that the lane runs.
   * @param warmUp batches measured before the first request, in the order in which they ran. They count as the first ones
   * observed, and their shape goes on counting where all later batches are of one size.
   * @throws OfframpError CONFIG_INVALID for more lanes than are kept.
   */
  register(lane: string, exits: readonly number[], warmUp: readonly WarmUpBatch[] = []): void {
    if (!this.#lanes.has(lane) && this.#lanes.size >= this.#maxLanes) {
      throw new OfframpError(
        'CONFIG_INVALID',
        `Got '${lane}' after ${this.#maxLanes} other lanes, expected no more: serve fewer bundles`,
      );
    }
    const durations = warmUp.filter(isDuration);
    const firsts = exits.map((exit) => durations.filter((one) => one.exit === exit).slice(-windowBatches));
    const histories = firsts.map((batches, depth) => ({
      batches,
      prior: priorAt(firsts, depth),
      measured: undefined,
      unseen: 0,
    }));
    this.#lanes.set(lane, { exits: [...exits], histories, learned: undefined });
  }

  /** Forgets a lane that is not served any more. */
  forget(lane: string): void {
    this.#lanes.delete(lane);
  }

  /** @throws OfframpError INTERNAL for a lane that is not registered, as the predictions do. */
  exits(lane: string): readonly number[] {
    return this.#laneOf(lane).exits;
  }

  /** Whether anything was measured of the lane; until then its durations are guesses. */
  isMeasured(lane: string): boolean {
    return this.#laneOf(lane).histories.some(({ batches }) => batches.length > 0);
  }

  /**
   * Learns from a batch that began with `rows` rows and took `durationMs` until none of them was left that might go on behind
   * `exit`. A batch can be observed at every exit that it passed. Nothing is learned from what is no duration, nor of a lane
   * or an exit that is not registered, as when a bundle is unloaded while its last batch runs.
   */
  observe(lane: string, exit: number, rows: number, durationMs: number): void {
    const known = this.#lanes.get(lane);
    const history = known?.histories[known.exits.indexOf(exit)];
    const batch = { rows, durationMs };
    if (known === undefined || history === undefined || !isDuration(batch)) return;
    history.batches.push(batch);
    if (history.batches.length > windowBatches) history.batches.shift();
    history.unseen++;
    if (history.batches.length > fewBatches && history.unseen < batchesPerFit) return;
    history.unseen = 0;
    history.measured = undefined;
    known.learned = undefined;
  }

  /** Milliseconds that a batch takes as a rule. */
  meanMs(lane: string, exit: number, rows: number): number {
    return this.#atExit(lane, exit, ({ line }) => lineMs(line, rows));
  }

  /** Milliseconds that 95 of 100 batches do not exceed: what to hold against a deadline. */
  predictMs(lane: string, exit: number, rows: number): number {
    return this.#atExit(lane, exit, ({ line, spread }) => lineMs(line, rows) * (1 + spread));
  }

  #laneOf(lane: string): Lane {
    const known = this.#lanes.get(lane);
    if (known === undefined) throw new OfframpError('INTERNAL', `Lane '${lane}' is not registered`);
    return known;
  }

  /** At least what any exit before takes; where it was not measured, at most what the next one that was does. */
  #atExit(lane: string, exit: number, msOf: (learned: Learned) => number): number {
    const known = this.#laneOf(lane);
    known.learned ??= learn(known.histories);
    let atLeastMs = 0;
    for (const [depth, learned] of known.learned.entries()) {
      const boundMs = learned.bound === undefined ? Number.POSITIVE_INFINITY : msOf(learned.bound);
      atLeastMs = Math.max(atLeastMs, Math.min(msOf(learned), boundMs));
      if (known.exits[depth] === exit) return atLeastMs;
    }
    throw new OfframpError('INTERNAL', `Lane '${lane}' has no exit ${exit}`);
  }
}

/** What the warm-up says of the exit at `depth`, or of the exit nearest to it, or else a guess. */
function priorAt(firsts: readonly (readonly MeasuredBatch[])[], depth: number): LinePrior {
  const nearest = nearestTo(
    depth,
    [...firsts.keys()].filter((other) => firsts[other]?.length !== 0),
  );
  if (nearest === undefined) return { line: guessAt(depth), looseness: guessLooseness };
  const line = fitLine(firsts[nearest] ?? [], { line: guessAt(nearest), looseness: guessLooseness });
  return { line: scaledLine(line, (depth + 1) / (nearest + 1)), looseness: warmUpLooseness };
}

function guessAt(depth: number): DurationLine {
  return scaledLine(guess, depth + 1);
}

function learn(histories: readonly History[]): Learned[] {
  const measured = new Map<number, Learned>();
  for (const [depth, history] of histories.entries()) {
    if (history.batches.length === 0) continue;
    history.measured ??= measure(history);
    measured.set(depth, history.measured);
  }
  return histories.map(
    ({ prior }, depth) => measured.get(depth) ?? estimate(depth, prior, histories, measured),
  );
}

function measure({ batches, prior }: History): Learned {
  const line = fitLine(batches, prior);
  return { line, spread: upperSpread(batches, line), bound: undefined };
}

/** What an exit that was not measured may take, by the nearest one that was. */
function estimate(
  depth: number,
  { line }: LinePrior,
  histories: readonly History[],
  measured: ReadonlyMap<number, Learned>,
): Learned {
  const depths = [...measured.keys()];
  const nearest = nearestTo(depth, depths) ?? depth;
  const [there, history] = [measured.get(nearest), histories[nearest]];
  if (there === undefined || history === undefined) return { line, spread: assumedSpread, bound: undefined };
  const factor = positiveMs(line, comparedRows) / positiveMs(history.prior.line, comparedRows);
  const deeper = depths.find((other) => other > depth);
  const bound = deeper === undefined ? undefined : measured.get(deeper);
  return { line: scaledLine(there.line, factor), spread: there.spread, bound };
}

/** Of some exits in ascending order, the one nearest to `depth`; of two as near the deeper one. */
function nearestTo(depth: number, depths: readonly number[]): number | undefined {
  const distance = (other: number) => Math.abs(other - depth);
  return [...depths].reverse().sort((one, other) => distance(one) - distance(other))[0];
}

function isDuration({ rows, durationMs }: MeasuredBatch): boolean {
  return Number.isFinite(rows) && rows >= 1 && Number.isFinite(durationMs) && durationMs >= 0;
}
