import { once } from 'node:events';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import {
  type CloudLimits,
  type CloudOptions,
  CloudServer,
  defaultCloudLimits,
  serveBundle,
} from '../../cloud/index.ts';
import { parseTokens } from '../../shared/host/index.ts';
import {
  decodeFrame,
  encodeHello,
  encodeInfer,
  type Frame,
  subprotocol,
} from '../../shared/protocol/index.ts';
import type { LoadingRunner } from '../../shared/runtime/index.ts';
import type { WorkerPool } from '../../shared/runtime/node/index.ts';
import { until, within } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { HeldRunner } from './engine-source.ts';

export const bundle = await openRealBundle();
export const served = serveBundle(bundle);
export const token = 'a-token-for-this-server';

const servers = new Set<IdleServer>();
const sockets = new Set<WebSocket>();

export interface IdleServer {
  readonly server: CloudServer;
  /** Address for `ws`. */
  readonly wsUrl: string;
  /** A metric's value by its line without the value, such as `offramp_cloud_connections`. */
  metric(line: string): Promise<number>;
  stop(): Promise<void>;
}

export interface Running extends IdleServer {
  readonly pool: WorkerPool;
}

/** Starts a real server with a real pool on a free port; `change` overrides its limits. */
export async function startServer(
  change: Partial<CloudLimits> = {},
  options: Partial<CloudOptions> = {},
): Promise<Running> {
  const pool = await startPool(segmentGraphs(bundle));
  const running = await startOn(pool, () => pool.close(), change, options).catch(async (thrown: unknown) => {
    await pool.close();
    throw thrown;
  });
  return Object.assign(running, { pool });
}

/** A real server that computes nothing, and so starts quickly: for what is decided before anything is computed. */
export function startIdleServer(
  change: Partial<CloudLimits> = {},
  options: Partial<CloudOptions> = {},
): Promise<IdleServer> {
  return startOn(new HeldRunner(), async () => {}, change, options);
}

async function startOn(
  runner: LoadingRunner,
  close: () => Promise<void>,
  change: Partial<CloudLimits>,
  options: Partial<CloudOptions>,
): Promise<IdleServer> {
  const server = await CloudServer.start({
    host: '127.0.0.1',
    port: 0,
    tokens: parseTokens(token, 'the test'),
    bundles: [served],
    runner,
    limits: { ...defaultCloudLimits, drainMs: 1000, ...change },
    version: 'test',
    logger: pino({ level: 'silent' }),
    ...options,
  });
  const running: IdleServer = {
    server,
    wsUrl: server.url.replace('http:', 'ws:'),
    async metric(line) {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const found = text.split('\n').find((one) => one.startsWith(`${line} `));
      return Number(found?.slice(line.length) ?? 0);
    },
    async stop() {
      if (!servers.delete(running)) return;
      await server.drain();
      await close();
    },
  };
  servers.add(running);
  return running;
}

/** Ends the connections that tests have left. Use it after each test: one that fails must not take from the next. */
export function endClients(): void {
  for (const socket of sockets) socket.terminate();
  sockets.clear();
}

/** Ends every connection and server that tests have left, so that a failure ends the file instead of hanging it. */
export async function cleanUp(): Promise<void> {
  endClients();
  await Promise.all([...servers].map((running) => running.stop()));
}

export interface Client {
  readonly socket: WebSocket;
  readonly frames: Frame[];
  /** Close code, once there is one. */
  readonly closed: Promise<number>;
  /** The frame at `index`, as soon as it has come. */
  frame(index: number): Promise<Frame>;
}

/** Connects with `ws` as a device does, without saying hello. */
export async function connect(url: string): Promise<Client> {
  const socket = new WebSocket(url, subprotocol, { perMessageDeflate: false });
  sockets.add(socket);
  const frames: Frame[] = [];
  socket.on('message', (data) => {
    // With ws's default binaryType a message is one Buffer.
    frames.push(decodeFrame(data as Buffer));
  });
  socket.on('error', () => {});
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await within(5000, once(socket, 'open'));
  return {
    socket,
    frames,
    closed,
    async frame(index) {
      await until(() => frames.length > index);
      const frame = frames[index];
      if (frame === undefined) throw new Error('no frame');
      return frame;
    },
  };
}

/** Connects and says hello; the welcome is frame 0. */
export async function greet(url: string): Promise<Client> {
  const client = await connect(url);
  const bundles = [{ id: served.id, digest: served.digest }];
  client.socket.send(encodeHello({ agent: 'test', token, bundles }));
  await client.frame(0);
  return client;
}

/** An infer frame of drawn images at cut 0. */
export function inferFrame(id: number, count = 1, budgetMs = 30_000): Uint8Array {
  const rows = Array.from({ length: count }, (_, index) => drawnImage(id + index));
  return encodeInfer({ id, bundleTag: served.tag, cut: 0, budgetMs, rows });
}
