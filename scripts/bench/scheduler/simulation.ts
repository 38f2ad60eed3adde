import {
  type Batch,
  Batcher,
  type Choice,
  parseBatchingPolicy,
  type Scheduler,
  type Ticket,
} from '../../../cloud/batching/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

/** A server to serve a workload on a virtual clock. */
export interface Trial {
  /** Names of the lanes, one for each stream of the workload, in its order. */
  readonly lanes: readonly string[];
  readonly service: Service;
  readonly scheduler: Scheduler;
  /** Milliseconds that every request has from its arrival on. */
  readonly budgetMs: number;
  readonly maxBatchRows: number;
  /** Batches that run at the same time. */
  readonly executors: number;
}

/** What became of each request, [requests]. */
export interface Outcome {
  /** When it was answered or given up. */
  readonly endMs: Float64Array;
  /** The exit that answered, -1 where it was given up. */
  readonly exit: Int8Array;
  readonly batches: number;
}

/** Serves a workload to its end. The trial and the workload fix the outcome for good. */
export function simulate(workload: Workload, trial: Trial): Outcome {
  return new Simulation(workload, trial).run();
}

interface Run {
  readonly batch: Batch<number>;
  readonly stream: number;
  readonly exit: number;
  readonly endMs: number;
}

/**
 * The engine's loop with events in place of threads: an idle executor asks the scheduler, takes the batch from the batcher, is taken
 * until its end, and then all of it is answered.
 */
class Simulation {
  readonly #workload: Workload;
  readonly #trial: Trial;
  readonly #batcher: Batcher<number>;
  readonly #streams: ReadonlyMap<string, number>;
  readonly #running: Run[] = [];
  readonly #endMs: Float64Array;
  readonly #exit: Int8Array;
  #nowMs = 0;
  #batches = 0;

  constructor(workload: Workload, trial: Trial) {
    const requests = workload.atMs.length;
    const bounds = { maxBatchRows: trial.maxBatchRows, maxQueuedRows: Math.max(1, requests) };
    const policy = parseBatchingPolicy({}, 'bench', bounds);
    this.#workload = workload;
    this.#trial = trial;
    this.#batcher = new Batcher({ ...bounds, maxLanes: trial.lanes.length }, () => policy);
    this.#streams = new Map(trial.lanes.map((lane, stream) => [lane, stream]));
    this.#endMs = new Float64Array(requests).fill(Number.NaN);
    this.#exit = new Int8Array(requests).fill(-1);
  }

  run(): Outcome {
    const { atMs } = this.#workload;
    for (let next = 0; ; ) {
      const arrivalMs = atMs[next] ?? Number.POSITIVE_INFINITY;
      const ending = this.#firstToEnd();
      if (ending === undefined && arrivalMs === Number.POSITIVE_INFINITY) break;
      if (ending === undefined || arrivalMs < ending.endMs) this.#arrive(next++, arrivalMs);
      else this.#finish(ending);
      this.#dispatch();
    }
    this.#checkAllEnded();
    return { endMs: this.#endMs, exit: this.#exit, batches: this.#batches };
  }

  #firstToEnd(): Run | undefined {
    let first = this.#running[0];
    for (const run of this.#running) if (first !== undefined && run.endMs < first.endMs) first = run;
    return first;
  }

  #arrive(request: number, nowMs: number): void {
    this.#nowMs = nowMs;
    const ticket: Ticket<number> = {
      lane: this.#trial.lanes[this.#workload.stream[request] ?? -1] ?? '',
      client: 'bench',
      priority: 1,
      rows: 1,
      queuedAtMs: nowMs,
      deadlineMs: nowMs + this.#trial.budgetMs,
      item: request,
    };
    this.#batcher.offer(ticket, 1, this.#giveUp);
  }

  #finish(run: Run): void {
    this.#nowMs = run.endMs;
    this.#running.splice(this.#running.indexOf(run), 1);
    for (const { item } of run.batch.tickets) {
      this.#end(item, this.#trial.service.exitOf(run.stream, run.exit, this.#workload.kind[item] ?? 0));
    }
  }

  #dispatch(): void {
    const { scheduler, service, executors } = this.#trial;
    while (this.#running.length < executors && this.#batcher.queuedRows > 0) {
      const waitingRows = this.#batcher.queuedRows;
      const lanes = this.#batcher.lanes(this.#nowMs, this.#giveUp);
      const choice = scheduler.choose(lanes, service.costs, this.#nowMs);
      if (choice !== undefined) this.#start(choice);
      // A choice may give requests up and leave nothing to run; then the others have their turn.
      if (this.#batcher.queuedRows === waitingRows) return;
    }
  }

  #start({ lane, exit, rows, giveUpUntilMs }: Choice): void {
    const batch = this.#batcher.take(lane, rows, this.#nowMs, this.#giveUp, giveUpUntilMs);
    const first = batch?.tickets[0];
    if (batch === undefined || first === undefined) return;
    const { kind, luck } = this.#workload;
    const stream = this.#streams.get(lane) ?? -1;
    const kinds = batch.tickets.map(({ item }) => kind[item] ?? 0);
    const ms = this.#trial.service.durationMs(stream, exit, kinds, luck[first.item] ?? 0);
    this.#running.push({ batch, stream, exit, endMs: this.#nowMs + ms });
    this.#batches++;
  }

  readonly #giveUp = ({ item }: Ticket<number>): void => this.#end(item, -1);

  #end(request: number, exit: number): void {
    if (!Number.isNaN(this.#endMs[request])) {
      throw new OfframpError('INTERNAL', `Request ${request} of the simulation ended twice`);
    }
    this.#endMs[request] = this.#nowMs;
    this.#exit[request] = exit;
  }

  #checkAllEnded(): void {
    const lost = this.#endMs.findIndex(Number.isNaN);
    if (lost === -1) return;
    throw new OfframpError('INTERNAL', `Request ${lost} of the simulation never ended`);
  }
}
