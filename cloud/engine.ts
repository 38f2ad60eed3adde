import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import type { BundleRun } from '../shared/protocol/index.ts';
import type { Runner, WarmRun } from '../shared/runtime/index.ts';
import {
  type Batch,
  Batcher,
  type BatchingBounds,
  type BatchingPolicy,
  type Choice,
  priorityLevel,
  type Scheduler,
  type Ticket,
} from './batching/index.ts';
import { Flight, type Landed, type Way } from './flight.ts';
import { type Lane, Lanes } from './lanes.ts';
import { joined, laneOf, type Pending } from './pending.ts';
import { type RunningBatch, RunningBatches } from './running-batches.ts';
import { decodeRows, rowElements, type ServedBundle } from './served-bundle.ts';
import type { TensorResult, TensorWork, Work } from './work.ts';

/** What the engine tells whoever counts. */
export interface EngineObserver {
  onBatch(bundle: string, cut: number, rows: number, runSeconds: number, way: Way): void;
  onRow(bundle: string, exit: number): void;
  /** Rows that left by an exit that was not sure of them. */
  onDepthCut(bundle: string, rows: number): void;
  onQueued(seconds: number): void;
}

/** A lane as it is at one moment. */
export interface LaneState {
  readonly served: ServedBundle;
  readonly cut: number;
  readonly way: Way;
  readonly waitingRows: number;
  readonly waitingRequests: number;
  /** How long the oldest of them has waited. */
  readonly oldestWaitMs: number;
  /** Requests that wait or run. */
  readonly underWay: number;
  /** Rows that wait by priority, 1 first. */
  readonly priorities: readonly { readonly priority: number; readonly rows: number }[];
}

export interface EngineOptions {
  readonly runner: Runner;
  readonly clock: Clock;
  readonly limits: BatchingBounds;
  readonly scheduler: Scheduler;
  readonly policyOf: (served: ServedBundle) => BatchingPolicy;
  readonly observer: EngineObserver;
}

/** More than bundles have cuts; a lane is known before it is used. */
const maxLanes = 1024;
const firstGuessMicrosPerRow = 1000;
/** Share of a budget that waiting may not use up: the batch itself and the way back come after it. */
const hopelessReserve = 0.25;
/** Weight of the newest batch in the running mean of time per row. */
const rowTimeWeight = 0.1;

/**
 * Batches rows of any connection, runs them through the segments with the exits on the way, and gives each request its own
 * rows back. Computes nothing itself: the runner's threads do.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #batcher: Batcher<Pending>;
  readonly #lanes = new Lanes();
  readonly #running: RunningBatches;
  #cancelTimer = () => {};
  #microsPerRow = firstGuessMicrosPerRow;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { maxQueuedRows } = options.limits;
    this.#running = new RunningBatches(options.runner);
    this.#batcher = new Batcher({ maxQueuedRows, maxLanes }, (name) => this.#policyOf(name));
  }

  get load(): { queuedRows: number; runningRows: number } {
    return { queuedRows: this.#batcher.queuedRows, runningRows: this.#running.rows };
  }

  get idle(): boolean {
    return this.#running.size === 0 && this.#batcher.queuedRows === 0;
  }

  /**
   * Takes a request; returns what to call when its caller has gone before the answer.
   * @throws OfframpError CUT_UNSUPPORTED, RATE_UNSUPPORTED, CODES_CORRUPT, TENSOR_INVALID, BUSY, BUDGET_SPENT: nothing was
   * queued.
   */
  submit({ rows, channels, ...work }: Work): () => void {
    checkBudget(work.budgetMs);
    const tensor = decodeRows(work.served, work.cut, rows, channels);
    return this.submitTensor({ ...work, way: 'cascade', tensor, rows: rows.length });
  }

  /** As {@link submit}, for rows that need no decoding. */
  submitTensor(work: TensorWork): () => void {
    checkBudget(work.budgetMs);
    checkSize(work);
    const now = this.#options.clock.now();
    const lane = this.#lanes.of(work);
    const ticket: Ticket<Pending> = {
      lane: lane.name,
      client: work.client,
      priority: priorityLevel(this.#options.policyOf(work.served), work.priority ?? 0),
      rows: work.rows,
      queuedAtMs: now,
      deadlineMs: now + work.budgetMs,
      ...(work.timeoutMicros !== undefined && { timeoutMicros: work.timeoutMicros }),
      item: { lane, work },
    };
    this.#refuseHopeless(ticket);
    this.#batcher.offer(ticket, this.#drainMs(), this.#expire);
    this.#lanes.enter(lane);
    this.#dispatch();
    return () => {
      if (!this.#batcher.cancel(ticket)) return;
      this.#lanes.leave(lane);
      if (this.#batcher.queuedRows === 0) this.#cancelTimer();
    };
  }

  /** Makes a bundle known with what its graphs took while they were warmed up, so that the first decisions need not guess. */
  introduce(served: ServedBundle, warmRuns: readonly WarmRun[]): void {
    this.#lanes.introduce(served, warmRuns);
  }

  /** What batches of a bundle take, as far as it was measured, for every cut and exit behind it. */
  runsOf(served: ServedBundle): BundleRun[] {
    return this.#lanes.runsOf(served);
  }

  /** Every lane as it is now, those too in which nothing waits; O(requests). */
  laneStates(): LaneState[] {
    const now = this.#options.clock.now();
    const waiting = new Map(this.#batcher.waiting().map((one) => [one.lane, one]));
    return [...this.#lanes.all].map(({ name, served, cut, way, requests: underWay }) => {
      const { rows = 0, requests = 0, oldestAtMs = now, priorities = [] } = waiting.get(name) ?? {};
      const oldestWaitMs = Math.max(0, now - oldestAtMs);
      const queue = { waitingRows: rows, waitingRequests: requests, oldestWaitMs, priorities };
      return { served, cut, way, underWay, ...queue };
    });
  }

  /** Resolves once nothing of the bundle waits or runs, and forgets it. Nothing new of it may come. */
  settled(served: ServedBundle): Promise<void> {
    return this.#lanes.settled(served);
  }

  #policyOf(name: string): BatchingPolicy {
    const lane = this.#lanes.byName(name);
    if (lane === undefined) throw new OfframpError('INTERNAL', `No lane '${name}'`);
    return this.#options.policyOf(lane.served);
  }

  /**
   * A caller whose request would wait past its budget, even if all before it went no further than the first exit, can do without
   * the answer sooner when it is told at once. What other lanes have waiting is not counted: it may be less urgent.
   */
  #refuseHopeless(ticket: Ticket<Pending>): void {
    const mostWaitMs = (1 - hopelessReserve) * (ticket.deadlineMs - ticket.queuedAtMs);
    if (!this.#lanes.durations.isMeasured(ticket.lane)) return;
    const rowMs = this.#leastRowMs(ticket.item.lane);
    // Counting the rows before this one is the dearer half, and there can be no more of them than wait in all.
    if (this.#batcher.queuedRowsOf(ticket.lane) * rowMs <= mostWaitMs) return;
    const waitMs = this.#batcher.rowsBefore(ticket) * rowMs;
    if (waitMs <= mostWaitMs) return;
    const message = `A request would wait ${Math.ceil(waitMs)} ms, too long for its budget`;
    throw new OfframpError('BUSY', message, { retryAfterMs: waitMs - mostWaitMs });
  }

  /** What a row takes in a batch of the largest size that goes no further than the first exit. */
  #leastRowMs({ name, served }: Lane): number {
    const { maxBatchRows } = this.#options.policyOf(served);
    const [exit = 0] = this.#lanes.durations.exits(name);
    const batchMs = this.#lanes.durations.meanMs(name, exit, maxBatchRows);
    return batchMs / maxBatchRows / Math.max(1, this.#options.runner.parallel);
  }

  /** Time the queue needs to empty, as far as the last batches tell. */
  #drainMs(): number {
    const rows = this.#batcher.queuedRows + this.#running.rows;
    return Math.max(1, (rows * this.#microsPerRow) / 1000 / this.#options.runner.parallel);
  }

  #dispatch(): void {
    const { runner, scheduler, clock } = this.#options;
    if (runner.parallel === 0) this.#giveUp();
    while (this.#batcher.queuedRows > 0) {
      const now = clock.now();
      if (this.#running.nextStartMs > now) break;
      const choice = scheduler.choose(this.#batcher.lanes(now, this.#expire), this.#lanes.durations, now);
      if (choice === undefined) break;
      const waiting = this.#batcher.queuedRows;
      this.#start(choice, now);
      // A scheduler may have given up all that it was asked for; one that does nothing is not asked for ever.
      if (this.#batcher.queuedRows === waiting) break;
    }
    this.#setTimer();
  }

  #start(choice: Choice, now: number): void {
    const { lane, exit, rows, giveUpUntilMs = now } = choice;
    const batch = this.#batcher.take(lane, rows, now, this.#expire, giveUpUntilMs);
    if (batch === undefined) return;
    const { durations } = this.#lanes;
    // Nothing is handed over ahead on a guess.
    const expectedMs = durations.isMeasured(lane)
      ? durations.meanMs(lane, exit, batch.rows)
      : Number.POSITIVE_INFINITY;
    void this.#run(batch, exit, this.#running.begin(batch.rows, expectedMs, now));
  }

  /** For lanes that wait for more requests, and for the moment at which a batch may be handed over ahead. */
  #setTimer(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    if (this.#batcher.queuedRows === 0) return;
    const { clock } = this.#options;
    const now = clock.now();
    const { nextStartMs } = this.#running;
    const wakeMs = nextStartMs > now ? nextStartMs : this.#batcher.nextReadyMs(now);
    // With everything taken the next batch's end asks anyway.
    if (wakeMs === undefined || wakeMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = clock.schedule(wakeMs - now, () => this.#dispatch());
  }

  /** Before the finished batch is answered: the thread works on while this one writes frames. */
  #release(running: RunningBatch): void {
    this.#running.end(running, this.#options.clock.now());
    this.#dispatch();
  }

  /** Without a thread nothing that waits will ever run. */
  #giveUp(): void {
    const now = this.#options.clock.now();
    for (const lane of this.#lanes.all) {
      for (let batch = this.#next(lane, now); batch !== undefined; batch = this.#next(lane, now)) {
        this.#failAll(batch, new OfframpError('RUNTIME_STOPPED', 'Every inference thread has ended'));
      }
    }
  }

  #next({ name }: Lane, now: number): Batch<Pending> | undefined {
    return this.#batcher.take(name, Number.POSITIVE_INFINITY, now, this.#expire);
  }

  readonly #expire = (ticket: Ticket<Pending>): void => {
    const now = this.#options.clock.now();
    const how = ticket.deadlineMs > now ? 'cannot be kept any more' : 'ran out';
    const waitedMs = Math.round(now - ticket.queuedAtMs);
    const error = new OfframpError('BUDGET_SPENT', `The budget ${how} after ${waitedMs} ms in the queue`);
    this.#lanes.leave(ticket.item.lane);
    ticket.item.work.onError(error);
  };

  async #run(batch: Batch<Pending>, deepestExit: number, running: RunningBatch): Promise<void> {
    try {
      const flight = await this.#fly(batch, deepestExit, running).finally(() => this.#release(running));
      this.#note(batch, flight);
      this.#reply(batch, flight, running.startedAtMs);
    } catch (thrown) {
      this.#failAll(batch, OfframpError.from(thrown, 'RUNTIME_FAILED'));
    }
  }

  async #fly(batch: Batch<Pending>, deepestExit: number, running: RunningBatch): Promise<Flight> {
    const { runner, clock } = this.#options;
    const { served, cut, way } = laneOf(batch);
    const tensor = joined(batch.tickets, batch.rows * rowElements(served, cut));
    const flight = new Flight({ served, cut, way, deepestExit, tensor, rows: batch.rows });
    const tookMs = () => clock.now() - running.startedAtMs;
    let exit = cut;
    for (let leg = flight.next(); leg !== undefined; leg = flight.next()) {
      flight.pass(await runner.run(leg.key, leg.tensor, leg.rows));
      this.#lanes.durations.observe(batch.lane, exit++, batch.rows, tookMs());
    }
    // Where every row had left before, the deeper exits cost nothing more.
    for (; exit <= deepestExit; exit++) {
      this.#lanes.durations.observe(batch.lane, exit, batch.rows, tookMs());
    }
    return flight;
  }

  #note(batch: Batch<Pending>, { plan: { served, cut, way }, runMicros }: Flight): void {
    this.#microsPerRow += rowTimeWeight * (runMicros / batch.rows - this.#microsPerRow);
    this.#options.observer.onBatch(served.id, cut, batch.rows, runMicros / 1e6, way);
  }

  #reply(batch: Batch<Pending>, flight: Flight, startedAtMs: number): void {
    let end = 0;
    for (const ticket of batch.tickets) {
      const from = end;
      end += ticket.rows;
      this.#replyOne(ticket, () => flight.landed(from, from + ticket.rows), {
        queueMicros: (startedAtMs - ticket.queuedAtMs) * 1000,
        runMicros: flight.runMicros,
        batchRows: batch.rows,
        queuedRows: this.#batcher.queuedRows,
      });
    }
  }

  #replyOne(
    { item: { lane, work } }: Ticket<Pending>,
    land: () => Landed,
    times: Omit<TensorResult, keyof Landed>,
  ): void {
    const { observer } = this.#options;
    this.#lanes.leave(lane);
    let landed: Landed;
    try {
      landed = land();
    } catch (thrown) {
      work.onError(OfframpError.from(thrown));
      return;
    }
    observer.onQueued(times.queueMicros / 1e6);
    for (const exit of landed.exits) observer.onRow(lane.served.id, exit);
    if (landed.depthCut !== undefined) observer.onDepthCut(lane.served.id, landed.depthCut.length);
    work.onResult({ ...landed, ...times });
  }

  #failAll(batch: Batch<Pending>, error: OfframpError): void {
    for (const { item } of batch.tickets) {
      this.#lanes.leave(item.lane);
      item.work.onError(error);
    }
  }
}

function checkBudget(budgetMs: number): void {
  if (budgetMs > 0) return;
  throw new OfframpError('BUDGET_SPENT', 'The request arrived with no budget left');
}

function checkSize({ served, cut, rows, tensor }: TensorWork): void {
  const expected = rows * rowElements(served, cut);
  if (tensor.length === expected) return;
  const message = `${rows} rows of ${tensor.length} bytes, ${served.id} takes ${expected} at cut ${cut}`;
  throw new OfframpError('TENSOR_INVALID', message);
}
