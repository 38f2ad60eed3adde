import type { OfframpError } from '../../shared/errors.ts';
import type { BatchingPolicy } from '../batching/index.ts';
import type { Engine } from '../engine.ts';
import type { ServedBundle } from '../served-bundle.ts';
import type { TensorResult, TensorWork } from '../work.ts';
import type {
  HostTimes,
  InferenceHost,
  InferenceWork,
  SegmentAnswer,
  SegmentWork,
  WholeAnswer,
} from './inference-host.ts';
import { joinFloats, joinParts, type RowRange, splitRows } from './split-rows.ts';

export interface EngineHostOptions {
  readonly engine: Pick<Engine, 'submitTensor'>;
  readonly policyOf: (served: ServedBundle) => Pick<BatchingPolicy, 'maxBatchRows'>;
}

/** Where rows enter the network and how they go on. */
type Course = Pick<TensorWork, 'cut' | 'way'>;

/** Hands rows to the engine, in as many requests as batches hold them, and puts their answers together again. */
export class EngineHost implements InferenceHost {
  readonly #options: EngineHostOptions;

  constructor(options: EngineHostOptions) {
    this.#options = options;
  }

  async inferWhole(work: InferenceWork): Promise<WholeAnswer> {
    const parts = await this.#infer(work, { cut: 0, way: 'cascade' });
    return {
      exits: parts.flatMap(({ exits }) => exits),
      logits: joinFloats(parts.map(({ logits }) => logits)),
      degradedRows: parts.reduce((sum, { depthCut = [] }) => sum + depthCut.length, 0),
      ...timesOf(parts),
    };
  }

  async inferSegment({ segment, ...work }: SegmentWork): Promise<SegmentAnswer> {
    const parts = await this.#infer(work, { cut: segment, way: 'segment' });
    const codes = parts.flatMap((part) => (part.codes === undefined ? [] : [part.codes]));
    const logits = joinFloats(parts.map((part) => part.logits));
    return { outputs: codes.length === 0 ? [logits] : [logits, joinParts(codes)], ...timesOf(parts) };
  }

  /** The parts of the answer in the order of the rows. When one fails, or the caller goes, the others leave the queue. */
  async #infer(work: InferenceWork, course: Course): Promise<TensorResult[]> {
    work.signal.throwIfAborted();
    const { maxBatchRows } = this.#options.policyOf(work.served);
    const drops: (() => void)[] = [];
    try {
      const parts = splitRows(work.rows, maxBatchRows).map(
        (range) =>
          new Promise<TensorResult>((...settle) => drops.push(this.#submit(work, course, range, settle))),
      );
      return await untilAborted(work.signal, Promise.all(parts));
    } finally {
      for (const drop of drops) drop();
    }
  }

  #submit(
    work: InferenceWork,
    course: Course,
    range: RowRange,
    [onResult, onError]: [onResult: (result: TensorResult) => void, onError: (error: OfframpError) => void],
  ): () => void {
    const { served, client, priority, budgetMs, timeoutMicros } = work;
    return this.#options.engine.submitTensor({
      ...{ ...course, served, client, budgetMs, onResult, onError },
      ...(priority !== undefined && { priority }),
      ...(timeoutMicros !== undefined && { timeoutMicros }),
      tensor: tensorOf(work, range),
      rows: range.end - range.start,
    });
  }
}

/** The rows of a range in memory of their own, for the engine keeps it. */
function tensorOf({ tensor, rows }: InferenceWork, { start, end }: RowRange): Uint8Array<ArrayBuffer> {
  if (end - start === rows) return tensor;
  const size = tensor.length / rows;
  return tensor.slice(start * size, end * size);
}

/** All parts wait from the same moment on. */
function timesOf(parts: readonly HostTimes[]): HostTimes {
  return {
    queueMicros: Math.max(...parts.map(({ queueMicros }) => queueMicros)),
    runMicros: parts.reduce((sum, { runMicros }) => sum + runMicros, 0),
  };
}

/** As the promise does, but not after the signal: then rejects with its reason. */
function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
