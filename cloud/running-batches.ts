import type { Runner } from '../shared/runtime/index.ts';

/** A batch that has been handed to the runner. */
export interface RunningBatch {
  readonly rows: number;
  /** When an executor began with it, as far as is known: a batch handed over ahead begins when one before it ends. */
  startedAtMs: number;
  /** Infinity where nothing is known; then the next one waits until it has ended. */
  readonly expectedMs: number;
}

/** Longest and, as a share of the expected duration, largest time by which a batch is handed over ahead. */
const mostLeadMs = 3;
const mostLeadShare = 0.25;

/**
 * The batches of all executors. The next one is handed over shortly before an executor is expected to be free, so that this one
 * need not wait until the thread with the sockets has heard of it; and not sooner, for what comes meanwhile may still join it or be
 * more urgent.
 */
export class RunningBatches {
  readonly #runner: Pick<Runner, 'parallel'>;
  readonly #computing = new Set<RunningBatch>();
  readonly #ahead: RunningBatch[] = [];
  #rows = 0;
  #nextStartMs: number | undefined;

  constructor(runner: Pick<Runner, 'parallel'>) {
    this.#runner = runner;
  }

  get size(): number {
    return this.#computing.size + this.#ahead.length;
  }

  get rows(): number {
    return this.#rows;
  }

  /** From when on another batch may be handed over: -Infinity while an executor is idle, Infinity until one ends. */
  get nextStartMs(): number {
    const { parallel } = this.#runner;
    if (this.#computing.size < parallel) return Number.NEGATIVE_INFINITY;
    this.#nextStartMs ??= this.#leadMs();
    return this.#ahead.length < parallel ? this.#nextStartMs : Number.POSITIVE_INFINITY;
  }

  begin(rows: number, expectedMs: number, nowMs: number): RunningBatch {
    const batch = { rows, expectedMs, startedAtMs: nowMs };
    if (this.#computing.size < this.#runner.parallel) this.#computing.add(batch);
    else this.#ahead.push(batch);
    this.#rows += rows;
    this.#nextStartMs = undefined;
    return batch;
  }

  end(batch: RunningBatch, nowMs: number): void {
    this.#rows -= batch.rows;
    this.#nextStartMs = undefined;
    const place = this.#ahead.indexOf(batch);
    if (place !== -1) {
      this.#ahead.splice(place, 1);
      return;
    }
    this.#computing.delete(batch);
    const next = this.#ahead.shift();
    if (next === undefined) return;
    next.startedAtMs = nowMs;
    this.#computing.add(next);
  }

  #leadMs(): number {
    const starts = [...this.#computing].map(
      ({ startedAtMs, expectedMs }) =>
        startedAtMs + expectedMs - Math.min(mostLeadMs, mostLeadShare * expectedMs),
    );
    starts.sort((one, other) => one - other);
    return starts[this.#ahead.length] ?? Number.POSITIVE_INFINITY;
  }
}
