import type { OfframpError } from '../errors.ts';

/** What a segment of a bundle looks like to the runtime: its graph and the tensors it must have. */
export interface SegmentGraph {
  /** Names the graph within a runner, for instance `b-lenet-mnist/s0`. */
  readonly key: string;
  /** The ONNX file. */
  readonly bytes: Uint8Array;
  readonly input: GraphTensor;
  readonly outputs: readonly GraphTensor[];
}

/** A tensor of a graph; `shape` is without the batch dimension, which is dynamic and comes first. */
export interface GraphTensor {
  readonly name: string;
  readonly dtype: 'uint8' | 'float32';
  readonly shape: readonly number[];
}

/** Execution providers of onnxruntime's native library that we know how to ask for. */
export const providers = ['cpu', 'webgpu', 'cuda'] as const;
/** One of them, or the CPU by WebAssembly, for a machine that the native library has no binary for. */
export type Provider = (typeof providers)[number] | 'wasm';
/** Where a runner's segments run: on an execution provider of this process, or on another server. */
export type RunnerProvider = Provider | 'remote';

/** One finished run: an output for each of the graph's, in its order, each with memory of its own. */
export interface RunOutput {
  readonly outputs: readonly (Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>)[];
  /** Time inside `session.run`, microseconds. */
  readonly runMicros: number;
}

/** Runs segments somewhere that is not the calling thread. */
export interface Runner {
  /** The execution provider its sessions really got, or that another server has them. */
  readonly provider: RunnerProvider;
  /** Runs that proceed at the same time. */
  readonly parallel: number;
  /** Why it can run nothing for now, though it may again by itself; absent while all is well. */
  readonly problem?: OfframpError | undefined;
  /**
   * Runs `key` on `rows` images.
   * @param input uint8 [rows, ...shape]; its memory moves to the runner and is empty afterwards.
   * @throws OfframpError BUSY when the queue is full, RUNTIME_FAILED, RUNTIME_STOPPED.
   */
  run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput>;
  /** Lets running work finish, refuses new work, frees the sessions. */
  close(): Promise<void>;
}

/** What a graph's run took once it was warm. */
export interface WarmRun {
  readonly key: string;
  readonly rows: number;
  readonly runMicros: number;
}

/** A runner whose graphs may come and go while it runs others. */
export interface LoadingRunner extends Runner {
  /** What the graphs that it was started with took once they were warm. */
  readonly warmRuns: readonly WarmRun[];
  /**
   * Loads graphs and warms them up, one thread after the other, so that the others work on. When it throws nothing has changed.
   * @throws OfframpError BUNDLE_FILE_CORRUPT, BUNDLE_GRAPH_MISMATCH, PROVIDER_UNAVAILABLE, RUNTIME_FAILED, RUNTIME_STOPPED.
   */
  load(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]>;
  /** Frees graphs once the runs that were asked for before have ended; keys that are not loaded are passed over. */
  unload(keys: readonly string[]): Promise<void>;
}
