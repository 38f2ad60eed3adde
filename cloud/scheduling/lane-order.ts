import type { Costs } from '../batching/types.ts';
import { durationMs, finalExit, type Job } from './plan.ts';

/** Keeps a batch that takes no time from being worth without bound. */
const leastMs = 1e-6;
/** What counts as a long wait, in durations of the longest batch that could start. */
const tailScale = 0.4;
/** Power of a lane's waiting rows by which it is preferred when every batch would be full. */
const backlogPower = 3;

/**
 * Orders the next batches of lanes for which there is time enough.
 *
 * Serving the one of the highest index first makes the sum of `exp(latency / scale)` over all rows smallest: long waits weigh most,
 * but a short batch goes before a long one that has waited little longer. By exchange of neighbours this is exact for one executor
 * when nothing more arrives. A scale of nothing would be first in, first out, an endless one most rows per millisecond. It is the
 * index of gamma-Boost (Yu and Scully, SIGMETRICS 2024) for batches, with a scale that asks for no knowledge of the load.
 *
 * More does arrive while queues do not empty. The fuller the batches that could start, the more the longest queue is preferred,
 * which serves most rows soonest.
 */
export function rankLanes(
  jobs: readonly Job[],
  { costs, nowMs }: { readonly costs: Costs; readonly nowMs: number },
): Job[] {
  const timed = jobs.map((job) => ({ job, ms: Math.max(leastMs, durationMs(costs, job, finalExit(job))) }));
  const scaleMs = tailScale * Math.max(...timed.map(({ ms }) => ms));
  const preference = backlogPower * fullnessOf(jobs) ** 2;
  return timed
    .map(({ job, ms }) => ({
      job,
      index: tailIndex(job, ms, nowMs, scaleMs) + preference * Math.log(job.lane.waitingRows),
    }))
    .sort((one, other) => other.index - one.index)
    .map(({ job }) => job);
}

/** How full the batches are, 1 where all have as many rows as they may. */
function fullnessOf(jobs: readonly Job[]): number {
  const rows = jobs.reduce((sum, job) => sum + job.rows, 0);
  return rows / jobs.reduce((sum, { lane }) => sum + lane.maxBatchRows, 0);
}

/** In logarithms, as the exponential of a long wait has no end. */
function tailIndex({ requests }: Job, ms: number, nowMs: number, scaleMs: number): number {
  const oldestMs = Math.min(...requests.map(({ queuedAtMs }) => queuedAtMs));
  const harm = requests.reduce(
    (sum, { rows, queuedAtMs }) => sum + rows * Math.exp((oldestMs - queuedAtMs) / scaleMs),
    0,
  );
  return (nowMs - oldestMs) / scaleMs + Math.log(harm) - Math.log1p(-Math.exp(-ms / scaleMs));
}
