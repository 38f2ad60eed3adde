import { setImmediate, setTimeout } from 'node:timers/promises';
import { OfframpError } from '../../shared/errors.ts';
import type {
  LoadingRunner,
  RunnerProvider,
  RunOutput,
  SegmentGraph,
  WarmRun,
} from '../../shared/runtime/index.ts';

/** How long a run takes: so many times as long as is usual for its graph here, 1 at least; or a time for each graph, by its key. */
export type Pace = { readonly factor: number } | { readonly graphMs: ReadonlyMap<string, number> };

export interface SlowedRunnerOptions {
  /** Computes; the slowed one closes it. */
  readonly runner: LoadingRunner;
  readonly pace: Pace;
  /** Runs that may wait while all places are taken; beyond it `run` refuses with BUSY. */
  readonly maxQueuedRuns: number;
}

interface Waiting {
  readonly begin: () => void;
  readonly refuse: (error: OfframpError) => void;
}

/** Node's timers count whole milliseconds and are late by up to one more. */
const timerSlackMs = 1.5;

/** Runs of a graph by which the usual one is told. */
const usualRuns = 32;

/**
 * A runner that takes its time, as a smaller device would: a run holds its place until that time is over, so that the next one does not
 * begin sooner. A smaller device is slower, not as many times less steady: a run that takes longer than usual here is not stretched as
 * much. As many proceed at the same time as the runner inside has parallel ones, first come first served.
 * Nothing is computed while a run waits, and nothing is blocked.
 */
export class SlowedRunner implements LoadingRunner {
  /** As they would be at this speed. */
  readonly warmRuns: readonly WarmRun[];
  readonly #runner: LoadingRunner;
  readonly #pace: Pace;
  /** What the last runs of each graph took here, microseconds. */
  readonly #recent = new Map<string, number[]>();
  readonly #maxQueuedRuns: number;
  readonly #waiting: Waiting[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  /** @throws OfframpError CONFIG_INVALID for a factor below 1. */
  constructor({ runner, pace, maxQueuedRuns }: SlowedRunnerOptions) {
    if ('factor' in pace) checkSlowdown(pace.factor);
    this.#runner = runner;
    this.#pace = pace;
    this.#maxQueuedRuns = maxQueuedRuns;
    this.warmRuns = this.#stretched(runner.warmRuns);
  }

  get provider(): RunnerProvider {
    return this.#runner.provider;
  }

  get parallel(): number {
    return this.#runner.parallel;
  }

  get problem(): OfframpError | undefined {
    return this.#runner.problem;
  }

  /** As {@link LoadingRunner.run}; `runMicros` are the stretched ones. What fails, fails at once. */
  async run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    if (this.#closing !== undefined) throw stopped();
    if (this.#hasPlace) return this.#hold(() => this.#runSlowly(key, input, rows));
    const { length: queued } = this.#waiting;
    if (queued >= this.#maxQueuedRuns) {
      throw new OfframpError('BUSY', `${queued} runs already wait for ${this.parallel} that are slowed down`);
    }
    return new Promise((resolve, reject) => {
      const begin = () => this.#hold(() => this.#runSlowly(key, input, rows)).then(resolve, reject);
      this.#waiting.push({ begin, refuse: reject });
    });
  }

  async load(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    return this.#stretched(await this.#runner.load(graphs));
  }

  unload(keys: readonly string[]): Promise<void> {
    return this.#runner.unload(keys);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    for (const { refuse } of this.#waiting.splice(0)) refuse(stopped());
    await Promise.allSettled(this.#running);
    await this.#runner.close();
  }

  /** One place at least: a runner whose threads have ended says so itself. */
  get #hasPlace(): boolean {
    return this.#running.size < Math.max(1, this.#runner.parallel);
  }

  async #runSlowly(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    const output = await this.#runner.run(key, input, rows);
    const endsAtMs = performance.now();
    const runMicros = this.#slowMicros(key, output.runMicros);
    await untilMoment(endsAtMs + (runMicros - output.runMicros) / 1000);
    return { ...output, runMicros };
  }

  /** Takes a place for as long as the work lasts, then has those begin that there is room for. */
  async #hold(work: () => Promise<RunOutput>): Promise<RunOutput> {
    const working = work();
    this.#running.add(working);
    try {
      return await working;
    } finally {
      this.#running.delete(working);
      while (this.#hasPlace && this.#waiting.length > 0) this.#waiting.shift()?.begin();
    }
  }

  /** What a run takes that took `micros` here; never less. */
  #slowMicros(key: string, micros: number): number {
    if ('graphMs' in this.#pace) return Math.max(micros, 1000 * (this.#pace.graphMs.get(key) ?? 0));
    const recent = this.#recent.get(key) ?? [];
    this.#recent.set(key, recent);
    recent.push(micros);
    if (recent.length > usualRuns) recent.shift();
    const usual = [...recent].sort((one, other) => one - other)[(recent.length - 1) >> 1] ?? micros;
    return micros + (this.#pace.factor - 1) * usual;
  }

  #stretched(runs: readonly WarmRun[]): WarmRun[] {
    return runs.map((run) => ({ ...run, runMicros: this.#slowMicros(run.key, run.runMicros) }));
  }
}

/** @throws OfframpError CONFIG_INVALID. */
export function checkSlowdown(factor: number): void {
  if (factor >= 1 && Number.isFinite(factor)) return;
  throw new OfframpError('CONFIG_INVALID', `slowdown: got ${factor}, expected a number from 1 on`);
}

function stopped(): OfframpError {
  return new OfframpError('RUNTIME_STOPPED', 'The slowed-down runner is stopping');
}

/** Sleeps for most of the time; the rest, for which a timer is too coarse, goes by in turns of the event loop. */
async function untilMoment(atMs: number): Promise<void> {
  for (let leftMs = atMs - performance.now(); leftMs > 0; leftMs = atMs - performance.now()) {
    const sleepMs = Math.floor(leftMs - timerSlackMs);
    await (sleepMs >= 1 ? setTimeout(sleepMs) : setImmediate());
  }
}
