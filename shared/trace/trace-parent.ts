/** Where a span hangs in a trace that may cross processes. */
export interface TraceParent {
  /** 32 hex digits in lower case. */
  readonly traceId: string;
  /** 16 hex digits in lower case: the span that is the parent. */
  readonly spanId: string;
  /** Whether anybody records the trace. */
  readonly sampled: boolean;
}

/** The length of a `traceparent` of version 00. */
export const traceparentLength = 55;

const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const sampledFlag = 1;

/** Reads the header `traceparent` (W3C Trace Context, version 00); `undefined` for what is none, as a receiver has to go on without. */
export function parseTraceparent(text: string): TraceParent | undefined {
  const [, traceId, spanId, flags] = form.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & sampledFlag) !== 0 };
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}
