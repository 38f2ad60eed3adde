import { quantile } from '../../quantiles.ts';
import type { ModelProfile } from './profile.ts';
import type { Outcome } from './simulation.ts';
import type { Workload } from './workload.ts';

/** What a scheduler reached on one workload. Shares are of all requests, also of those that were given up. */
export interface Figures {
  readonly requests: number;
  /** Share of requests that were answered late or not at all. */
  readonly violationRatio: number;
  /** Of all requests; one that was given up counts with the moment of that, and no less than its whole budget. */
  readonly p95Ms: number;
  /** Share of requests with a right answer in time, by the exit records: what early exits are not to cost. */
  readonly rightInTime: number;
  /** Share of right answers among those given, late ones included, by the exit records; NaN without answers. */
  readonly accuracy: number;
  /** Mean exit of the answers as a share of the model's exits: 1 is the final one of every model; NaN without answers. */
  readonly meanDepth: number;
  /** Answers in time per second. */
  readonly goodputPerSecond: number;
  /** Rows of a batch; NaN without batches. */
  readonly meanBatchRows: number;
}

/** The figures that are averaged over seeds, in the order in which they are shown. */
export const figureNames = [
  'violationRatio',
  'p95Ms',
  'rightInTime',
  'accuracy',
  'meanDepth',
  'goodputPerSecond',
  'meanBatchRows',
] as const satisfies readonly (keyof Figures)[];
export type FigureName = (typeof figureNames)[number];

/** Adds up an outcome. `models` are in the order of the workload's streams. */
export function figuresOf(
  workload: Workload,
  outcome: Outcome,
  models: readonly ModelProfile[],
  { budgetMs, seconds }: { readonly budgetMs: number; readonly seconds: number },
): Figures {
  const requests = workload.atMs.length;
  const latencies = new Float64Array(requests);
  let [answered, inTime, right, rightInTime, depth] = [0, 0, 0, 0, 0];
  for (let request = 0; request < requests; request++) {
    const ms = (outcome.endMs[request] ?? Number.NaN) - (workload.atMs[request] ?? Number.NaN);
    const exit = outcome.exit[request] ?? -1;
    const model = models[workload.stream[request] ?? -1];
    if (exit === -1 || model === undefined) {
      latencies[request] = Math.max(ms, budgetMs);
      continue;
    }
    const isRight = Number(model.images[workload.kind[request] ?? -1]?.right[exit] === true);
    const isInTime = Number(ms <= budgetMs);
    latencies[request] = ms;
    answered++;
    inTime += isInTime;
    right += isRight;
    rightInTime += isRight * isInTime;
    depth += (exit + 1) / model.exits.length;
  }
  return {
    requests,
    violationRatio: (requests - inTime) / requests,
    p95Ms: quantile(latencies.sort(), 0.95),
    rightInTime: rightInTime / requests,
    accuracy: right / answered,
    meanDepth: depth / answered,
    goodputPerSecond: inTime / seconds,
    meanBatchRows: answered / outcome.batches,
  };
}
