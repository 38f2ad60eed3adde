import { mean, quantile } from '../../quantiles.ts';
import { weighted } from './costs.ts';
import { type Gain, gainOf } from './lanes.ts';
import type { TimedCall } from './measure.ts';

/** Time of one image, milliseconds, over the images timed. */
export interface TimeFigures {
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  /** What a machine with nothing else to do takes: median time to each exit, weighted with the share of images that leave there. */
  readonly typical: number;
  /** The same without the way to the inference thread and back: onnxruntime, softmax, entropy and codec alone. */
  readonly typicalWithoutThread: number;
}

/** Time of the baseline over time of the network with branches. */
export interface GainFigures {
  readonly mean: Gain;
  readonly typical: number;
  readonly typicalWithoutThread: number;
}

/** Median times from the pixels to the decision of each exit, milliseconds, [exits]. */
export interface ExitTimes {
  readonly ms: readonly number[];
  readonly withoutThread: readonly number[];
}

/** The times to each exit; all of `calls` must have passed every exit. */
export function exitTimes(calls: readonly TimedCall[]): ExitTimes {
  const exits = Array.from({ length: calls[0]?.reachedMs.length ?? 0 }, (_, exit) => exit);
  const reached = ({ reachedMs }: TimedCall, exit: number) => reachedMs[exit] ?? Number.NaN;
  return {
    ms: exits.map((exit) => median(calls.map((call) => reached(call, exit)))),
    withoutThread: exits.map((exit) =>
      median(calls.map((call) => reached(call, exit) - (call.threadMs[exit] ?? 0))),
    ),
  };
}

/** Milliseconds of one call, from the pixels to the answer. */
export function msOf({ reachedMs }: TimedCall): number {
  return reachedMs.at(-1) ?? Number.NaN;
}

/** Figures of `calls` when a share of `shares[k]` of all images leaves at exit k, which they reach after `times`. */
export function timeFigures(
  calls: readonly TimedCall[],
  shares: readonly number[],
  times: ExitTimes,
): TimeFigures {
  const sorted = calls.map(msOf).sort((a, b) => a - b);
  return {
    mean: mean(sorted),
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    typical: weighted(shares, times.ms),
    typicalWithoutThread: weighted(shares, times.withoutThread),
  };
}

/** Gains over the baseline of a network with branches; `typical` are its own typical times. */
export function gainFigures(
  baseline: readonly TimedCall[],
  branchy: readonly TimedCall[],
  { typical, typicalWithoutThread }: TimeFigures,
): GainFigures {
  const times = exitTimes(baseline);
  return {
    mean: gainOf(baseline.map(msOf), branchy.map(msOf)),
    typical: weighted([1], times.ms) / typical,
    typicalWithoutThread: weighted([1], times.withoutThread) / typicalWithoutThread,
  };
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}
