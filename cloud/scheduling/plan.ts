import type { Costs, LaneView, Waiting } from '../batching/types.ts';

/** A batch that a lane could form of what waits. */
export interface Job {
  readonly lane: LaneView;
  /** Whether it would be the lane's next batch; the others can only follow it. */
  readonly isNext: boolean;
  readonly exits: readonly number[];
  readonly requests: readonly Waiting[];
  readonly rows: number;
  /** When it should be done: the earliest deadline of its requests, less the reserve. */
  readonly dueMs: number;
}

/** Batches of one lane that are looked at; bounds the cost of a decision. */
const batchesPerLane = 3;

/** The next batches of every lane, in the order in which they are due; without the requests that no batch can save. */
export function planJobs(lanes: readonly LaneView[], costs: Costs, nowMs: number, reserve: number): Job[] {
  const jobs = lanes.flatMap((lane) => laneJobs(lane, costs, nowMs, reserve));
  return jobs.sort((one, other) => one.dueMs - other.dueMs);
}

/** Requests of the lane with a deadline until then come too late as a rule even if one row runs alone, at once, to the first exit. */
export function hopelessUntilMs({ lane }: LaneView, costs: Costs, nowMs: number): number {
  return nowMs + costs.meanMs(lane, costs.exits(lane)[0] ?? 0, 1);
}

function laneJobs(lane: LaneView, costs: Costs, nowMs: number, reserve: number): Job[] {
  const exits = costs.exits(lane.lane);
  const hopelessMs = hopelessUntilMs(lane, costs, nowMs);
  const jobs: Job[] = [];
  let requests: Waiting[] = [];
  let rows = 0;
  const close = () => {
    const dueMs = Math.min(...requests.map((request) => dueMsOf(request, reserve)));
    jobs.push({ lane, isNext: jobs.length === 0, exits, requests, rows, dueMs });
    requests = [];
    rows = 0;
  };
  for (const request of lane.waiting) {
    if (request.deadlineMs <= hopelessMs) continue;
    if (rows > 0 && rows + request.rows > lane.maxBatchRows) close();
    if (jobs.length === batchesPerLane) return jobs;
    requests.push(request);
    rows += request.rows;
  }
  if (rows > 0) close();
  return jobs;
}

/** A share of the budget is kept for what cannot be foreseen: slower runs, and requests that come while the plan is carried out. */
function dueMsOf({ queuedAtMs, deadlineMs }: Waiting, reserve: number): number {
  return queuedAtMs + (1 - reserve) * (deadlineMs - queuedAtMs);
}

export function finalExit({ exits }: Job): number {
  return exits.at(-1) ?? 0;
}

export function firstExit({ exits }: Job): number {
  return exits[0] ?? 0;
}

/** What 95 of 100 such batches do not exceed. */
export function durationMs(costs: Costs, { lane, rows }: Job, exit: number): number {
  return costs.predictMs(lane.lane, exit, rows);
}
