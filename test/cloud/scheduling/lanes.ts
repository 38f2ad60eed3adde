import type { Costs, LaneView } from '../../../cloud/batching/index.ts';

/** The moment at which the schedulers of these tests are asked. */
export const nowMs = 1000;

export interface Wait {
  readonly waitedMs: number;
  /** Default: 100. */
  readonly budgetMs?: number;
  readonly rows?: number;
}

/** A lane with requests that have waited so long, in this order. */
export function lane(name: string, waits: readonly Wait[], maxBatchRows = 10): LaneView {
  const waiting = waits.map(({ waitedMs, budgetMs = 100, rows = 1 }) => ({
    rows,
    priority: 1,
    queuedAtMs: nowMs - waitedMs,
    deadlineMs: nowMs - waitedMs + budgetMs,
  }));
  return { lane: name, maxBatchRows, waiting, waitingRows: waiting.reduce((sum, { rows }) => sum + rows, 0) };
}

/** `count` requests that have all waited so long. */
export function crowd(count: number, wait: Wait): Wait[] {
  return Array.from({ length: count }, () => wait);
}

/** Milliseconds of a batch, fixed and for each row, to every exit of a lane. */
export type Line = readonly [fixedMs: number, perRowMs: number];

/** Exits are numbered from 0. Batches take what they take: the mean is the percentile. */
export function costs(lanes: Readonly<Record<string, readonly Line[]>>): Costs {
  const predictMs = (name: string, exit: number, rows: number) => {
    const [fixedMs, perRowMs] = lanes[name]?.[exit] ?? [Number.NaN, Number.NaN];
    return fixedMs + perRowMs * rows;
  };
  return { exits: (name) => [...(lanes[name] ?? []).keys()], meanMs: predictMs, predictMs };
}
