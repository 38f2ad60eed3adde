import type { OfframpError } from '../shared/errors.ts';
import type { InferResult } from '../shared/protocol/index.ts';
import type { Landed, Way } from './flight.ts';
import type { ServedBundle } from './served-bundle.ts';

interface AnyWork {
  readonly served: ServedBundle;
  readonly cut: number;
  /** Whose request it is; clients take turns. */
  readonly client: string;
  /** 1 is served first; the bundle's default when absent. */
  readonly priority?: number;
  readonly budgetMs: number;
  readonly onError: (error: OfframpError) => void;
}

/** A request as a session hands it over. Exactly one of the two callbacks is called, once. */
export interface Work extends AnyWork {
  /** Channels of the codes that the rows have; all when absent. */
  readonly channels?: number;
  /** One codec stream (or, at cut 0, one image) per row. */
  readonly rows: readonly Uint8Array[];
  readonly onResult: (result: Omit<InferResult, 'id'>) => void;
}

/** A request whose rows are in one tensor already. Exactly one of the two callbacks is called, once. */
export interface TensorWork extends AnyWork {
  readonly way: Way;
  /** Uint8 [rows, ...]; its memory is the engine's from now on. */
  readonly tensor: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  /** How long it may wait, where the queue's policy takes that from a request. */
  readonly timeoutMicros?: number;
  readonly onResult: (result: TensorResult) => void;
}

/** What came of a {@link TensorWork}; its logits and codes are parts of its batch's, so not to be changed. */
export interface TensorResult extends Landed, Omit<InferResult, 'id' | keyof Landed> {}
