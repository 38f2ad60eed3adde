import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import { decideExit } from '../shared/exits/index.ts';
import type { InferResult } from '../shared/protocol/index.ts';
import { type Runner, segmentKey } from '../shared/runtime/index.ts';
import { type Batch, Batcher, type BatcherLimits, type Ticket } from './batcher.ts';
import { decodeRows, rowElements, type ServedBundle } from './served-bundle.ts';

/** A request as a session hands it over. Exactly one of the two callbacks is called, once. */
export interface Work {
  readonly served: ServedBundle;
  readonly cut: number;
  /** Channels of the codes that the rows have; all when absent. */
  readonly channels?: number;
  readonly rows: readonly Uint8Array[];
  readonly budgetMs: number;
  readonly onResult: (result: Omit<InferResult, 'id'>) => void;
  readonly onError: (error: OfframpError) => void;
}

/** What the engine tells whoever counts. */
export interface EngineObserver {
  onBatch(bundle: string, cut: number, rows: number, runSeconds: number): void;
  onRow(bundle: string, exit: number): void;
  onQueued(seconds: number): void;
}

interface Pending {
  readonly work: Work;
  readonly tensor: Uint8Array<ArrayBuffer>;
}

/** The rows of one batch on their way through the segments. */
interface Flight {
  readonly served: ServedBundle;
  /** Position in the batch of each row still under way. */
  rows: number[];
  /** Input of the next segment for these rows, in the same order. */
  tensor: Uint8Array<ArrayBuffer>;
  readonly exits: number[];
  readonly logits: Float32Array;
  runMicros: number;
}

const firstGuessMicrosPerRow = 1000;
/** Weight of the newest batch in the running mean of time per row. */
const rowTimeWeight = 0.1;

/**
 * Batches rows of any connection, runs them through the segments with the exits on the way, and gives each request its own
 * rows back. Computes nothing itself: the runner's threads do.
 */
export class Engine {
  readonly #runner: Runner;
  readonly #clock: Clock;
  readonly #observer: EngineObserver;
  readonly #batcher: Batcher<Pending>;
  #runningBatches = 0;
  #runningRows = 0;
  #microsPerRow = firstGuessMicrosPerRow;

  constructor(runner: Runner, clock: Clock, limits: BatcherLimits, observer: EngineObserver) {
    this.#runner = runner;
    this.#clock = clock;
    this.#observer = observer;
    this.#batcher = new Batcher(limits);
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
  submit(work: Work): () => void {
    if (work.budgetMs <= 0) {
      throw new OfframpError('BUDGET_SPENT', 'The request arrived with no budget left');
    }
    const now = this.#clock.now();
    const ticket: Ticket<Pending> = {
      lane: `${work.served.id}@${work.cut}`,
      rows: work.rows.length,
      queuedAtMs: now,
      deadlineMs: now + work.budgetMs,
      item: { work, tensor: decodeRows(work.served, work.cut, work.rows, work.channels) },
    };
    this.#batcher.offer(ticket, this.#drainMs());
    this.#dispatch();
    return () => this.#batcher.cancel(ticket);
  }

  /** Time the queue needs to empty, as far as the last batches tell. */
  #drainMs(): number {
    const rows = this.#batcher.queuedRows + this.#runningRows;
    return Math.max(1, (rows * this.#microsPerRow) / 1000 / this.#runner.parallel);
  }

  #dispatch(): void {
    if (this.#runner.parallel === 0) this.#giveUp();
    while (this.#runningBatches < this.#runner.parallel) {
      const batch = this.#batcher.next(this.#clock.now(), (ticket) => this.#expire(ticket));
      if (batch === undefined) return;
      this.#runningBatches++;
      this.#runningRows += batch.rows;
      void this.#run(batch);
    }
  }

  /** Before the finished batch is answered: the thread works on while this one writes frames. */
  #release(batch: Batch<Pending>): void {
    this.#runningBatches--;
    this.#runningRows -= batch.rows;
    this.#dispatch();
  }

  /** Without a thread nothing that waits will ever run. */
  #giveUp(): void {
    const next = () => this.#batcher.next(this.#clock.now(), (ticket) => this.#expire(ticket));
    for (let batch = next(); batch !== undefined; batch = next()) {
      for (const { item } of batch.tickets) item.work.onError(threadsGone());
    }
  }

  #expire(ticket: Ticket<Pending>): void {
    const waitedMs = Math.round(this.#clock.now() - ticket.queuedAtMs);
    ticket.item.work.onError(
      new OfframpError('BUDGET_SPENT', `The budget ran out after ${waitedMs} ms in the queue`),
    );
  }

  async #run(batch: Batch<Pending>): Promise<void> {
    const startedAtMs = this.#clock.now();
    try {
      const flight = await this.#fly(batch).finally(() => this.#release(batch));
      this.#observer.onBatch(flight.served.id, cutOf(batch), batch.rows, flight.runMicros / 1e6);
      this.#microsPerRow += rowTimeWeight * (flight.runMicros / batch.rows - this.#microsPerRow);
      this.#reply(batch, flight, startedAtMs);
    } catch (thrown) {
      const error = OfframpError.from(thrown, 'RUNTIME_FAILED');
      for (const { item } of batch.tickets) item.work.onError(error);
    }
  }

  async #fly(batch: Batch<Pending>): Promise<Flight> {
    const flight = board(batch);
    const { served } = flight;
    for (let segment = cutOf(batch); flight.rows.length > 0; segment++) {
      const { outputs, runMicros } = await this.#runner.run(
        segmentKey(served.id, segment),
        flight.tensor,
        flight.rows.length,
      );
      flight.runMicros += runMicros;
      const [logits, codes] = outputs;
      if (!(logits instanceof Float32Array))
        throw new OfframpError('RUNTIME_FAILED', `s${segment} gave no logits`);
      leave(flight, segment, logits, codes instanceof Uint8Array ? codes : undefined);
    }
    return flight;
  }

  #reply(batch: Batch<Pending>, flight: Flight, startedAtMs: number): void {
    const { classes, id } = flight.served;
    let row = 0;
    for (const ticket of batch.tickets) {
      const end = row + ticket.rows;
      const queuedMs = startedAtMs - ticket.queuedAtMs;
      this.#observer.onQueued(queuedMs / 1000);
      const exits = flight.exits.slice(row, end);
      for (const exit of exits) this.#observer.onRow(id, exit);
      ticket.item.work.onResult({
        exits,
        logits: flight.logits.subarray(row * classes, end * classes),
        queueMicros: queuedMs * 1000,
        runMicros: flight.runMicros,
        batchRows: batch.rows,
        queuedRows: this.#batcher.queuedRows,
      });
      row = end;
    }
  }
}

function threadsGone(): OfframpError {
  return new OfframpError('RUNTIME_STOPPED', 'Every inference thread has ended');
}

/** Every ticket of a lane has the same bundle and cut, so the first speaks for all. */
function firstWork(batch: Batch<Pending>): Work {
  const first = batch.tickets[0];
  if (first === undefined) throw new OfframpError('INTERNAL', 'A batch without requests');
  return first.item.work;
}

function cutOf(batch: Batch<Pending>): number {
  return firstWork(batch).cut;
}

function board(batch: Batch<Pending>): Flight {
  const { served, cut } = firstWork(batch);
  return {
    served,
    rows: Array.from({ length: batch.rows }, (_, row) => row),
    tensor: joined(batch.tickets, batch.rows * rowElements(served, cut)),
    exits: new Array<number>(batch.rows).fill(0),
    logits: new Float32Array(batch.rows * served.classes),
    runMicros: 0,
  };
}

/** The tensors of all tickets, one behind the other; that of a single one as it is, for nobody else has it. */
function joined(tickets: readonly Ticket<Pending>[], size: number): Uint8Array<ArrayBuffer> {
  const [only, ...more] = tickets;
  if (only !== undefined && more.length === 0) return only.item.tensor;
  const tensor = new Uint8Array(size);
  let at = 0;
  for (const { item } of tickets) {
    tensor.set(item.tensor, at);
    at += item.tensor.length;
  }
  return tensor;
}

/** Lets the confident rows go by this exit and packs the codes of the others together for the next segment. */
function leave(flight: Flight, exit: number, logits: Float32Array, codes: Uint8Array | undefined): void {
  const { classes, bundle } = flight.served;
  const rule = bundle.exit(exit);
  const staying: number[] = [];
  const positions: number[] = [];
  for (const [position, row] of flight.rows.entries()) {
    const own = logits.subarray(position * classes, (position + 1) * classes);
    if (codes === undefined || decideExit({ ...rule, logits: own }).confident) {
      flight.exits[row] = exit;
      flight.logits.set(own, row * classes);
    } else {
      staying.push(row);
      positions.push(position);
    }
  }
  flight.tensor = codes === undefined ? new Uint8Array(0) : pickRows(codes, flight.rows.length, positions);
  flight.rows = staying;
}

function pickRows(tensor: Uint8Array, rows: number, positions: readonly number[]): Uint8Array<ArrayBuffer> {
  const size = tensor.length / rows;
  const picked = new Uint8Array(positions.length * size);
  for (const [index, position] of positions.entries()) {
    picked.set(tensor.subarray(position * size, (position + 1) * size), index * size);
  }
  return picked;
}
