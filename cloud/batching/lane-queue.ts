import { OfframpError } from '../../shared/errors.ts';
import { IndexedHeap } from './heap.ts';
import { type Entry, endsBefore, isToDelay, timesOutMs } from './lane-entry.ts';
import { type Level, Levels } from './levels.ts';
import type { BatchingPolicy } from './policy.ts';
import type { Batch, LaneView, LaneWaiting, Ticket } from './types.ts';

/** Called with a request that ran out of time while it waited; once for each. */
export type OnExpired<T> = (ticket: Ticket<T>) => void;

/**
 * What waits in one lane, in the order in which it is served:
 *
 * 1. by priority, 1 first;
 * 2. of one priority those within their timeout, then those that were delayed (`timeout_action: DELAY`);
 * 3. of these the clients take turns, counted in rows (see `Turns`);
 * 4. of one client in order of arrival, the delayed in the order in which they became late.
 *
 * Requests that expired (`deadlineMs <= nowMs`, or past their timeout with `REJECT`) leave by `sweep`, which costs nothing
 * while there are none. Offering, serving, cancelling and expiring take O(log n).
 *
 * Requests must be offered in the order of their `queuedAtMs`, as those read from one clock are.
 */
export class LaneQueue<T> {
  readonly #lane: string;
  readonly #policy: BatchingPolicy;
  readonly #preferredRows: ReadonlySet<number>;
  readonly #levels: Levels<Entry<T>>;
  /** In order of arrival, as a map keeps what is put into it. */
  readonly #entries = new Map<Ticket<T>, Entry<T>>();
  readonly #ends = new IndexedHeap<Entry<T>>(endsBefore);
  #arrivals = 0;
  #rows = 0;
  /** Until something changes: what a batch of the largest size would hold, and the view. */
  #leading: readonly Entry<T>[] | undefined;
  #view: LaneView | undefined;
  #viewsMade = 0;

  constructor(lane: string, policy: BatchingPolicy) {
    this.#lane = lane;
    this.#policy = policy;
    this.#preferredRows = new Set(policy.preferredBatchRows);
    this.#levels = new Levels(policy);
  }

  /** Rows waiting, those included that expired since the last sweep. */
  get rows(): number {
    return this.#rows;
  }

  /** Whether the request's priority has as many requests as it may, those included that expired since the last sweep. */
  isFullFor(ticket: Ticket<T>): boolean {
    const { policy, inTime, delayed } = this.#levels.at(ticket.priority);
    return inTime.requests + delayed.requests >= policy.maxQueuedRequests;
  }

  /** Rows that would be served before this request if it came now, those included that expired since the last sweep. */
  rowsBefore({ priority, client, rows }: Ticket<T>): number {
    return this.#levels.rowsBefore(priority, client, rows);
  }

  /** @throws OfframpError TENSOR_INVALID for no rows or more than a batch holds. */
  requireRows({ rows }: Ticket<T>): void {
    const { maxBatchRows } = this.#policy;
    if (Number.isInteger(rows) && rows >= 1 && rows <= maxBatchRows) return;
    throw new OfframpError(
      'TENSOR_INVALID',
      `A request of ${rows} rows, at most ${maxBatchRows} are taken, and at least 1`,
    );
  }

  /**
   * Queues a request.
   * @throws OfframpError TENSOR_INVALID as `requireRows`, BUSY (with `retryAfterMs`) when its priority is full.
   */
  offer(ticket: Ticket<T>, retryAfterMs: number): void {
    this.requireRows(ticket);
    if (this.#entries.has(ticket)) {
      throw new OfframpError('INTERNAL', `A request for '${this.#lane}' was queued twice`);
    }
    const level = this.#levels.at(ticket.priority);
    if (this.isFullFor(ticket)) {
      const { maxQueuedRequests } = level.policy;
      const message = `${maxQueuedRequests} requests of priority ${level.priority} already wait, no more may`;
      throw new OfframpError('BUSY', message, { retryAfterMs });
    }
    this.#enter(ticket, level);
  }

  /** Takes a waiting request out; false when it was not waiting here. */
  cancel(ticket: Ticket<T>): boolean {
    const entry = this.#entries.get(ticket);
    if (entry === undefined) return false;
    entry.section.remove(entry);
    this.#leave(entry);
    return true;
  }

  /** Hands over what has expired, and delays what is only late. */
  sweep(nowMs: number, onExpired: OnExpired<T>): void {
    for (let entry = this.#ends.first; entry !== undefined; entry = this.#ends.first) {
      if (entry.endsMs > nowMs) return;
      if (isToDelay(entry, nowMs)) {
        this.#delay(entry);
        continue;
      }
      this.#drop(entry, onExpired);
    }
  }

  /** Hands over what has its deadline by `untilMs`, in order of the deadlines; timeouts go on. */
  giveUp(untilMs: number, onExpired: OnExpired<T>): void {
    const ending = this.#ends.allWhile(({ endsMs }) => endsMs <= untilMs);
    const hopeless = ending.filter(({ ticket }) => ticket.deadlineMs <= untilMs);
    hopeless.sort(
      (one, other) => one.ticket.deadlineMs - other.ticket.deadlineMs || one.arrival - other.arrival,
    );
    for (const entry of hopeless) {
      // A call before may have taken it out.
      if (this.#entries.get(entry.ticket) === entry) this.#drop(entry, onExpired);
    }
  }

  /**
   * From when on a batch may start: since the oldest request came, when there is no queue delay, a preferred size can be
   * formed or the largest batch is full; otherwise when that request has waited for the queue delay. Nobody waits for
   * company to the death: where some request would run out of time before the delay is over, it is not waited for.
   * Infinity when nothing waits.
   */
  readyAtMs(): number {
    const oldestMs = this.#oldestMs();
    const { maxBatchRows, maxQueueDelayMicros } = this.#policy;
    if (maxQueueDelayMicros === 0 || this.#rows >= maxBatchRows) return oldestMs;
    const overMs = this.#delayOverMs();
    const firstEndMs = this.#ends.first?.endsMs ?? Number.POSITIVE_INFINITY;
    return firstEndMs <= overMs || this.#canFormPreferred() ? oldestMs : overMs;
  }

  /** What waits, as a scheduler sees it: a snapshot, made when asked for and kept until something changes. */
  view(): LaneView {
    this.#view ??= this.#makeView();
    return this.#view;
  }

  /** How much waits, those included that expired since the last sweep; O(requests). */
  waiting(): LaneWaiting {
    const rows = new Map<number, number>();
    for (const { priority, rows: own } of this.#entries.keys()) {
      rows.set(priority, (rows.get(priority) ?? 0) + own);
    }
    const priorities = [...rows].map(([priority, own]) => ({ priority, rows: own }));
    return {
      lane: this.#lane,
      rows: this.#rows,
      requests: this.#entries.size,
      oldestAtMs: this.#oldestMs(),
      priorities: priorities.sort((one, other) => one.priority - other.priority),
    };
  }

  /**
   * Takes the next batch: at most `rows` rows, or one request if that alone has more. Where sizes are preferred the batch
   * ends at the largest that can be formed, unless the queue delay is over. Sweep first: what has expired is not looked for.
   */
  take(rows: number, nowMs: number): Batch<T> | undefined {
    const tickets: Ticket<T>[] = [];
    let takenRows = 0;
    const leading = this.#lead();
    for (const entry of leading.slice(0, this.#fitting(leading, rows, nowMs))) {
      entry.section.serve(entry);
      this.#leave(entry);
      tickets.push(entry.ticket);
      takenRows += entry.rows;
    }
    return tickets.length === 0 ? undefined : { lane: this.#lane, rows: takenRows, tickets };
  }

  #enter(ticket: Ticket<T>, level: Level<Entry<T>>): void {
    const { client, rows } = ticket;
    const endsMs = Math.min(ticket.deadlineMs, timesOutMs(ticket, level.policy));
    const section = level.inTime;
    const entry: Entry<T> = {
      ticket,
      client,
      rows,
      level,
      section,
      endsMs,
      arrival: this.#arrivals++,
      shownFirst: 0,
      seat: undefined,
      heapPlace: -1,
    };
    this.#entries.set(ticket, entry);
    this.#ends.add(entry);
    section.add(entry);
    this.#rows += rows;
    this.#changed();
  }

  /** Takes an entry out of all orders but that of its section. */
  #leave(entry: Entry<T>): void {
    this.#entries.delete(entry.ticket);
    this.#ends.remove(entry);
    this.#rows -= entry.rows;
    this.#changed();
  }

  /** Out of every order before the call, which may come back here. */
  #drop(entry: Entry<T>, onExpired: OnExpired<T>): void {
    entry.section.remove(entry);
    this.#leave(entry);
    onExpired(entry.ticket);
  }

  #delay(entry: Entry<T>): void {
    entry.section.remove(entry);
    entry.section = entry.level.delayed;
    entry.section.add(entry);
    entry.endsMs = entry.ticket.deadlineMs;
    this.#ends.update(entry);
    this.#changed();
  }

  #changed(): void {
    this.#leading = undefined;
    this.#view = undefined;
  }

  /** Infinity when nothing waits. */
  #oldestMs(): number {
    for (const { queuedAtMs } of this.#entries.keys()) return queuedAtMs;
    return Number.POSITIVE_INFINITY;
  }

  /** What a batch of the largest size would hold now, in order. */
  #lead(): readonly Entry<T>[] {
    this.#leading ??= this.#makeLead();
    return this.#leading;
  }

  #makeLead(): Entry<T>[] {
    const leading: Entry<T>[] = [];
    let rows = 0;
    for (const entry of this.#levels.inOrder()) {
      rows += entry.rows;
      if (rows > this.#policy.maxBatchRows) break;
      leading.push(entry);
    }
    return leading;
  }

  #makeView(): LaneView {
    const number = ++this.#viewsMade;
    const waiting: Ticket<T>[] = [];
    for (const entry of this.#lead()) {
      entry.shownFirst = number;
      waiting.push(entry.ticket);
    }
    for (const entry of this.#entries.values()) {
      if (entry.shownFirst !== number) waiting.push(entry.ticket);
    }
    return {
      lane: this.#lane,
      maxBatchRows: this.#policy.maxBatchRows,
      waiting,
      waitingRows: this.#rows,
    };
  }

  #canFormPreferred(): boolean {
    const [least = Number.POSITIVE_INFINITY] = this.#policy.preferredBatchRows;
    if (this.#rows < least) return false;
    let rows = 0;
    return this.#lead().some((entry) => {
      rows += entry.rows;
      return this.#preferredRows.has(rows);
    });
  }

  /** How many of the leading requests the next batch takes. */
  #fitting(leading: readonly Entry<T>[], mostRows: number, nowMs: number): number {
    let rows = 0;
    let fitting = 0;
    let fittingPreferred = 0;
    for (const entry of leading) {
      rows += entry.rows;
      if (rows > mostRows && fitting > 0) break;
      fitting++;
      if (this.#preferredRows.has(rows)) fittingPreferred = fitting;
    }
    return fittingPreferred === 0 || this.#isDelayOver(nowMs) ? fitting : fittingPreferred;
  }

  #isDelayOver(nowMs: number): boolean {
    return this.#policy.maxQueueDelayMicros > 0 && this.#delayOverMs() <= nowMs;
  }

  #delayOverMs(): number {
    return this.#oldestMs() + this.#policy.maxQueueDelayMicros / 1000;
  }
}
