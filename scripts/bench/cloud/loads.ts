import { performance } from 'node:perf_hooks';
import { type Quantiles, quantiles } from '../../quantiles.ts';
import type { BenchClient } from './client.ts';

/** Rows a second and how long each took, from the moment it was meant to be sent. */
export interface Served {
  readonly sent: number;
  readonly answered: number;
  readonly rowsPerSecond: number;
  readonly latencyMs: Quantiles;
}

export interface OpenLoopServed extends Served {
  /** Rows a second that were meant to be sent. */
  readonly offeredRowsPerSecond: number;
  /** Refused or late, as a share of those sent. */
  readonly rejectedShare: number;
  /** Rows a second answered within their budget. */
  readonly goodputRowsPerSecond: number;
}

export interface LoadOptions {
  readonly clients: readonly BenchClient[];
  readonly streams: readonly Uint8Array[];
  readonly seconds: number;
  readonly budgetMs: number;
}

/** Every client sends its next row as soon as it has the answer to the last. */
export async function closedLoop({ clients, streams, seconds, budgetMs }: LoadOptions): Promise<Served> {
  const latencies: number[] = [];
  let sent = 0;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  await Promise.all(
    clients.map(async (client) => {
      for (let now = performance.now(); now < until; now = performance.now()) {
        const stream = streams[sent++ % streams.length] ?? new Uint8Array(0);
        const reply = await client.send(stream, budgetMs);
        if (reply.kind === 'answer') latencies.push(reply.atMs - now);
      }
    }),
  );
  const tookSeconds = (performance.now() - startedAt) / 1000;
  return {
    sent,
    answered: latencies.length,
    rowsPerSecond: latencies.length / tookSeconds,
    latencyMs: quantiles(latencies),
  };
}

/**
 * Rows are sent at the moments of a Poisson process, whatever has come back, and their time counts from the moment they were
 * meant to be sent: a sender that falls behind hides nothing (coordinated omission).
 */
export async function openLoop(
  { clients, streams, seconds, budgetMs }: LoadOptions,
  offeredRowsPerSecond: number,
  random: () => number,
): Promise<OpenLoopServed> {
  const latencies: number[] = [];
  const replies: Promise<void>[] = [];
  let inTime = 0;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  let due = startedAt;
  for (;;) {
    due += (-Math.log(1 - random()) * 1000) / offeredRowsPerSecond;
    if (due >= until) break;
    await untilMoment(due);
    const meantAt = due;
    const turn = replies.length;
    const client = clients[turn % clients.length];
    const stream = streams[turn % streams.length];
    if (client === undefined || stream === undefined) break;
    const leftMs = budgetMs - (performance.now() - meantAt);
    replies.push(
      client.send(stream, Math.max(1, leftMs)).then((reply) => {
        if (reply.kind !== 'answer') return;
        const tookMs = reply.atMs - meantAt;
        latencies.push(tookMs);
        if (tookMs <= budgetMs) inTime++;
      }),
    );
  }
  await Promise.all(replies);
  return {
    offeredRowsPerSecond,
    sent: replies.length,
    answered: latencies.length,
    rowsPerSecond: latencies.length / seconds,
    latencyMs: quantiles(latencies),
    rejectedShare: replies.length === 0 ? 0 : 1 - inTime / replies.length,
    goodputRowsPerSecond: inTime / seconds,
  };
}

/** Timers are a millisecond coarse: what is due sooner is sent at once, in a burst with its neighbours. */
function untilMoment(dueMs: number): Promise<void> | undefined {
  const waitMs = dueMs - performance.now();
  if (waitMs <= 0) return undefined;
  return new Promise((resolve) => {
    setTimeout(resolve, waitMs);
  });
}
