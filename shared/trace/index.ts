export { formatTraceparent, parseTraceparent, type TraceParent, traceparentLength } from './trace-parent.ts';
export type { TraceAttributes, Tracer, TraceSpan } from './tracer.ts';
