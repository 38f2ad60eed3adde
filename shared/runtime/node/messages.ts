import type { OfframpError } from '../../errors.ts';
import type { Provider, SegmentGraph, WarmRun } from '../runner.ts';
import type { SessionsInit } from '../sessions.ts';

/** What a worker thread is started with. */
export type WorkerInit = SessionsInit;

export type ToWorker =
  | {
      readonly kind: 'run';
      readonly job: number;
      readonly key: string;
      readonly input: Uint8Array;
      readonly rows: number;
    }
  | { readonly kind: 'load'; readonly job: number; readonly graphs: readonly SegmentGraph[] }
  | { readonly kind: 'unload'; readonly job: number; readonly keys: readonly string[] }
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'ready'; readonly provider: Provider; readonly warmRuns: readonly WarmRun[] }
  | { readonly kind: 'failed'; readonly code: OfframpError['code']; readonly message: string }
  | {
      readonly kind: 'done';
      readonly job: number;
      readonly outputs: readonly (Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>)[];
      readonly runMicros: number;
    }
  | { readonly kind: 'loaded'; readonly job: number; readonly warmRuns: readonly WarmRun[] }
  | { readonly kind: 'unloaded'; readonly job: number }
  | {
      readonly kind: 'job-failed';
      readonly job: number;
      readonly code: OfframpError['code'];
      readonly message: string;
    };
