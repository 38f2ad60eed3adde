import type { LoadingRunner, SegmentGraph } from '../../shared/runtime/index.ts';
import { InlineRunner, WorkerPool } from '../../shared/runtime/node/index.ts';
import { SlowedRunner } from './slowed-runner.ts';

/** What computes the device's segments: onnxruntime's binary for the machine, or WebAssembly, which runs on any. */
export type EdgeRuntime = 'native' | 'wasm';

export interface RunnerConfig {
  /** Inference threads; with 0 segments run in this one. `auto`: that, where each takes less than a millisecond, else one thread. */
  readonly workers: number | 'auto';
  readonly threadsPerWorker: number;
  /** Absent: native. */
  readonly runtime?: EdgeRuntime | undefined;
  /** How many times as long each run of a segment takes as it usually does on this machine, for trials; absent: 1. */
  readonly slowdown?: number | undefined;
  /** What each segment takes, milliseconds, for trials; in place of `slowdown`. Those it has none for are as quick as they are. */
  readonly segmentMs?: readonly number[] | undefined;
}

/** What may hold up sockets and timers; the way to a thread and back takes a tenth of it. */
const longestInlineMicros = 1000;

/** Starts what runs the device's segments. */
export async function startRunner(
  config: RunnerConfig,
  graphs: readonly SegmentGraph[],
  maxQueuedRuns: number,
): Promise<LoadingRunner> {
  const { slowdown: factor = 1, segmentMs } = config;
  const runner = await startAtFullSpeed(config, graphs, maxQueuedRuns);
  if (segmentMs !== undefined) {
    const graphMs = new Map(graphs.map(({ key }, index) => [key, segmentMs[index] ?? 0]));
    return new SlowedRunner({ runner, pace: { graphMs }, maxQueuedRuns });
  }
  return factor === 1 ? runner : new SlowedRunner({ runner, pace: { factor }, maxQueuedRuns });
}

/** By the time that runs really take: slowed-down ones hold up nothing while they wait. */
async function startAtFullSpeed(
  { workers, threadsPerWorker, runtime }: RunnerConfig,
  graphs: readonly SegmentGraph[],
  maxQueuedRuns: number,
): Promise<LoadingRunner> {
  const providers = [runtime === 'wasm' ? 'wasm' : 'cpu'] as const;
  if (workers === 0 || workers === 'auto') {
    const runner = await InlineRunner.start({ graphs, providers, threads: threadsPerWorker, maxQueuedRuns });
    const longestMicros = Math.max(...runner.warmRuns.map(({ runMicros }) => runMicros));
    if (workers === 0 || longestMicros <= longestInlineMicros) return runner;
    await runner.close();
  }
  const threads = workers === 'auto' ? 1 : workers;
  const options = { graphs, providers, workers: threads, threadsPerWorker, maxQueuedRuns };
  return WorkerPool.start({ ...options, warmUpRows: [1] });
}
