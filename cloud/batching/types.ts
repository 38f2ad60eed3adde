/** One request as queues and schedulers see it. */
export interface Ticket<T> {
  /** Requests of one lane may share a batch: same bundle, same cut, same way through the segments. */
  readonly lane: string;
  /** Whose request it is; clients take turns within a priority. */
  readonly client: string;
  /** 1 is served first. */
  readonly priority: number;
  readonly rows: number;
  readonly queuedAtMs: number;
  /** After this moment nobody waits for the answer any more. */
  readonly deadlineMs: number;
  readonly item: T;
}

export interface Batch<T> {
  readonly lane: string;
  readonly rows: number;
  readonly tickets: readonly Ticket<T>[];
}

/** What a scheduler may know of a request. */
export type Waiting = Pick<Ticket<unknown>, 'rows' | 'priority' | 'queuedAtMs' | 'deadlineMs'>;

/** A lane with work that may start now. */
export interface LaneView {
  readonly lane: string;
  readonly maxBatchRows: number;
  /** In the order in which they would be handed out. */
  readonly waiting: readonly Waiting[];
  readonly waitingRows: number;
}

/** How long work takes, as measured here. */
export interface Costs {
  /** Exits at which a batch of the lane may end, ascending; the last is the final one. */
  exits(lane: string): readonly number[];
  /** Milliseconds that a batch of `rows` rows takes when none goes deeper than `exit`. */
  predictMs(lane: string, exit: number, rows: number): number;
}

/** What an idle executor does next: a batch of at most `rows` rows of a lane, none of which goes deeper than `exit`. */
export interface Choice {
  readonly lane: string;
  readonly exit: number;
  readonly rows: number;
}

/** Decides what runs next. Pure: time, queues and costs are arguments, and it keeps nothing between calls. */
export interface Scheduler {
  /** `undefined` when there is nothing that should run now. */
  choose(lanes: readonly LaneView[], costs: Costs, nowMs: number): Choice | undefined;
}
