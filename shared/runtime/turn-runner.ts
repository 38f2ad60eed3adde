import { OfframpError } from '../errors.ts';
import type { LoadingRunner, Provider, RunOutput, SegmentGraph, WarmRun } from './runner.ts';
import type { Sessions, SessionsInit } from './sessions.ts';

export interface TurnRunnerOptions extends Omit<SessionsInit, 'warmUpRows'> {
  /** Runs that may wait for the one before them; beyond it `run` refuses with BUSY. */
  readonly maxQueuedRuns: number;
}

/** How a {@link TurnRunner} goes about it. */
export interface Turns extends Pick<TurnRunnerOptions, 'maxQueuedRuns'> {
  /** Lets the event loop have a turn. */
  readonly pause: () => Promise<unknown>;
}

/** Runs segments one after the other in the calling thread, which does nothing else meanwhile. */
export class TurnRunner implements LoadingRunner {
  readonly parallel = 1;
  readonly #sessions: Sessions;
  readonly #turns: Turns;
  #last: Promise<unknown> = Promise.resolve();
  #runs = 0;
  #closing: Promise<void> | undefined;

  constructor(sessions: Sessions, turns: Turns) {
    this.#sessions = sessions;
    this.#turns = turns;
  }

  get provider(): Provider {
    return this.#sessions.provider;
  }

  get warmRuns(): readonly WarmRun[] {
    return this.#sessions.warmRuns;
  }

  async run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    this.#checkRunning();
    if (this.#runs > this.#turns.maxQueuedRuns) {
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
    const done = (isFirst ? work() : this.#last.then(() => this.#turns.pause()).then(work)).finally(() => {
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
