import type { EngineObserver } from '../engine.ts';
import { modelVersion, segmentModel } from './models.ts';

/** Where the time of one request went, nanoseconds. */
export interface RequestTimes {
  readonly totalNanos: number;
  readonly queueNanos: number;
  /** From the body to the tensor. */
  readonly inputNanos: number;
  readonly inferNanos: number;
  /** From the answer to the body. */
  readonly outputNanos: number;
}

/** How often something happened and how long it took in all, since the start. */
interface Duration {
  count: number;
  ns: number;
}

const stages = ['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output'] as const;
type Stage = (typeof stages)[number];

/** `$model_stat` of the statistics extension. */
export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970, 0 before the first. */
  readonly last_inference: number;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<Stage | 'cache_hit' | 'cache_miss', Readonly<Duration>>>;
  readonly response_stats: Readonly<Record<string, never>>;
  readonly batch_stats: readonly BatchStatistics[];
  readonly memory_usage: readonly never[];
}

interface BatchStatistics {
  readonly batch_size: number;
  readonly compute_input: Readonly<Duration>;
  readonly compute_infer: Readonly<Duration>;
  readonly compute_output: Readonly<Duration>;
}

interface Tally {
  lastInferenceMs: number;
  rows: number;
  executions: number;
  readonly stages: Record<Stage, Duration>;
  /** Executions by their number of rows. */
  readonly batches: Map<number, Duration>;
}

/**
 * Counters since the start in the shape of the statistics extension. Executions and their rows are those of everybody who
 * enters there, by whichever protocol; the stages are those of the requests of this one.
 */
export class Statistics {
  readonly #wallMs: () => number;
  readonly #tallies = new Map<string, Tally>();

  /** @param wallMs milliseconds since 1970. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** A batch of the model was computed. */
  onExecution(model: string, rows: number, runMicros: number): void {
    const tally = this.#tally(model);
    tally.lastInferenceMs = Math.round(this.#wallMs());
    tally.rows += rows;
    tally.executions++;
    const batch = tally.batches.get(rows) ?? nothing();
    tally.batches.set(rows, batch);
    add(batch, runMicros * 1000);
  }

  onSuccess(model: string, times: RequestTimes): void {
    const { stages } = this.#tally(model);
    add(stages.success, times.totalNanos);
    add(stages.queue, times.queueNanos);
    add(stages.compute_input, times.inputNanos);
    add(stages.compute_infer, times.inferNanos);
    add(stages.compute_output, times.outputNanos);
  }

  onFailure(model: string, totalNanos: number): void {
    add(this.#tally(model).stages.fail, totalNanos);
  }

  of(model: string): ModelStatistics {
    const { lastInferenceMs, rows, executions, stages, batches } = this.#tally(model);
    return {
      name: model,
      version: modelVersion,
      last_inference: lastInferenceMs,
      inference_count: rows,
      execution_count: executions,
      inference_stats: { ...structuredClone(stages), cache_hit: nothing(), cache_miss: nothing() },
      response_stats: {},
      batch_stats: [...batches]
        .sort(([one], [other]) => one - other)
        .map(([batch_size, compute_infer]) => {
          // Rows are put together and taken apart outside of an execution; it counts, its time is that of the request.
          const outside = { count: compute_infer.count, ns: 0 };
          return {
            batch_size,
            compute_input: outside,
            compute_infer: { ...compute_infer },
            compute_output: outside,
          };
        }),
      memory_usage: [],
    };
  }

  #tally(model: string): Tally {
    const known = this.#tallies.get(model);
    if (known !== undefined) return known;
    const durations = Object.fromEntries(stages.map((stage) => [stage, nothing()]));
    // fromEntries forgets which keys it was given: exactly the stages.
    const fresh: Tally = {
      ...{ lastInferenceMs: 0, rows: 0, executions: 0, batches: new Map() },
      stages: durations as Record<Stage, Duration>,
    };
    this.#tallies.set(model, fresh);
    return fresh;
  }
}

/** Passes on what the engine tells, and counts the batches of models: whole bundles from the image on, and single segments. */
export function countingObserver(observer: EngineObserver, statistics: Statistics): EngineObserver {
  return {
    onBatch(bundle, cut, rows, runSeconds, way) {
      observer.onBatch(bundle, cut, rows, runSeconds, way);
      if (way === 'segment') statistics.onExecution(segmentModel(bundle, cut), rows, runSeconds * 1e6);
      else if (cut === 0) statistics.onExecution(bundle, rows, runSeconds * 1e6);
    },
    onRow: (bundle, exit) => observer.onRow(bundle, exit),
    onDepthCut: (bundle, rows) => observer.onDepthCut(bundle, rows),
    onQueued: (seconds) => observer.onQueued(seconds),
  };
}

function nothing(): Duration {
  return { count: 0, ns: 0 };
}

function add(duration: Duration, nanos: number): void {
  duration.count++;
  duration.ns += Math.round(nanos);
}
