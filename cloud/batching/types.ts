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
  /** How long the caller wants it to wait at most, in microseconds; 0 or nothing leaves that to the lane's policy. */
  readonly timeoutMicros?: number;
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
  /**
   * All that waits. First what the largest batch would hold, in the order in which it would be handed out; then the others
   * in order of arrival, for a scheduler weighs them but cannot start them yet, and a full order would cost more than the
   * decision. A snapshot: it does not change when the queue does.
   */
  readonly waiting: readonly Waiting[];
  readonly waitingRows: number;
}

/** How much waits in a lane, for people who look on. */
export interface LaneWaiting {
  readonly lane: string;
  readonly rows: number;
  readonly requests: number;
  /** When the oldest request came. */
  readonly oldestAtMs: number;
  /** Rows by priority, 1 first; only priorities that have some. */
  readonly priorities: readonly { readonly priority: number; readonly rows: number }[];
}

/** How long work takes, as measured here. */
export interface Costs {
  /** Exits at which a batch of the lane may end, ascending; the last is the final one. */
  exits(lane: string): readonly number[];
  /** Milliseconds that a batch of `rows` rows takes as a rule when none goes deeper than `exit`. */
  meanMs(lane: string, exit: number, rows: number): number;
  /** Milliseconds that 95 of 100 such batches do not exceed: what to hold against a deadline. */
  predictMs(lane: string, exit: number, rows: number): number;
}

/** What an idle executor does next: a batch of at most `rows` rows of a lane, none of which goes deeper than `exit`. */
export interface Choice {
  readonly lane: string;
  readonly exit: number;
  readonly rows: number;
  /**
   * Requests of the lane whose deadline is not later than this cannot be answered in time any more: they are given up, as those
   * that have expired are, and take no place in the batch. Absent: none but those that have expired.
   */
  readonly giveUpUntilMs?: number;
}

/** Decides what runs next. Pure: time, queues and costs are arguments, and it keeps nothing between calls. */
export interface Scheduler {
  /** `undefined` when there is nothing that should run now. */
  choose(lanes: readonly LaneView[], costs: Costs, nowMs: number): Choice | undefined;
}
