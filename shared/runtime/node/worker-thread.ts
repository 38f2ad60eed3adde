import { Worker } from 'node:worker_threads';
import { OfframpError } from '../../errors.ts';
import type { Provider, RunOutput, SegmentGraph, WarmRun } from '../runner.ts';
import type { FromWorker, ToWorker, WorkerInit } from './messages.ts';

type Ready = Extract<FromWorker, { readonly kind: 'ready' }>;
type Done = Extract<FromWorker, { readonly job: number }>;

interface Job {
  resolve(done: Done): void;
  reject(error: OfframpError): void;
}

// Since 1.30 onnxruntime's Linux and macOS builds report usage to their maker and leave files behind; pictures of other people's
// cameras are no place for that. Read once, when the library loads, and only from the environment of the main thread.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

/** How long a thread may take to end after it was told to, before the process is considered stuck. */
const stopDeadlineMs = 10_000;

function spawn(init: WorkerInit): Worker {
  const source = import.meta.url.endsWith('.ts');
  const entry = new URL(source ? './worker.ts' : './worker.js', import.meta.url);
  const file = source ? new URL('./boot.mjs', import.meta.url) : entry;
  // The flags of the process are not the thread's: a loader would be registered twice, --eval would be refused.
  return new Worker(file, { workerData: { entry: entry.href, init }, execArgv: [] });
}

/** One inference thread, seen from the thread that owns sockets. Takes any number of jobs and runs them in order. */
export class WorkerThread {
  readonly provider: Provider;
  /** Of the graphs it was started with. */
  readonly warmRuns: readonly WarmRun[];
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  readonly #ended: Promise<void>;
  #nextJob = 1;
  #stopping = false;
  #alive = true;

  private constructor(worker: Worker, ready: Ready, onDeath: (error: OfframpError) => void) {
    this.#worker = worker;
    this.provider = ready.provider;
    this.warmRuns = ready.warmRuns;
    worker.on('message', (message: FromWorker) => this.#onMessage(message));
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#alive = false;
        const error = new OfframpError('RUNTIME_FAILED', 'An inference thread ended unexpectedly');
        for (const job of this.#jobs.values()) job.reject(error);
        this.#jobs.clear();
        resolve();
        if (!this.#stopping) onDeath(error);
      });
    });
  }

  /** @throws OfframpError PROVIDER_UNAVAILABLE, BUNDLE_GRAPH_MISMATCH, RUNTIME_FAILED. */
  static start(init: WorkerInit, onDeath: (error: OfframpError) => void): Promise<WorkerThread> {
    const worker = spawn(init);
    return new Promise((resolve, reject) => {
      const fail = (thrown: unknown) => reject(OfframpError.from(thrown, 'RUNTIME_FAILED'));
      worker.once('error', fail);
      worker.once('exit', () => fail(new Error('the inference thread ended before it was ready')));
      worker.once('message', (message: FromWorker) => {
        if (message.kind === 'failed') return fail(new OfframpError(message.code, message.message));
        if (message.kind !== 'ready') return fail(new Error(`unexpected message '${message.kind}'`));
        worker.off('error', fail);
        // Without a listener an error in the thread would be thrown in the thread that owns the sockets; 'exit' follows it.
        worker.on('error', () => {});
        resolve(new WorkerThread(worker, message, onDeath));
      });
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  async run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    // postMessage drops a message with an empty input without a word.
    if (input.byteLength === 0) {
      throw new OfframpError('RUNTIME_FAILED', `The input of ${key} is empty, or was given to another run`);
    }
    const done = await this.#ask((job) => ({ kind: 'run', job, key, input, rows }), [input.buffer]);
    if (done.kind !== 'done') throw new OfframpError('INTERNAL', `A run was answered by '${done.kind}'`);
    return { outputs: done.outputs, runMicros: done.runMicros };
  }

  /** Loads graphs and warms them up, all or none, after the jobs it has. */
  async load(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    const done = await this.#ask((job) => ({ kind: 'load', job, graphs }));
    return done.kind === 'loaded' ? done.warmRuns : [];
  }

  /** Frees graphs after the jobs it has. */
  async unload(keys: readonly string[]): Promise<void> {
    await this.#ask((job) => ({ kind: 'unload', job, keys }));
  }

  /** Ends the thread after the jobs it has. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const message: ToWorker = { kind: 'stop' };
    this.#worker.postMessage(message);
    // terminate() or exit() inside a run aborts with a core dump; a thread that does not come back leaves only this.
    const stuck = setTimeout(() => process.kill(process.pid, 'SIGKILL'), stopDeadlineMs);
    await this.#ended;
    clearTimeout(stuck);
  }

  #ask(message: (job: number) => ToWorker, transfer: ArrayBuffer[] = []): Promise<Done> {
    // postMessage drops a message to a thread that has ended without a word.
    if (!this.#alive) {
      return Promise.reject(new OfframpError('RUNTIME_FAILED', 'The inference thread has ended'));
    }
    const job = this.#nextJob++;
    return new Promise((resolve, reject) => {
      this.#jobs.set(job, { resolve, reject });
      this.#worker.postMessage(message(job), transfer);
    });
  }

  #onMessage(message: FromWorker): void {
    if (!('job' in message)) return;
    const job = this.#jobs.get(message.job);
    this.#jobs.delete(message.job);
    if (message.kind !== 'job-failed') job?.resolve(message);
    else if (message.code !== 'RUNTIME_FAILED') job?.reject(new OfframpError(message.code, message.message));
    else job?.reject(new OfframpError('RUNTIME_FAILED', `onnxruntime refused: ${message.message}`));
  }
}
