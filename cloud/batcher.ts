import { OfframpError } from '../shared/errors.ts';

/** One request as the batcher sees it. */
export interface Ticket<T> {
  /** Requests of one lane may share a batch: same bundle, same cut. */
  readonly lane: string;
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

export interface BatcherLimits {
  /** Rows of the largest batch; a request with more rows is refused. */
  readonly maxBatchRows: number;
  /** Rows that may wait in all lanes together; beyond it requests are refused with BUSY. */
  readonly maxQueuedRows: number;
}

/**
 * Collects requests into batches, counting rows and not requests. It never waits for a fuller batch: whoever owns an idle
 * executor asks for `next`, and gets what has come together while the executor was busy. Takes the time as an argument and
 * does nothing by itself.
 */
export class Batcher<T> {
  readonly #limits: BatcherLimits;
  readonly #lanes = new Map<string, Ticket<T>[]>();
  #queuedRows = 0;

  constructor(limits: BatcherLimits) {
    this.#limits = limits;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  /**
   * Queues a request.
   * @throws OfframpError TENSOR_INVALID for more rows than a batch holds, BUSY (with `retryAfterMs`) when the queue is full.
   */
  offer(ticket: Ticket<T>, retryAfterMs: number): void {
    const { maxBatchRows, maxQueuedRows } = this.#limits;
    if (ticket.rows > maxBatchRows) {
      throw new OfframpError(
        'TENSOR_INVALID',
        `A request of ${ticket.rows} rows, at most ${maxBatchRows} are taken`,
      );
    }
    if (this.#queuedRows + ticket.rows > maxQueuedRows) {
      throw new OfframpError('BUSY', `${this.#queuedRows} rows already wait, at most ${maxQueuedRows} may`, {
        retryAfterMs,
      });
    }
    const lane = this.#lanes.get(ticket.lane);
    if (lane === undefined) this.#lanes.set(ticket.lane, [ticket]);
    else lane.push(ticket);
    this.#queuedRows += ticket.rows;
  }

  /** Forgets a queued request whose caller has gone; one that was handed out already is left alone. */
  cancel(ticket: Ticket<T>): void {
    const lane = this.#lanes.get(ticket.lane) ?? [];
    const place = lane.indexOf(ticket);
    if (place === -1) return;
    lane.splice(place, 1);
    this.#queuedRows -= ticket.rows;
  }

  /**
   * Takes the next batch: of the lane whose first request has waited longest, in order of arrival, as many as fit.
   * Requests past their deadline are handed to `onExpired` and never computed.
   */
  next(nowMs: number, onExpired: (ticket: Ticket<T>) => void): Batch<T> | undefined {
    for (const lane of this.#lanes.values()) this.#dropExpiredHead(lane, nowMs, onExpired);
    const oldest = this.#oldestLane();
    if (oldest === undefined) return undefined;
    const tickets: Ticket<T>[] = [];
    let rows = 0;
    for (let head = oldest[0]; head !== undefined; head = oldest[0]) {
      if (rows + head.rows > this.#limits.maxBatchRows) break;
      oldest.shift();
      tickets.push(head);
      rows += head.rows;
      this.#dropExpiredHead(oldest, nowMs, onExpired);
    }
    this.#queuedRows -= rows;
    const lane = tickets[0]?.lane;
    return lane === undefined ? undefined : { lane, rows, tickets };
  }

  #oldestLane(): Ticket<T>[] | undefined {
    let oldest: Ticket<T>[] | undefined;
    for (const [name, lane] of this.#lanes) {
      const head = lane[0];
      if (head === undefined) this.#lanes.delete(name);
      else if (oldest?.[0] === undefined || head.queuedAtMs < oldest[0].queuedAtMs) oldest = lane;
    }
    return oldest;
  }

  #dropExpiredHead(lane: Ticket<T>[], nowMs: number, onExpired: (ticket: Ticket<T>) => void): void {
    for (let head = lane[0]; head !== undefined; head = lane[0]) {
      if (head.deadlineMs > nowMs) return;
      lane.shift();
      this.#queuedRows -= head.rows;
      onExpired(head);
    }
  }
}
