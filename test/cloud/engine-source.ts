import {
  type BatchingBounds,
  Engine,
  type EngineObserver,
  type Scheduler,
  type ServedBundle,
  type SessionHost,
  type Work,
} from '../../cloud/index.ts';
import { batchingPolicies } from '../../cloud/policies.ts';
import { fifo } from '../../cloud/scheduling/single-key.ts';
import type { Clock } from '../../shared/clock.ts';
import { systemClock } from '../../shared/clock.ts';
import type { OfframpError } from '../../shared/errors.ts';
import type { InferResult } from '../../shared/protocol/index.ts';
import type { LoadingRunner, Runner, RunOutput, WarmRun } from '../../shared/runtime/index.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

export const limits: BatchingBounds = { maxBatchRows: 16, maxQueuedRows: 2000 };

/** Counts what the engine tells. */
export class Tally implements EngineObserver {
  readonly batches: { readonly cut: number; readonly rows: number }[] = [];
  readonly exits: number[] = [];
  queued = 0;
  depthCutRows = 0;

  onBatch(_bundle: string, cut: number, rows: number): void {
    this.batches.push({ cut, rows });
  }

  onRow(_bundle: string, exit: number): void {
    this.exits.push(exit);
  }

  onDepthCut(_bundle: string, rows: number): void {
    this.depthCutRows += rows;
  }

  onQueued(): void {
    this.queued++;
  }
}

export interface EngineAndTally {
  readonly engine: Engine;
  readonly tally: Tally;
}

export function makeEngine(
  runner: Runner,
  change: {
    readonly clock?: Clock;
    readonly limits?: BatchingBounds;
    readonly scheduler?: Scheduler;
    readonly batching?: Record<string, unknown>;
  } = {},
): EngineAndTally {
  const tally = new Tally();
  const bounds = change.limits ?? limits;
  const engine = new Engine({
    ...{ runner, clock: change.clock ?? usualClock(runner), limits: bounds, observer: tally },
    scheduler: change.scheduler ?? fifo,
    policyOf: batchingPolicies(change.batching ?? {}, bounds),
  });
  return { engine, tally };
}

/** Runs that are held take no time, so that no batch is handed over because the one before it should be done. */
function usualClock(runner: Runner): Clock {
  return runner instanceof HeldRunner ? new VirtualClock() : systemClock;
}

/** What became of one request. Every call of a callback is kept, so that a second one shows. */
export interface Outcome {
  readonly results: Omit<InferResult, 'id'>[];
  readonly errors: OfframpError[];
}

export interface Submitted extends Outcome {
  /** Settles with the first callback. */
  readonly answered: Promise<Outcome>;
  readonly drop: () => void;
}

export type Request = Pick<Work, 'served' | 'cut' | 'channels' | 'rows' | 'priority'> & {
  readonly budgetMs?: number;
  readonly client?: string;
};

export function submit(
  engine: Engine,
  { budgetMs = 60_000, client = 'one', ...request }: Request,
): Submitted {
  const outcome: Outcome = { results: [], errors: [] };
  let settle: (outcome: Outcome) => void = () => {};
  const answered = new Promise<Outcome>((resolve) => {
    settle = resolve;
  });
  const drop = engine.submit({
    ...request,
    ...{ client, budgetMs },
    onResult: (result) => {
      outcome.results.push(result);
      settle(outcome);
    },
    onError: (error) => {
      outcome.errors.push(error);
      settle(outcome);
    },
  });
  return { ...outcome, answered, drop };
}

/** A runner whose runs wait until the test ends them, for what cannot be made to happen with a real one. */
export class HeldRunner implements LoadingRunner {
  readonly provider = 'cpu';
  readonly warmRuns = [];
  parallel = 1;
  readonly runs: {
    readonly key: string;
    readonly rows: number;
    finish(output: RunOutput): void;
    fail(thrown: unknown): void;
  }[] = [];

  run(key: string, _input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    return new Promise((resolve, reject) => {
      this.runs.push({ key, rows, finish: resolve, fail: reject });
    });
  }

  async load(): Promise<readonly WarmRun[]> {
    return [];
  }

  async unload(): Promise<void> {}

  async close(): Promise<void> {}
}

/** What a session sees of a server with one bundle. */
export function shelfOf(served: ServedBundle): SessionHost['shelf'] {
  return { all: [served], byTag: (tag) => (tag === served.tag ? served : undefined) };
}

/** Logits of `rows` rows that are sure of class 0, and no codes. */
export function sureLogits(served: ServedBundle, rows: number): RunOutput {
  const logits = new Float32Array(rows * served.classes);
  for (let row = 0; row < rows; row++) logits[row * served.classes] = 50;
  return { outputs: [logits], runMicros: 1000 };
}
