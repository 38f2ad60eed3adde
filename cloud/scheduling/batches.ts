import type { LaneView } from '../batching/types.ts';

/** The requests at the front of a lane that fit into one batch, in the order in which they would be handed out. */
export interface Front {
  readonly requests: number;
  /** 0 only for a lane in which nothing waits. */
  readonly rows: number;
}

/** What a batch of at most `rowLimit` rows would take. The first request is always in it, for nobody splits a request. */
export function frontOf({ waiting }: LaneView, rowLimit: number): Front {
  let requests = 0;
  let rows = 0;
  for (const request of waiting) {
    if (requests > 0 && rows + request.rows > rowLimit) break;
    rows += request.rows;
    requests++;
  }
  return { requests, rows };
}

/** The fullest batch of a lane. */
export function fullFront(lane: LaneView): Front {
  return frontOf(lane, lane.maxBatchRows);
}

/** The lane with the smallest value; the first of those that are level, `undefined` without lanes. */
export function laneWithLeast(
  lanes: readonly LaneView[],
  keyOf: (lane: LaneView) => number,
): LaneView | undefined {
  let best: LaneView | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const lane of lanes) {
    if (lane.waiting.length === 0) continue;
    const value = keyOf(lane);
    if (best === undefined || value < least) {
      best = lane;
      least = value;
    }
  }
  return best;
}
