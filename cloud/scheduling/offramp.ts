import type { Choice, Costs, LaneView, Scheduler } from '../batching/types.ts';
import { rankLanes } from './lane-order.ts';
import { durationMs, finalExit, firstExit, hopelessUntilMs, type Job, planJobs } from './plan.ts';

export interface OfframpOptions {
  /** Executors that take work from these queues. Default: 1. */
  readonly executors?: number;
  /** Share of every budget that a plan leaves unused, 0 to below 1. Default: 0.25. */
  readonly reserve?: number;
}

const defaultReserve = 0.25;

/** What a decision looks at. */
interface Situation {
  /** In the order in which they are due. */
  readonly jobs: readonly Job[];
  readonly costs: Costs;
  readonly nowMs: number;
  readonly executors: number;
}

/** How deep the batches may go that run later. */
type Depth = 'final' | 'first';

/**
 * The scheduler of this project. It plans for all that waits, not for the batch it starts alone, and cuts depth only when the plan
 * does not hold without:
 *
 * 1. **Calm.** As long as everything can go to the final exit and be in time, it does; `rankLanes` says in which order.
 * 2. **Tight.** Otherwise the first lane of that order runs that can go to its final exit and leave all others in time, if need be
 *    at their first exits. Where none can, the lane that is due first runs, to the deepest exit that leaves the others in time.
 * 3. **Overloaded.** Where not even first exits hold the plan, the lane in which most waits runs, at its first exit, with those that
 *    it still answers in time. Those that it would not are given up: the executor's time is for others.
 *
 * Requests that no batch can save are left out throughout. A decision looks at the first three batches of each lane and takes
 * O(lanes * (lanes + exits)) predictions.
 */
export function offramp({ executors = 1, reserve = defaultReserve }: OfframpOptions = {}): Scheduler {
  return {
    choose(lanes, costs, nowMs) {
      const situation = { jobs: planJobs(lanes, costs, nowMs, reserve), costs, nowMs, executors };
      return (
        chooseFinal(situation) ??
        chooseDueFirst(situation) ??
        chooseOverloaded(situation) ??
        giveUp(lanes, costs, nowMs)
      );
    },
  };
}

function chooseFinal(situation: Situation): Choice | undefined {
  const ranked = rankLanes(startable(situation), situation);
  const goesFinal = (depth: Depth) => ranked.find((job) => holds(situation, job, finalExit(job), depth));
  const first = goesFinal('final') ?? goesFinal('first');
  return first && choiceOf(situation, first, finalExit(first));
}

function chooseDueFirst(situation: Situation): Choice | undefined {
  const [first] = startable(situation);
  if (first === undefined) return undefined;
  const exit = [...first.exits].reverse().find((deep) => holds(situation, first, deep, 'first'));
  return exit === undefined ? undefined : choiceOf(situation, first, exit);
}

function chooseOverloaded(situation: Situation): Choice | undefined {
  const { costs, nowMs } = situation;
  const [longest] = startable(situation).sort((one, other) => other.lane.waitingRows - one.lane.waitingRows);
  if (longest === undefined) return undefined;
  const { lane, maxBatchRows, waiting, waitingRows } = longest.lane;
  const exit = firstExit(longest);
  const endMs = (rows: number) => nowMs + costs.predictMs(lane, exit, rows);
  const fullRows = Math.min(maxBatchRows, waitingRows);
  const fullEndMs = endMs(fullRows);
  // Of all that waits: those in front may be past saving, and others fill their places.
  const savedRows = waiting.reduce(
    (sum, { rows, deadlineMs }) => sum + (deadlineMs > fullEndMs ? rows : 0),
    0,
  );
  const rows = Math.min(fullRows, savedRows) || 1;
  return { lane, exit, rows, giveUpUntilMs: endMs(rows) };
}

/** When nothing that waits can be saved. What is left in the other lanes is for the next decision. */
function giveUp(lanes: readonly LaneView[], costs: Costs, nowMs: number): Choice | undefined {
  const lane = lanes.find(({ waiting }) => waiting.length > 0);
  if (lane === undefined) return undefined;
  const [exit = 0] = costs.exits(lane.lane);
  return { lane: lane.lane, exit, rows: 1, giveUpUntilMs: hopelessUntilMs(lane, costs, nowMs) };
}

/** Whether every batch is done when it is due, if `first` starts now and the others follow in the order in which they are due. */
function holds(situation: Situation, first: Job, exit: number, depth: Depth): boolean {
  let startMs = situation.nowMs;
  const isInTime = (job: Job, deepest: number) => {
    const ms = durationMs(situation.costs, job, deepest);
    const endMs = startMs + ms;
    startMs += ms / situation.executors;
    return endMs <= job.dueMs;
  };
  if (!isInTime(first, exit)) return false;
  return situation.jobs.every(
    (job) => job === first || isInTime(job, depth === 'final' ? finalExit(job) : firstExit(job)),
  );
}

/** The next batch of each lane, in the order in which they are due. */
function startable({ jobs }: Situation): Job[] {
  return jobs.filter(({ isNext }) => isNext);
}

function choiceOf({ costs, nowMs }: Situation, { lane, rows }: Job, exit: number): Choice {
  return { lane: lane.lane, exit, rows, giveUpUntilMs: hopelessUntilMs(lane, costs, nowMs) };
}
