import type { ServedBundle } from '../served-bundle.ts';

/** Rows to compute, whoever computes them. */
export interface InferenceWork {
  readonly served: ServedBundle;
  /** uint8 [rows, ...shape of the input]; its memory goes to the host. */
  readonly tensor: Uint8Array<ArrayBuffer>;
  /** Any number from 1 on; the host splits what does not fit a batch. */
  readonly rows: number;
  /** For all rows together, from now on. */
  readonly budgetMs: number;
  /** How long they may wait, where the queue takes that from a request; what happens then is the queue's policy. */
  readonly timeoutMicros?: number;
  /** 1 is served first; absent: as the host sees fit. */
  readonly priority?: number;
  /** Whose rows these are, for fairness. */
  readonly client: string;
  /** Aborted when nobody waits any more; what has not been computed then never is. */
  readonly signal: AbortSignal;
}

export interface SegmentWork extends InferenceWork {
  readonly segment: number;
}

/** How long the request waited, and how long the runs took that its rows were in. */
export interface HostTimes {
  readonly queueMicros: number;
  readonly runMicros: number;
}

export interface WholeAnswer extends HostTimes {
  /** Index of the exit that each row took. */
  readonly exits: readonly number[];
  /** float32 [rows, classes], each row those of its exit. */
  readonly logits: Float32Array;
  /** Rows that left before an exit was sure of them, because the server was short of time. */
  readonly degradedRows: number;
}

export interface SegmentAnswer extends HostTimes {
  /** The segment's outputs in its order, logits first, all rows of each. */
  readonly outputs: readonly (Float32Array | Uint8Array)[];
}

/**
 * Computes what the inference protocol asks for. Both reject with an OfframpError: BUSY (with `retryAfterMs`), BUDGET_SPENT,
 * RUNTIME_FAILED, RUNTIME_STOPPED, or the reason of the signal.
 */
export interface InferenceHost {
  /** Runs a bundle from the image on; rows leave at the first exit that is sure of them. */
  inferWhole(work: InferenceWork): Promise<WholeAnswer>;
  /** Runs one segment; every row gets all of its outputs. */
  inferSegment(work: SegmentWork): Promise<SegmentAnswer>;
}
