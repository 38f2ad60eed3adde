import type { Choice, Costs, LaneView, Scheduler, Waiting } from '../batching/types.ts';
import { type Front, fullFront } from './batches.ts';
import { deepestInTime } from './exit-rules.ts';

/** What a single request can add to a score at most. */
const mostHarm = 10;

/**
 * The scheduler of EdgeServing (Cao et al., ICCCN 2026, arXiv 2605.05527): every lane offers its fullest batch with the deepest exit
 * that is in time; the one whose run harms those least that have to wait meanwhile is served. It never waits and drops nothing.
 *
 * Departs from the authors' program in three points. Each request has a budget of its own, where they have one for all. The exit is
 * chosen with the duration of this very batch, theirs chooses the final one with that of the largest. Lanes without work are no
 * candidates.
 */
export const edgeServing: Scheduler = {
  choose(lanes, costs, nowMs) {
    let best: Choice | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const lane of lanes) {
      if (lane.waiting.length === 0) continue;
      const front = fullFront(lane);
      const exit = deepestInTime(lane, front, costs, nowMs);
      const score = instability(lanes, lane, front, nowMs + durationMs(costs, lane, exit, front));
      if (best !== undefined && score >= least) continue;
      least = score;
      best = { lane: lane.lane, exit, rows: front.rows };
    }
    return best;
  },
};

function durationMs(costs: Costs, { lane }: LaneView, exit: number, { rows }: Front): number {
  return costs.predictMs(lane, exit, rows);
}

/** The harm to all that are not in the batch, summed over rows. */
function instability(lanes: readonly LaneView[], served: LaneView, front: Front, endMs: number): number {
  let sum = 0;
  for (const lane of lanes) {
    const first = lane === served ? front.requests : 0;
    for (let place = first; place < lane.waiting.length; place++) {
      const request = lane.waiting[place];
      if (request !== undefined) sum += request.rows * harmOf(request, endMs);
    }
  }
  return sum;
}

/** How near its deadline a request will be at `endMs`, rising exponentially: 1 at the deadline, e at twice the budget. */
function harmOf({ queuedAtMs, deadlineMs }: Waiting, endMs: number): number {
  const share = (endMs - queuedAtMs) / (deadlineMs - queuedAtMs);
  return Math.min(mostHarm, Math.exp(share - 1));
}
