import { setImmediate } from 'node:timers/promises';
import { OfframpError } from '../../errors.ts';
import type { LoadingRunner, Provider, RunOutput, SegmentGraph, WarmRun } from '../runner.ts';
import { Sessions, type SessionsInit } from './sessions.ts';

export interface InlineRunnerOptions extends Omit<SessionsInit, 'warmUpRows'> {
  /** Runs that may wait for the one before them; beyond it `run` refuses with BUSY. */
  readonly maxQueuedRuns: number;
}

/**
 * Runs segments in the calling thread, which does nothing else meanwhile. The way to another thread and back takes some hundred
 * microseconds: for segments of less than a millisecond this is the quicker way, for longer ones it holds up sockets and timers.
 */
export class InlineRunner implements LoadingRunner {
  readonly parallel = 1;
  readonly #sessions: Sessions;
  readonly #maxQueuedRuns: number;
  #last: Promise<unknown> = Promise.resolve();
  #runs = 0;
  #closing: Promise<void> | undefined;

  private constructor(sessions: Sessions, maxQueuedRuns: number) {
    this.#sessions = sessions;
    this.#maxQueuedRuns = maxQueuedRuns;
  }

  /** @throws OfframpError as {@link Sessions.open}. */
  static async start({ maxQueuedRuns, ...init }: InlineRunnerOptions): Promise<InlineRunner> {
    return new InlineRunner(await Sessions.open({ ...init, warmUpRows: [1] }), maxQueuedRuns);
  }

  get provider(): Provider {
    return this.#sessions.provider;
  }

  get warmRuns(): readonly WarmRun[] {
    return this.#sessions.warmRuns;
  }

  async run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    this.#checkRunning();
    if (this.#runs > this.#maxQueuedRuns) {
      throw new OfframpError('BUSY', `${this.#runs - 1} runs already wait for the one that computes`);
    }
    try {
      return await this.#inTurn(() => this.#sessions.run(key, input, rows));
    } catch (thrown) {
      throw OfframpError.from(thrown, 'RUNTIME_FAILED');
    }
  }

  load(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    return this.#inTurn(() => this.#sessions.load(graphs));
  }

  unload(keys: readonly string[]): Promise<void> {
    return this.#inTurn(() => this.#sessions.unload(keys));
  }

  async close(): Promise<void> {
    this.#closing ??= this.#last.then(() => this.#sessions.release());
    await this.#closing;
  }

  /** What comes together gets a turn of the event loop each, so that sockets are held up by one run and not by all. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const isFirst = this.#runs++ === 0;
    const done = (isFirst ? work() : this.#last.then(() => setImmediate()).then(work)).finally(() => {
      this.#runs--;
    });
    this.#last = done.catch(() => {});
    return done;
  }

  #checkRunning(): void {
    if (this.#closing === undefined) return;
    throw new OfframpError('RUNTIME_STOPPED', 'The sessions have been freed');
  }
}
