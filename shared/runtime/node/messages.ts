import type { OfframpError } from '../../errors.ts';
import type { Provider, SegmentGraph } from '../runner.ts';

/** What a worker thread is started with. */
export interface WorkerInit {
  readonly graphs: readonly SegmentGraph[];
  /** Tried in this order, one at a time; the first that takes every graph is kept. */
  readonly providers: readonly Provider[];
  /** Threads of each session (`intraOpNumThreads`). */
  readonly threads: number;
}

export type ToWorker =
  | {
      readonly kind: 'run';
      readonly job: number;
      readonly key: string;
      readonly input: Uint8Array;
      readonly rows: number;
    }
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'ready'; readonly provider: Provider }
  | { readonly kind: 'failed'; readonly code: OfframpError['code']; readonly message: string }
  | {
      readonly kind: 'done';
      readonly job: number;
      readonly outputs: readonly (Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>)[];
      readonly runMicros: number;
    }
  | { readonly kind: 'job-failed'; readonly job: number; readonly message: string };
