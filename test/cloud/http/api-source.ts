/** The inference API over real HTTP, on a real engine with real inference threads, without the rest of the server. */
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import fastify from 'fastify';
import type { Way } from '../../../cloud/flight.ts';
import {
  countingObserver,
  defaultHttpLimits,
  EngineHost,
  type Identify,
  InferenceApi,
  type InferenceApiOptions,
  ModelTable,
  Statistics,
} from '../../../cloud/http/index.ts';
import {
  type BatchingBounds,
  type BatchingPolicy,
  Engine,
  type EngineObserver,
  parseBatchingPolicy,
  serveBundle,
} from '../../../cloud/index.ts';
import { fifo } from '../../../cloud/scheduling/single-key.ts';
import { type Clock, systemClock } from '../../../shared/clock.ts';
import { OfframpError } from '../../../shared/errors.ts';
import type { Runner } from '../../../shared/runtime/index.ts';
import { openRealBundle, segmentGraphs, startPool } from '../../runtime/real-bundle.ts';
import { HeldRunner } from '../engine-source.ts';

export const bundle = await openRealBundle();
export const served = serveBundle(bundle);
export const httpLimits = { ...defaultHttpLimits, idleTimeoutMs: 10_000 };
const bounds = { maxBatchRows: 16, maxQueuedRows: 512 };
export const policy = parseBatchingPolicy({}, 'test', bounds);
export const models = new ModelTable([served], httpLimits);
/** The whole bundle, and its second segment, which takes codes. */
export const whole = models.get(served.id);
export const second = models.get(`${served.id}-s1`);

/** Counts what the engine tells. */
export class EngineTally implements EngineObserver {
  readonly batches: string[] = [];
  readonly exits: number[] = [];
  queued = 0;
  depthCut = 0;

  onBatch(bundle: string, cut: number, rows: number, _runSeconds: number, way: Way): void {
    this.batches.push(`${bundle}/${cut}/${way}/${rows}`);
  }

  onRow(_bundle: string, exit: number): void {
    this.exits.push(exit);
  }

  onQueued(): void {
    this.queued++;
  }

  onDepthCut(_bundle: string, rows: number): void {
    this.depthCut += rows;
  }
}

export interface EngineChange {
  readonly bounds?: BatchingBounds;
  readonly own?: BatchingPolicy;
  readonly observer?: EngineObserver;
  readonly clock?: Clock;
}

/** An engine that takes requests in the order in which they come. */
export function makeEngine(runner: Runner, change: EngineChange = {}): Engine {
  const limits = change.bounds ?? bounds;
  const own = change.own ?? parseBatchingPolicy({}, 'test', limits);
  const observer = change.observer ?? new EngineTally();
  const clock = change.clock ?? systemClock;
  return new Engine({ runner, clock, limits, scheduler: fifo, policyOf: () => own, observer });
}

export interface RunningApi {
  readonly api: InferenceApi;
  readonly url: string;
  readonly port: number;
  readonly statistics: Statistics;
  readonly tally: EngineTally;
  /** Codes of all refusals, in order. */
  readonly refusals: string[];
  /** TCP connections that the server has open. */
  connections(): Promise<number>;
  stop(): Promise<void>;
}

export interface ApiChange extends Partial<InferenceApiOptions> {
  readonly runner?: Runner;
}

const anybody: Identify = () => ({ name: 'anybody', begin() {}, end() {} });
const running = new Set<RunningApi>();

/** Starts the API on a free port; `change` overrides what it is made of. */
export async function startApi(change: ApiChange = {}): Promise<RunningApi> {
  // With a host of the test's own nothing is run.
  const runner = change.runner ?? (change.host === undefined ? undefined : new HeldRunner());
  const pool = runner ?? (await startPool(segmentGraphs(bundle)));
  const statistics = new Statistics(Date.now);
  const tally = new EngineTally();
  const refusals: string[] = [];
  const limits = change.limits ?? httpLimits;
  const engine = makeEngine(pool, { bounds, observer: countingObserver(tally, statistics) });
  const host = new EngineHost({ engine, policyOf: () => policy });
  const own = new ModelTable([served], limits);
  const api = new InferenceApi({
    ...{ host, runner: pool, statistics, limits, clock: systemClock, version: 'test' },
    ...{ identify: anybody, models: () => own, policyOf: () => policy },
    draining: () => false,
    ready: () => pool.parallel > 0,
    onRefused: (code: string, _request: IncomingMessage) => refusals.push(code),
    onAnswered: () => {},
    ...change,
  });
  const app = fastify({ keepAliveTimeout: 1000, forceCloseConnections: true });
  api.register(app);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const one: RunningApi = {
    ...{ api, url, port: Number(new URL(url).port), statistics, tally, refusals },
    connections: () => new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count))),
    async stop() {
      if (!running.delete(one)) return;
      await app.close();
      await pool.close();
    },
  };
  running.add(one);
  return one;
}

export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((one) => one.stop()));
}

/** Knows one token, and tells apart who may do what by another. */
export function tokenIdentify(token: string, adminToken: string): Identify {
  return ({ headers: { authorization } }, scope) => {
    const allowed = scope === 'admin' ? [adminToken] : [token, adminToken];
    if (allowed.some((one) => authorization === `Bearer ${one}`))
      return anybody({} as IncomingMessage, scope);
    throw new OfframpError('UNAUTHORIZED', 'no token that is known');
  };
}

export interface Posted {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The body as JSON. */
  json(): Record<string, unknown>;
}

/** Posts a body as it is, with only the headers given: no content type unless one is. */
export async function post(
  url: string,
  body: Uint8Array | string | object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Posted> {
  const isRaw = body instanceof Uint8Array || typeof body === 'string';
  const bytes = isRaw ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'accept-encoding': 'identity', ...headers },
    body: new Uint8Array(bytes),
  });
  const answer = Buffer.from(await response.arrayBuffer());
  return {
    ...{ status: response.status, headers: response.headers, bytes: answer },
    json: () => JSON.parse(answer.toString('utf8')),
  };
}

/** A request with binary data behind its JSON. */
export function withBinary(
  json: object,
  binary: Uint8Array,
): { body: Buffer; headers: Record<string, string> } {
  const head = Buffer.from(JSON.stringify(json));
  return {
    body: Buffer.concat([head, binary]),
    headers: { 'inference-header-content-length': String(head.length) },
  };
}

/** Opens a TCP connection for bytes that no HTTP client would send. */
export async function rawSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return socket;
}
