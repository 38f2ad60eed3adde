import type { Clock } from '../../shared/clock.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { type LatencyCounts, latencyBucket, latencyBuckets, latencyQuantile } from './latencies.ts';

/** What the server counts for Prometheus, as it happens; {@link Recorder} remembers the last minutes of it. */
export interface MetricsTap {
  onBatch(rows: number, runSeconds: number): void;
  onRow(exit: number): void;
  onDepthCut(rows: number): void;
  onQueued(seconds: number): void;
  onDecoded(seconds: number): void;
  onRefused(code: ErrorCode): void;
}

/** Stages whose durations are kept. */
export const stages = ['queue', 'run', 'decode'] as const;
export type Stage = (typeof stages)[number];

/** How often each code was refused, the most frequent first. */
export type RefusalCounts = readonly { readonly code: ErrorCode; readonly count: number }[];

/** What happened from the first second on, one element for each; only seconds that are over. */
export interface History {
  /** Seconds since the start of the server. */
  readonly firstSecond: number;
  readonly rows: readonly number[];
  readonly batches: readonly number[];
  readonly refusals: readonly number[];
  /** null where nothing left the queue. */
  readonly queueP95Ms: readonly (number | null)[];
  /** For each exit its rows. */
  readonly exits: readonly (readonly number[])[];
}

/** What happened in the last 60 seconds. */
export interface Minute {
  readonly rows: number;
  readonly depthCutRows: number;
  readonly exits: readonly number[];
  /** Batches by the power of two that their rows do not exceed: 1, 2, 4 ... */
  readonly batchRows: readonly { readonly atMost: number; readonly batches: number }[];
  readonly refusals: RefusalCounts;
  readonly stages: Readonly<Record<Stage, StageLatency>>;
}

export interface StageLatency {
  readonly count: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/** As far back as plots go. */
export const historySeconds = 300;
const minuteSeconds = 60;
/** One more than is shown: the second that is not over. */
const slots = historySeconds + 1;
/** A manifest has no more segments, see `shared/bundle/schema.ts`. */
const maxExits = 16;
/** Rows of the largest batch there may be: 1024. */
const batchSizes = 11;

/** What happened within one second. Its arrays are used again, so that a busy server makes no garbage by being watched. */
class Second {
  second = -1;
  rows = 0;
  depthCutRows = 0;
  refused = 0;
  readonly exits = new Uint32Array(maxExits);
  readonly batchRows = new Uint32Array(batchSizes);
  readonly refusals = new Map<ErrorCode, number>();
  readonly latencies: Readonly<Record<Stage, LatencyCounts>> = {
    queue: new Uint32Array(latencyBuckets),
    run: new Uint32Array(latencyBuckets),
    decode: new Uint32Array(latencyBuckets),
  };

  begin(second: number): void {
    if (this.second >= 0) this.#clear();
    this.second = second;
  }

  #clear(): void {
    this.rows = 0;
    this.depthCutRows = 0;
    this.refused = 0;
    this.refusals.clear();
    this.exits.fill(0);
    this.batchRows.fill(0);
    for (const stage of stages) this.latencies[stage].fill(0);
  }
}

/**
 * The last five minutes of a server, second by second, and sums since its start. Memory is bounded by {@link historySeconds}
 * whatever happens.
 */
export class Recorder implements MetricsTap {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #startedAtMs: number;
  /** Made as they are needed. */
  readonly #ring: Second[] = [];
  readonly #refusals = new Map<ErrorCode, number>();
  readonly #exits = new Array<number>(maxExits).fill(0);
  #rows = 0;
  #depthCutRows = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#startedAtMs = clock.now();
  }

  /** Since the start. */
  get uptimeSeconds(): number {
    return (this.#clock.now() - this.#startedAtMs) / 1000;
  }

  /** Since the start. */
  get totals(): Pick<Minute, 'rows' | 'depthCutRows' | 'exits' | 'refusals'> {
    return {
      rows: this.#rows,
      depthCutRows: this.#depthCutRows,
      exits: withoutTail(this.#exits),
      refusals: sorted(this.#refusals),
    };
  }

  onBatch(rows: number, runSeconds: number): void {
    const now = this.#now();
    const size = Math.min(batchSizes - 1, Math.max(0, Math.ceil(Math.log2(rows))));
    now.batchRows[size] = (now.batchRows[size] ?? 0) + 1;
    count(now.latencies.run, latencyBucket(runSeconds * 1000));
  }

  onRow(exit: number): void {
    const now = this.#now();
    const kept = Math.min(exit, maxExits - 1);
    now.rows++;
    this.#rows++;
    count(now.exits, kept);
    this.#exits[kept] = (this.#exits[kept] ?? 0) + 1;
  }

  onDepthCut(rows: number): void {
    this.#now().depthCutRows += rows;
    this.#depthCutRows += rows;
  }

  onQueued(seconds: number): void {
    count(this.#now().latencies.queue, latencyBucket(seconds * 1000));
  }

  onDecoded(seconds: number): void {
    count(this.#now().latencies.decode, latencyBucket(seconds * 1000));
  }

  onRefused(code: ErrorCode): void {
    const now = this.#now();
    now.refused++;
    now.refusals.set(code, (now.refusals.get(code) ?? 0) + 1);
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1);
  }

  /** @param sinceSecond the first second that is wanted; earlier than is kept gives all. */
  history(sinceSecond = 0): History {
    const current = this.#second();
    const firstSecond = Math.min(current, Math.max(0, sinceSecond, current - historySeconds));
    const past = this.#seconds(firstSecond, current);
    const depths = withoutTail(sums(past.map((one) => one?.exits ?? [])));
    return {
      firstSecond,
      rows: past.map((one) => one?.rows ?? 0),
      batches: past.map((one) => sum(one?.batchRows ?? [])),
      refusals: past.map((one) => one?.refused ?? 0),
      queueP95Ms: past.map((one) => (one === undefined ? null : latencyQuantile(one.latencies.queue, 0.95))),
      exits: depths.map((_, exit) => past.map((one) => one?.exits[exit] ?? 0)),
    };
  }

  /** This second and the 59 before; less where the server is younger. */
  minute(): Minute {
    const current = this.#second();
    const past = this.#seconds(Math.max(0, current - minuteSeconds + 1), current + 1).filter(
      (one) => one !== undefined,
    );
    const refusals = new Map<ErrorCode, number>();
    for (const second of past) {
      for (const [code, times] of second.refusals) refusals.set(code, (refusals.get(code) ?? 0) + times);
    }
    const batches = withoutTail(sums(past.map((one) => one.batchRows)));
    const stage = (name: Stage) => stageOf(past.map(({ latencies }) => latencies[name]));
    return {
      rows: sum(past.map(({ rows }) => rows)),
      depthCutRows: sum(past.map(({ depthCutRows }) => depthCutRows)),
      exits: withoutTail(sums(past.map(({ exits }) => exits))),
      batchRows: batches.map((times, power) => ({ atMost: 2 ** power, batches: times })),
      refusals: sorted(refusals),
      stages: { queue: stage('queue'), run: stage('run'), decode: stage('decode') },
    };
  }

  #second(): number {
    return Math.floor(this.uptimeSeconds);
  }

  #now(): Second {
    const second = this.#second();
    const slot = this.#ring[second % slots] ?? new Second();
    this.#ring[second % slots] = slot;
    if (slot.second !== second) slot.begin(second);
    return slot;
  }

  /** From the first to before the last; undefined where nothing happened. */
  #seconds(first: number, last: number): (Second | undefined)[] {
    return Array.from({ length: last - first }, (_, index) => {
      const slot = this.#ring[(first + index) % slots];
      return slot?.second === first + index ? slot : undefined;
    });
  }
}

function stageOf(all: readonly LatencyCounts[]): StageLatency {
  const counts = Uint32Array.from(sums([new Uint32Array(latencyBuckets), ...all]));
  return { count: sum(counts), p50Ms: latencyQuantile(counts, 0.5), p95Ms: latencyQuantile(counts, 0.95) };
}

function count(counts: Uint32Array, index: number): void {
  counts[index] = (counts[index] ?? 0) + 1;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

/** Place by place. */
function sums(lists: readonly ArrayLike<number>[]): number[] {
  const total: number[] = [];
  for (const list of lists) {
    for (let index = 0; index < list.length; index++) {
      total[index] = (total[index] ?? 0) + (list[index] ?? 0);
    }
  }
  return total;
}

/** Without the zeros behind the last other number. */
function withoutTail(numbers: readonly number[]): number[] {
  return numbers.slice(0, numbers.findLastIndex((number) => number > 0) + 1);
}

function sorted(refusals: ReadonlyMap<ErrorCode, number>): RefusalCounts {
  const counts = [...refusals].map(([code, times]) => ({ code, count: times }));
  return counts.sort((one, other) => other.count - one.count || (one.code < other.code ? -1 : 1));
}
