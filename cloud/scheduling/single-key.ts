import type { LaneView, Scheduler, Waiting } from '../batching/types.ts';
import { fullFront, laneWithLeast } from './batches.ts';
import { type ExitRule, finalExit } from './exit-rules.ts';

/** Serves the lane with the smallest value, in its fullest batch. */
function leastFirst(keyOf: (lane: LaneView) => number, exitRule: ExitRule): Scheduler {
  return {
    choose(lanes, costs, nowMs) {
      const lane = laneWithLeast(lanes, keyOf);
      if (lane === undefined) return undefined;
      const front = fullFront(lane);
      return { lane: lane.lane, exit: exitRule(lane, front, costs, nowMs), rows: front.rows };
    },
  };
}

function leastOf({ waiting }: LaneView, keyOf: (request: Waiting) => number): number {
  let least = Number.POSITIVE_INFINITY;
  for (const request of waiting) least = Math.min(least, keyOf(request));
  return least;
}

/** First in, first out: the lane of the request that has waited longest, to the final exit. */
export const fifo: Scheduler = leastFirst((lane) => leastOf(lane, ({ queuedAtMs }) => queuedAtMs), finalExit);

/** Earliest deadline first: the lane of the request whose deadline is next, to the final exit. */
export const earliestDeadlineFirst: Scheduler = leastFirst(
  (lane) => leastOf(lane, ({ deadlineMs }) => deadlineMs),
  finalExit,
);

/** The lane in which most rows wait. */
export function longestQueueFirst(exitRule: ExitRule): Scheduler {
  return leastFirst(({ waitingRows }) => -waitingRows, exitRule);
}
