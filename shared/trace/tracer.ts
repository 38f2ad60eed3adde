import type { TraceParent } from './trace-parent.ts';

/** By the names of OpenTelemetry's conventions where it has any, else with the prefix `offramp.`. */
export type TraceAttributes = Readonly<Record<string, string | number | boolean | readonly number[]>>;

/** The way of one image, or of one request, through one process. Times are those of the process's monotonic clock, milliseconds. */
export interface TraceSpan {
  /** What the next process names as its parent. */
  readonly parent: TraceParent;
  /** A part of it that is over. */
  part(name: string, startMs: number, endMs: number): void;
  /** @param problem an error code, where it did not end as it should. */
  end(atMs: number, attributes: TraceAttributes, problem?: string): void;
}

/** Records what images spend their time with. A port: who records knows nothing of what becomes of it. */
export interface Tracer {
  /**
   * Begins a span; `undefined` when this one is not recorded, which costs next to nothing.
   * @param parent decides whether it is recorded, where there is one.
   */
  start(name: string, atMs: number, parent?: TraceParent): TraceSpan | undefined;
}
