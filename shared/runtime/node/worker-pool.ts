import { OfframpError } from '../../errors.ts';
import type { LoadingRunner, Provider, RunOutput, SegmentGraph, WarmRun } from '../runner.ts';
import { WorkerThread } from './worker-thread.ts';

export interface WorkerPoolOptions {
  readonly graphs: readonly SegmentGraph[];
  /** Threads with sessions of their own; webgpu always gets one, see below. */
  readonly workers: number;
  /** Threads inside each session. */
  readonly threadsPerWorker: number;
  /** Tried in this order; what was got is `provider`. */
  readonly providers: readonly Provider[];
  /** Batch sizes that every graph runs at before the pool is ready; none when absent. */
  readonly warmUpRows?: readonly number[];
  /** Runs that may wait while all workers are taken; beyond it `run` refuses with BUSY. */
  readonly maxQueuedRuns: number;
  /** Called when a thread dies by itself. The pool goes on with the others. */
  readonly onWorkerDeath?: (error: OfframpError) => void;
}

/** One that it computes, and one behind it. */
const runsPerThread = 2;

interface Waiting {
  readonly key: string;
  readonly input: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly resolve: (output: RunOutput) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A bounded pool of inference threads, first come first served. A thread is given its next run while it computes, so that it has not
 * to wait for the thread that asks.
 */
export class WorkerPool implements LoadingRunner {
  readonly provider: Provider;
  /** What the graphs' runs took at start, of one thread. */
  readonly warmRuns: readonly WarmRun[];
  readonly #threads: Set<WorkerThread>;
  readonly #idle: WorkerThread[];
  /** Threads with room for a run behind the one they compute; first those that have computed longest. */
  readonly #roomy = new Set<WorkerThread>();
  /** Runs that each thread has. */
  readonly #runs = new Map<WorkerThread, number>();
  /** Threads that get no runs for now. */
  readonly #reserved = new Set<WorkerThread>();
  readonly #waiting: Waiting[] = [];
  readonly #maxQueuedRuns: number;
  #closing: Promise<unknown> | undefined;
  #loading: Promise<unknown> = Promise.resolve();

  private constructor(first: WorkerThread, others: readonly WorkerThread[], maxQueuedRuns: number) {
    this.#threads = new Set([first, ...others]);
    this.#idle = [...this.#threads];
    this.provider = first.provider;
    this.warmRuns = first.warmRuns;
    this.#maxQueuedRuns = maxQueuedRuns;
  }

  /** @throws OfframpError PROVIDER_UNAVAILABLE, BUNDLE_GRAPH_MISMATCH, RUNTIME_FAILED. */
  static async start(options: WorkerPoolOptions): Promise<WorkerPool> {
    const { graphs, threadsPerWorker: threads, providers, warmUpRows = [] } = options;
    let pool: WorkerPool | undefined;
    const onDeath = (error: OfframpError) => {
      if (pool !== undefined) pool.#forgetDead();
      options.onWorkerDeath?.(error);
    };
    const init = { graphs, threads, warmUpRows };
    const first = await WorkerThread.start({ ...init, providers }, onDeath);
    // Two webgpu sessions in two threads of one process crash it.
    const others = first.provider === 'webgpu' ? 0 : options.workers - 1;
    const rest = await Promise.allSettled(
      Array.from({ length: others }, () =>
        WorkerThread.start({ ...init, providers: [first.provider] }, onDeath),
      ),
    );
    const started = rest.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const failed = rest.find((start) => start.status === 'rejected');
    if (failed !== undefined) {
      await Promise.all([first, ...started].map((thread) => thread.stop()));
      throw failed.reason;
    }
    pool = new WorkerPool(first, started, options.maxQueuedRuns);
    return pool;
  }

  get parallel(): number {
    return this.#threads.size;
  }

  /** Runs waiting for a thread, or for the run before them in theirs. */
  get queued(): number {
    let behind = 0;
    for (const runs of this.#runs.values()) behind += Math.max(0, runs - 1);
    return this.#waiting.length + behind;
  }

  async run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    this.#checkRunning();
    const thread = this.#idle.pop();
    if (thread !== undefined) return this.#runOn(thread, key, input, rows);
    const { queued } = this;
    if (queued >= this.#maxQueuedRuns) {
      throw new OfframpError('BUSY', `${queued} runs already wait for ${this.parallel} inference threads`);
    }
    for (const roomy of this.#roomy) return this.#runOn(roomy, key, input, rows);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, input, rows, resolve, reject });
    });
  }

  load(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    const loaded = this.#loading.then(() => this.#loadInTurn(graphs));
    this.#loading = loaded.catch(() => {});
    return loaded;
  }

  async unload(keys: readonly string[]): Promise<void> {
    // A thread that has ended holds nothing any more.
    await Promise.allSettled([...this.#threads].map((thread) => thread.unload(keys)));
  }

  async close(): Promise<void> {
    if (this.#closing === undefined) {
      for (const { reject } of this.#waiting.splice(0)) {
        reject(new OfframpError('RUNTIME_STOPPED', 'The inference threads are stopping'));
      }
      this.#closing = Promise.all([...this.#threads].map((thread) => thread.stop()));
    }
    await this.#closing;
  }

  async #loadInTurn(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    this.#checkRunning();
    const done: WorkerThread[] = [];
    let warmRuns: readonly WarmRun[] = [];
    try {
      for (const thread of [...this.#threads]) {
        warmRuns = await this.#loadOn(thread, graphs);
        done.push(thread);
      }
      return warmRuns;
    } catch (thrown) {
      const keys = graphs.map(({ key }) => key);
      await Promise.allSettled(done.map((thread) => thread.unload(keys)));
      throw thrown;
    }
  }

  /** The thread gets no runs meanwhile, so that they go to the others. */
  async #loadOn(thread: WorkerThread, graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    this.#withhold(thread);
    this.#reserved.add(thread);
    try {
      return await thread.load(graphs);
    } finally {
      this.#reserved.delete(thread);
      this.#offer(thread);
    }
  }

  #checkRunning(): void {
    if (this.#closing === undefined && this.#threads.size > 0) return;
    throw new OfframpError('RUNTIME_STOPPED', 'The inference threads have stopped');
  }

  async #runOn(
    thread: WorkerThread,
    key: string,
    input: Uint8Array<ArrayBuffer>,
    rows: number,
  ): Promise<RunOutput> {
    this.#withhold(thread);
    const runs = (this.#runs.get(thread) ?? 0) + 1;
    this.#runs.set(thread, runs);
    if (runs < runsPerThread) this.#roomy.add(thread);
    try {
      return await thread.run(key, input, rows);
    } finally {
      if (this.#threads.has(thread)) this.#runs.set(thread, (this.#runs.get(thread) ?? 1) - 1);
      this.#offer(thread);
    }
  }

  /** Gives the thread what waits, as far as it has room, and has it stand ready for what comes. */
  #offer(thread: WorkerThread): void {
    if (!this.#threads.has(thread) || this.#reserved.has(thread)) return;
    this.#withhold(thread);
    const runs = this.#runs.get(thread) ?? 0;
    if (runs >= runsPerThread) return;
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#runOn(thread, next.key, next.input, next.rows).then(next.resolve, next.reject);
      this.#offer(thread);
    } else if (runs === 0) this.#idle.push(thread);
    else this.#roomy.add(thread);
  }

  #withhold(thread: WorkerThread): void {
    this.#roomy.delete(thread);
    const place = this.#idle.indexOf(thread);
    if (place !== -1) this.#idle.splice(place, 1);
  }

  #forgetDead(): void {
    for (const thread of this.#threads) {
      if (thread.alive) continue;
      this.#threads.delete(thread);
      this.#runs.delete(thread);
      this.#withhold(thread);
    }
    if (this.#threads.size > 0) return;
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new OfframpError('RUNTIME_FAILED', 'Every inference thread has ended'));
    }
  }
}
