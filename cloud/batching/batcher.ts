import { OfframpError } from '../../shared/errors.ts';
import { LaneQueue, type OnExpired } from './lane-queue.ts';
import type { BatchingPolicy } from './policy.ts';
import type { Batch, LaneView, LaneWaiting, Ticket } from './types.ts';

/** Bounds of everything that waits together; those of one lane are in its policy. */
export interface BatcherLimits {
  /** Rows that may wait in all lanes together; also bounds requests and clients, as each has a row at least. */
  readonly maxQueuedRows: number;
  /** Lanes that may have something waiting at the same time. */
  readonly maxLanes: number;
}

/**
 * Collects requests into batches, counting rows and not requests. It decides when a lane may start and what its next batch
 * holds; which lane runs, and how many rows of it, is the scheduler's choice. Takes the time as an argument and does
 * nothing by itself: the caller asks for `lanes` whenever an executor is idle and something may have changed, and sets a
 * timer for `nextReadyMs`.
 *
 * Every request offered ends exactly once: in a batch, with `onExpired`, or cancelled. Calls back only when its own state is
 * in order, so `onExpired` may offer and cancel.
 */
export class Batcher<T> {
  readonly #limits: BatcherLimits;
  readonly #policyOf: (lane: string) => BatchingPolicy;
  /** Only lanes with something waiting. */
  readonly #lanes = new Map<string, LaneQueue<T>>();
  #queuedRows = 0;

  /** @param policyOf asked when the first request of a lane comes; the answer holds until nothing of it waits any more. */
  constructor(limits: BatcherLimits, policyOf: (lane: string) => BatchingPolicy) {
    this.#limits = limits;
    this.#policyOf = policyOf;
  }

  /** Rows waiting in all lanes, those included that expired and were not swept yet. */
  get queuedRows(): number {
    return this.#queuedRows;
  }

  /** Rows waiting in one lane, 0 for one that there is not. */
  queuedRowsOf(lane: string): number {
    return this.#lanes.get(lane)?.rows ?? 0;
  }

  /** How much waits in each lane that has something; O(requests). */
  waiting(): LaneWaiting[] {
    return [...this.#lanes.values()].map((queue) => queue.waiting());
  }

  /** Rows of its lane that would be served before this request if it came now; O(clients). */
  rowsBefore(ticket: Ticket<T>): number {
    return this.#lanes.get(ticket.lane)?.rowsBefore(ticket) ?? 0;
  }

  /**
   * Queues a request. Where it meets a bound, what has expired by its `queuedAtMs` makes room first.
   * @throws OfframpError TENSOR_INVALID for no rows or more than a batch holds, BUSY (with `retryAfterMs`) when the queue, the
   * request's priority in its lane or the number of lanes is at its bound. The request was not queued then.
   */
  offer(ticket: Ticket<T>, retryAfterMs: number, onExpired: OnExpired<T>): void {
    if (this.#isFullFor(ticket)) this.#sweepAll(ticket.queuedAtMs, onExpired);
    const queue = this.#lanes.get(ticket.lane) ?? new LaneQueue<T>(ticket.lane, this.#policyOf(ticket.lane));
    queue.requireRows(ticket);
    const fullness = this.#fullness(ticket);
    if (fullness !== undefined) throw new OfframpError('BUSY', fullness, { retryAfterMs });
    queue.offer(ticket, retryAfterMs);
    this.#lanes.set(ticket.lane, queue);
    this.#queuedRows += ticket.rows;
  }

  /** Forgets a waiting request whose caller has gone; returns false for one that has ended already, which is left alone. */
  cancel(ticket: Ticket<T>): boolean {
    const queue = this.#lanes.get(ticket.lane);
    if (queue?.cancel(ticket) !== true) return false;
    this.#queuedRows -= ticket.rows;
    this.#forgetIfEmpty(ticket.lane, queue);
    return true;
  }

  /** The lanes that may start a batch now, without those that wait for more requests to come. */
  lanes(nowMs: number, onExpired: OnExpired<T>): LaneView[] {
    // All calls back come before the first view, which they could make untrue.
    this.#sweepAll(nowMs, onExpired);
    const views: LaneView[] = [];
    for (const queue of this.#lanes.values()) {
      if (queue.readyAtMs() <= nowMs) views.push(queue.view());
    }
    return views;
  }

  /**
   * When the first of the lanes that may not start at `nowMs` will, on the scale of `nowMs`; undefined when there is none.
   * A request that comes before may bring it forward, one that leaves may put it off.
   */
  nextReadyMs(nowMs: number): number | undefined {
    let firstMs: number | undefined;
    for (const queue of this.#lanes.values()) {
      const readyMs = queue.readyAtMs();
      if (readyMs > nowMs && (firstMs === undefined || readyMs < firstMs)) firstMs = readyMs;
    }
    return firstMs;
  }

  /**
   * Takes a batch from a lane, ready or not: at most `rows` rows and never more than its largest batch, or one request if that
   * alone has more than `rows`; in the order of the queue, no request split. Where sizes are preferred it ends at the largest
   * that can be formed, unless the queue delay is over. Undefined when nothing waits there.
   * @param giveUpUntilMs requests with a deadline until then, which may lie ahead, are treated as expired: nobody could
   * answer them in time. Timeouts of the policy and the queue delay go by `nowMs`.
   */
  take(
    lane: string,
    rows: number,
    nowMs: number,
    onExpired: OnExpired<T>,
    giveUpUntilMs: number = nowMs,
  ): Batch<T> | undefined {
    this.#sweep(lane, nowMs, onExpired);
    if (giveUpUntilMs > nowMs) this.#giveUp(lane, giveUpUntilMs, onExpired);
    const queue = this.#lanes.get(lane);
    const batch = queue?.take(rows, nowMs);
    if (queue === undefined || batch === undefined) return undefined;
    this.#queuedRows -= batch.rows;
    this.#forgetIfEmpty(lane, queue);
    return batch;
  }

  #isFullFor(ticket: Ticket<T>): boolean {
    return this.#fullness(ticket) !== undefined || this.#lanes.get(ticket.lane)?.isFullFor(ticket) === true;
  }

  /** Why no lane could take the request; undefined when one can. */
  #fullness({ lane, rows }: Ticket<T>): string | undefined {
    const { maxQueuedRows, maxLanes } = this.#limits;
    if (this.#queuedRows + rows > maxQueuedRows) {
      return `${this.#queuedRows} rows already wait, at most ${maxQueuedRows} may`;
    }
    if (this.#lanes.size < maxLanes || this.#lanes.has(lane)) return undefined;
    return `Requests of ${maxLanes} lanes already wait, of no more may`;
  }

  #sweepAll(nowMs: number, onExpired: OnExpired<T>): void {
    for (const lane of this.#lanes.keys()) this.#sweep(lane, nowMs, onExpired);
  }

  #sweep(lane: string, nowMs: number, onExpired: OnExpired<T>): void {
    const queue = this.#lanes.get(lane);
    if (queue === undefined) return;
    queue.sweep(nowMs, this.#counted(onExpired));
    this.#forgetIfEmpty(lane, queue);
  }

  #giveUp(lane: string, untilMs: number, onExpired: OnExpired<T>): void {
    const queue = this.#lanes.get(lane);
    if (queue === undefined) return;
    queue.giveUp(untilMs, this.#counted(onExpired));
    this.#forgetIfEmpty(lane, queue);
  }

  #counted(onExpired: OnExpired<T>): OnExpired<T> {
    return (ticket) => {
      this.#queuedRows -= ticket.rows;
      onExpired(ticket);
    };
  }

  #forgetIfEmpty(lane: string, queue: LaneQueue<T>): void {
    // A call back may have emptied this queue and begun another one under the same name.
    if (queue.rows === 0 && this.#lanes.get(lane) === queue) this.#lanes.delete(lane);
  }
}
