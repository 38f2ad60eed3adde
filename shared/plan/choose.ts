import { OfframpError } from '../errors.ts';
import type { Prediction } from './predict.ts';

export const aims = ['latency', 'accuracy', 'bytes', 'cloud-time'] as const;

/**
 * What a plan is chosen for.
 * - `latency`: the least time to an answer.
 * - `accuracy`: the most right answers.
 * - `bytes`: the fewest bytes per image.
 * - `cloud-time`: the least executor time per image.
 */
export type Aim = (typeof aims)[number];

export interface Objective {
  readonly aim: Aim;
  /** Least share of right answers, 0 to 1. With a deadline those in time count, the device answering what is late. */
  readonly accuracyFloor?: number;
  /** When an answer is late, milliseconds. */
  readonly deadlineMs?: number;
  /** Least share of answers that are not late, 0 to 1. Default with a deadline: 0.95. */
  readonly inTimeShare?: number;
  /** Which figure of the latency is to be small. Default: the mean, with a deadline that of answers given by then. */
  readonly latency?: 'mean' | 'p50' | 'p95' | 'p99';
}

/** How a prediction serves an objective. */
export interface Verdict {
  /** By how many shares of images a limit is missed; 0 when all are kept. */
  readonly shortfall: number;
  /** What is to be small: milliseconds, share of wrong answers, or bytes. */
  readonly loss: number;
}

/** The plan that serves an objective best. */
export interface Choice extends Verdict {
  readonly prediction: Prediction;
}

const defaultInTimeShare = 0.95;
/** Shares closer than this are equal: sums of the same counts in another order. */
const rounding = 1e-9;

/** @throws OfframpError CONFIG_INVALID for a share outside 0 to 1 or a deadline that is not above 0. */
export function checkObjective({ accuracyFloor, deadlineMs, inTimeShare }: Objective): void {
  checkShare('accuracyFloor', accuracyFloor);
  checkShare('inTimeShare', inTimeShare);
  if (deadlineMs !== undefined && !(deadlineMs > 0)) {
    throw new OfframpError('CONFIG_INVALID', `deadlineMs: got ${deadlineMs}, expected more than 0`);
  }
}

export function judge(prediction: Prediction, objective: Objective): Verdict {
  const { accuracyFloor = 0, deadlineMs, inTimeShare = defaultInTimeShare } = objective;
  const tooWrong = Math.max(0, accuracyFloor - prediction.accuracyInTime);
  const tooLate = deadlineMs === undefined ? 0 : Math.max(0, prediction.lateShare - (1 - inTimeShare));
  const shortfall = tooWrong + tooLate;
  return { shortfall: shortfall > rounding ? shortfall : 0, loss: lossOf(prediction, objective) };
}

/**
 * The best of `predictions`: of those that keep all limits the one with the least loss; where none keeps them, the one that misses
 * them by least. Of equals the fastest, then that with the fewest bytes, then the first. `undefined` of none.
 */
export function choosePlan(predictions: readonly Prediction[], objective: Objective): Choice | undefined {
  let best: Choice | undefined;
  for (const prediction of predictions) {
    const choice = { prediction, ...judge(prediction, objective) };
    if (best === undefined || compare(choice, best) < 0) best = choice;
  }
  return best;
}

function compare(one: Choice, other: Choice): number {
  return (
    apart(one.shortfall, other.shortfall) ||
    apart(one.loss, other.loss) ||
    apart(one.prediction.answeredMeanMs, other.prediction.answeredMeanMs) ||
    apart(one.prediction.bytes, other.prediction.bytes)
  );
}

function apart(one: number, other: number): number {
  return Math.abs(one - other) <= rounding ? 0 : one - other;
}

function lossOf(prediction: Prediction, { aim, latency = 'mean', deadlineMs }: Objective): number {
  switch (aim) {
    case 'accuracy':
      return 1 - prediction.accuracyInTime;
    case 'bytes':
      return prediction.bytes;
    case 'cloud-time':
      return prediction.cloudMs;
    case 'latency':
      if (latency === 'mean') {
        return deadlineMs === undefined ? prediction.meanMs : prediction.answeredMeanMs;
      }
      return prediction.latency[`${latency}Ms`];
  }
}

function checkShare(name: string, share: number | undefined): void {
  if (share === undefined || (share >= 0 && share <= 1)) return;
  throw new OfframpError('CONFIG_INVALID', `${name}: got ${share}, expected 0 to 1`);
}
