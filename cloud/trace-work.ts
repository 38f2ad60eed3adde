import type { Clock } from '../shared/clock.ts';
import type { OfframpError } from '../shared/errors.ts';
import type { TraceParent, Tracer } from '../shared/trace/index.ts';
import type { ServedBundle } from './served-bundle.ts';
import type { TensorResult } from './work.ts';

type Ended = Pick<TensorResult, 'queueMicros' | 'runMicros'> &
  Partial<Pick<TensorResult, 'batchRows' | 'exits'>>;

/** What ends the span of a request. One that nobody waits for any more ends nowhere and is not recorded. */
export interface TracedWork {
  onResult(result: Ended): void;
  onError(error: OfframpError): void;
}

/** Begins the span of a request, under that of its device or caller where it has one; `undefined` when it is not recorded. */
export function traceWork(
  { tracer, clock }: { readonly tracer?: Tracer | undefined; readonly clock: Clock },
  name: string,
  served: ServedBundle,
  { trace, cut }: { readonly trace?: TraceParent | undefined; readonly cut: number },
): TracedWork | undefined {
  if (tracer === undefined) return undefined;
  const startedAtMs = clock.now();
  const span = tracer.start(name, startedAtMs, trace);
  if (span === undefined) return undefined;
  const about = { 'offramp.bundle': served.id, 'offramp.digest': served.digest, 'offramp.cut': cut };
  return {
    onResult({ batchRows, exits, queueMicros, runMicros }) {
      const endMs = clock.now();
      const ranMs = runMicros / 1000;
      const queuedUntilMs = Math.max(startedAtMs, endMs - ranMs);
      span.part('queue', Math.max(startedAtMs, queuedUntilMs - queueMicros / 1000), queuedUntilMs);
      span.part('run', queuedUntilMs, endMs);
      span.end(endMs, {
        ...about,
        ...(exits !== undefined && { 'offramp.exits': exits }),
        ...(batchRows !== undefined && { 'offramp.batch_rows': batchRows }),
      });
    },
    onError(error) {
      span.end(clock.now(), about, error.code);
    },
  };
}
