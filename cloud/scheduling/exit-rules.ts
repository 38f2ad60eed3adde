import type { Costs, LaneView } from '../batching/types.ts';
import type { Front } from './batches.ts';

/** How deep a batch may go. */
export type ExitRule = (lane: LaneView, front: Front, costs: Costs, nowMs: number) => number;

/** Every row may go to the final exit, whatever the time. */
export const finalExit: ExitRule = ({ lane }, _front, costs) => costs.exits(lane).at(-1) ?? 0;

/** No row goes further than the first exit. */
export const firstExit: ExitRule = ({ lane }, _front, costs) => costs.exits(lane)[0] ?? 0;

/**
 * The deepest exit at which the whole batch is done before the first of its deadlines, else the shallowest: the exit rule of
 * EdgeServing (arXiv 2605.05527), with a budget for each request in place of one for all.
 */
export const deepestInTime: ExitRule = ({ lane, waiting }, { requests, rows }, costs, nowMs) => {
  let deadlineMs = Number.POSITIVE_INFINITY;
  for (let place = 0; place < requests; place++) {
    deadlineMs = Math.min(deadlineMs, waiting[place]?.deadlineMs ?? deadlineMs);
  }
  const exits = costs.exits(lane);
  for (let place = exits.length - 1; place > 0; place--) {
    const exit = exits[place] ?? 0;
    if (nowMs + costs.predictMs(lane, exit, rows) <= deadlineMs) return exit;
  }
  return exits[0] ?? 0;
};
