import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
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

export interface EngineOptions {
  readonly runner: Runner;
  readonly clock: Clock;
  readonly limits: BatchingBounds;
  readonly scheduler: Scheduler;
  readonly policyOf: (served: ServedBundle) => BatchingPolicy;
  readonly observer: EngineObserver;
}

interface Pending {
  readonly lane: Lane;
  readonly work: TensorWork;
}

/** More than bundles have cuts; a lane is known before it is used. */
const maxLanes = 1024;
const firstGuessMicrosPerRow = 1000;
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
  #runningBatches = 0;
  #runningRows = 0;
  #cancelTimer = () => {};
  #microsPerRow = firstGuessMicrosPerRow;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { maxQueuedRows } = options.limits;
    this.#batcher = new Batcher({ maxQueuedRows, maxLanes }, (name) => this.#policyOf(name));
  }

  get load(): { queuedRows: number; runningRows: number } {
    return { queuedRows: this.#batcher.queuedRows, runningRows: this.#runningRows };
  }

  get idle(): boolean {
    return this.#runningBatches === 0 && this.#batcher.queuedRows === 0;
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
      item: { lane, work },
    };
    this.#batcher.offer(ticket, this.#drainMs(), this.#expire);
    this.#lanes.enter(lane);
    this.#dispatch();
    return () => {
      if (this.#batcher.cancel(ticket)) this.#lanes.leave(lane);
    };
  }

  /** Makes a bundle known with what its graphs took while they were warmed up, so that the first decisions need not guess. */
  introduce(served: ServedBundle, warmRuns: readonly WarmRun[]): void {
    this.#lanes.introduce(served, warmRuns);
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

  /** Time the queue needs to empty, as far as the last batches tell. */
  #drainMs(): number {
    const rows = this.#batcher.queuedRows + this.#runningRows;
    return Math.max(1, (rows * this.#microsPerRow) / 1000 / this.#options.runner.parallel);
  }

  #dispatch(): void {
    const { runner, scheduler, clock } = this.#options;
    if (runner.parallel === 0) this.#giveUp();
    while (this.#runningBatches < runner.parallel && this.#batcher.queuedRows > 0) {
      const now = clock.now();
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
    this.#runningBatches++;
    this.#runningRows += batch.rows;
    void this.#run(batch, exit);
  }

  /** For lanes that wait for more requests. With every thread taken the next batch's end asks anyway. */
  #setTimer(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    const { runner, clock } = this.#options;
    if (this.#runningBatches >= runner.parallel) return;
    const now = clock.now();
    const readyMs = this.#batcher.nextReadyMs(now);
    if (readyMs === undefined) return;
    this.#cancelTimer = clock.schedule(readyMs - now, () => this.#dispatch());
  }

  /** Before the finished batch is answered: the thread works on while this one writes frames. */
  #release(batch: Batch<Pending>): void {
    this.#runningBatches--;
    this.#runningRows -= batch.rows;
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

  async #run(batch: Batch<Pending>, deepestExit: number): Promise<void> {
    const startedAtMs = this.#options.clock.now();
    try {
      const flight = await this.#fly(batch, deepestExit).finally(() => this.#release(batch));
      this.#note(batch, flight);
      this.#reply(batch, flight, startedAtMs);
    } catch (thrown) {
      this.#failAll(batch, OfframpError.from(thrown, 'RUNTIME_FAILED'));
    }
  }

  async #fly(batch: Batch<Pending>, deepestExit: number): Promise<Flight> {
    const { runner, clock } = this.#options;
    const { served, cut, way } = laneOf(batch);
    const tensor = joined(batch.tickets, batch.rows * rowElements(served, cut));
    const flight = new Flight({ served, cut, way, deepestExit, tensor, rows: batch.rows });
    const startedAtMs = clock.now();
    let exit = cut;
    for (let leg = flight.next(); leg !== undefined; leg = flight.next()) {
      flight.pass(await runner.run(leg.key, leg.tensor, leg.rows));
      this.#lanes.durations.observe(batch.lane, exit++, batch.rows, clock.now() - startedAtMs);
    }
    // Where every row had left before, the deeper exits cost nothing more.
    for (; exit <= deepestExit; exit++) {
      this.#lanes.durations.observe(batch.lane, exit, batch.rows, clock.now() - startedAtMs);
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

/** Every ticket of a batch is of one lane, so the first speaks for all. */
function laneOf(batch: Batch<Pending>): Lane {
  const [first] = batch.tickets;
  if (first === undefined) throw new OfframpError('INTERNAL', 'A batch without requests');
  return first.item.lane;
}

/** The tensors of all tickets, one behind the other; that of a single one as it is, for nobody else has it. */
function joined(tickets: readonly Ticket<Pending>[], size: number): Uint8Array<ArrayBuffer> {
  const [only, ...more] = tickets;
  if (only !== undefined && more.length === 0) return only.item.work.tensor;
  const tensor = new Uint8Array(size);
  let at = 0;
  for (const { item } of tickets) {
    tensor.set(item.work.tensor, at);
    at += item.work.tensor.length;
  }
  return tensor;
}
