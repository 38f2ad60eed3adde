import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import {
  decodeImage,
  foreignRequest,
  listenError,
  sentPictureResize,
  tokenCheck,
} from '../shared/host/index.ts';
import { maxHeaderBytes, subprotocol } from '../shared/protocol/index.ts';
import type { Runner } from '../shared/runtime/index.ts';
import type { BatcherLimits } from './batcher.ts';
import { Engine } from './engine.ts';
import { CloudMetrics } from './metrics.ts';
import { type Decode, type DecoderLimits, PictureDecoder } from './picture-decoder.ts';
import type { ServedBundle } from './served-bundle.ts';
import { Session, type SessionHost, type SessionLimits } from './session.ts';
import { attach, wsTransport } from './ws-transport.ts';

export interface CloudLimits extends BatcherLimits, DecoderLimits, Omit<SessionLimits, 'maxFrameBytes'> {
  readonly maxConnections: number;
  /** How long a drain waits for requests in flight before it closes their connections. */
  readonly drainMs: number;
}

export const defaultCloudLimits: CloudLimits = {
  maxBatchRows: 64,
  maxQueuedRows: 4096,
  credits: 64,
  heartbeatMs: 5000,
  helloTimeoutMs: 5000,
  maxUnsentBytes: 512 * 1024,
  maxImageBytes: 256 * 1024,
  maxDecodes: 2,
  maxUndecodedBytes: 64 * 1024 * 1024,
  maxConnections: 1024,
  drainMs: 10_000,
};

export interface CloudOptions {
  readonly host: string;
  /** 0 takes any free port; the one taken is in `url`. */
  readonly port: number;
  readonly tokens: readonly string[];
  readonly bundles: readonly ServedBundle[];
  readonly runner: Runner;
  readonly limits: CloudLimits;
  readonly version: string;
  readonly logger: FastifyBaseLogger;
}

const goingAway = 1001;
/** Less than a device takes of its own user: here pictures of many devices are decoded at once. */
const maxPicturePixels = 16_000_000;
/** Frame header and fixed fields of a result, generously. */
const resultOverheadBytes = 128;
/** What a peer gets to answer the closing handshake before its socket is destroyed. */
const closeTimeoutMs = 2000;
/** What devices without work in flight get, in a drain, to leave by themselves. */
const lingerMs = 1000;

/** The cloud server: WebSocket protocol, health and metrics on one port. */
export class CloudServer {
  readonly #options: CloudOptions;
  readonly #engine: Engine;
  readonly #pictures: PictureDecoder;
  readonly #metrics: CloudMetrics;
  readonly #sessions = new Map<Session, WebSocket>();
  readonly #wss: WebSocketServer;
  readonly #app: FastifyInstance;
  readonly #host: SessionHost;
  #draining = false;
  #url = '';

  private constructor(options: CloudOptions) {
    const { bundles, limits, runner, logger } = options;
    this.#options = options;
    const authorised = tokenCheck(options.tokens, options.host);
    this.#metrics = new CloudMetrics(runner.provider, {
      load: () => this.#engine.load,
      undecodedRows: () => this.#pictures.undecodedRows,
      connections: () => this.#sessions.size,
    });
    this.#engine = new Engine(runner, systemClock, limits, this.#metrics);
    this.#pictures = new PictureDecoder(this.#engine, decodePicture, systemClock, limits, this.#metrics);
    const maxRowBytes = Math.max(...bundles.map((served) => served.maxRowBytes));
    // Not a batch of the largest pictures: one, or as many as fit.
    const maxPayloadBytes = Math.max(limits.maxBatchRows * maxRowBytes, limits.maxImageBytes);
    const maxFrameBytes = maxHeaderBytes + maxPayloadBytes;
    // `closeTimeout` is missing in the types of ws.
    const socketOptions: ServerOptions & { readonly closeTimeout: number } = {
      noServer: true,
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
      closeTimeout: closeTimeoutMs,
      // A device may offer others beside ours; without this ws takes the first.
      handleProtocols: () => subprotocol,
    };
    this.#wss = new WebSocketServer(socketOptions);
    this.#host = {
      serverName: `offramp/${options.version}`,
      bundles,
      limits: { ...limits, maxFrameBytes, maxUnsentBytes: unsentLimit(limits, bundles) },
      clock: systemClock,
      load: () => this.#engine.load,
      authorised,
      submit: (work) => this.#pictures.submit(work),
      onRefused: (code) => this.#metrics.onRefused(code),
      onReady: (agent) => {
        logger.info({ agent, connections: this.#sessions.size }, 'device connected');
      },
    };
    this.#app = this.#routes();
  }

  /**
   * Starts listening.
   * @throws OfframpError CONFIG_INVALID (no token off loopback), PORT_IN_USE.
   */
  static async start(options: CloudOptions): Promise<CloudServer> {
    const server = new CloudServer(options);
    server.#app.server.on('upgrade', (request, socket, head) => server.#upgrade(request, socket, head));
    try {
      server.#url = await server.#app.listen({ host: options.host, port: options.port });
    } catch (thrown) {
      throw listenError(thrown, options.host, options.port);
    }
    return server;
  }

  /** Where it listens, for instance `http://127.0.0.1:8080`; devices connect to the same with `ws:`. */
  get url(): string {
    return this.#url;
  }

  /**
   * Stops without losing a request: readiness turns false, devices are told to go elsewhere, what is in flight is answered,
   * and only then connections close. What is still unanswered after `drainMs` is given up; returns how many requests that were.
   */
  async drain(): Promise<number> {
    this.#draining = true;
    for (const session of this.#sessions.keys()) session.goAway('draining');
    const deadline = systemClock.now() + this.#options.limits.drainMs;
    const linger = systemClock.now() + Math.min(lingerMs, this.#options.limits.drainMs);
    const unfinished = () =>
      this.#sessions.size > 0 &&
      (systemClock.now() < linger || [...this.#sessions.keys()].some((session) => session.inFlight > 0));
    while (unfinished() && systemClock.now() < deadline) {
      await new Promise<void>((resolve) => systemClock.schedule(10, resolve));
    }
    const lost = [...this.#sessions.keys()].reduce((sum, session) => sum + session.inFlight, 0);
    await this.#app.close();
    return lost;
  }

  #routes(): FastifyInstance {
    const { logger, bundles, runner } = this.#options;
    const app = fastify({
      loggerInstance: logger,
      logController: new LogController({ disableRequestLogging: true }),
      bodyLimit: 1024,
      requestTimeout: 10_000,
      connectionTimeout: 0,
      keepAliveTimeout: 10_000,
    });
    app.get('/livez', () => ({ live: true }));
    app.get('/readyz', (_request, reply) => {
      const ready = !this.#draining && runner.parallel > 0;
      reply.code(ready ? 200 : 503);
      return {
        ready,
        provider: runner.provider,
        bundles: bundles.map(({ id, digest }) => ({ id, digest })),
      };
    });
    app.get('/metrics', async (_request, reply) => {
      reply.type(this.#metrics.registry.contentType);
      return this.#metrics.registry.metrics();
    });
    app.setNotFoundHandler((request, reply) => {
      reply.code(404);
      return {
        error: {
          code: 'NOT_FOUND',
          message: `No ${request.method} ${request.url} here; see docs/operating.md`,
        },
      };
    });
    // An open WebSocket keeps the HTTP server from closing.
    app.addHook('preClose', async () => {
      for (const socket of this.#sessions.values()) socket.close(goingAway, 'server stopped');
      this.#wss.close();
    });
    return app;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A peer may vanish between its request and our answer.
    socket.on('error', () => {});
    const refusal = this.#upgradeRefusal(request);
    if (refusal === undefined) {
      this.#wss.handleUpgrade(request, socket, head, (upgraded) => this.#open(upgraded));
    } else {
      this.#reject(socket, refusal);
    }
  }

  /** Cheap checks first, each with its HTTP status; the hello does the rest. */
  #upgradeRefusal(request: IncomingMessage): OfframpError | undefined {
    if (this.#draining) return new OfframpError('DRAINING', 'This server is stopping');
    if (this.#sessions.size >= this.#options.limits.maxConnections) {
      const message = `${this.#sessions.size} connections are open, no more are taken`;
      return new OfframpError('TOO_MANY_CONNECTIONS', message);
    }
    const foreign = this.#options.tokens.length === 0 ? foreignRequest(request.headers) : undefined;
    if (foreign !== undefined) return foreign;
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (offered.includes(subprotocol)) return undefined;
    const message = `Expected the WebSocket subprotocol ${subprotocol}, got ${offered.join(', ') || 'none'}`;
    return new OfframpError('PROTOCOL_UNSUPPORTED', message);
  }

  #open(socket: WebSocket): void {
    const session = new Session(this.#host, wsTransport(socket));
    this.#sessions.set(session, socket);
    const events = {
      onMessage: (message: Uint8Array) => session.onMessage(message),
      onClose: () => {
        this.#sessions.delete(session);
        session.onClose();
      },
    };
    attach(socket, events, this.#options.limits.heartbeatMs, this.#metrics);
  }

  #reject(socket: Duplex, error: OfframpError): void {
    this.#metrics.onRefused(error.code);
    // ws reads no more from it, so that its other end closing would never be seen.
    socket.once('finish', () => socket.destroy());
    const body = JSON.stringify({ error: { code: error.code, message: error.message } });
    socket.end(
      `HTTP/1.1 ${error.httpStatus} ${error.code}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
}

const decodePicture: Decode = (file, shape) =>
  decodeImage(file, shape, sentPictureResize, { maxPixels: maxPicturePixels });

/** Never less than the answers to all of a device's credits, which a slow link may rightly have waiting at once. */
function unsentLimit(limits: CloudLimits, bundles: readonly ServedBundle[]): number {
  const classes = Math.max(...bundles.map((served) => served.classes));
  const answerBytes = resultOverheadBytes + limits.maxBatchRows * (1 + 4 * classes);
  return Math.max(limits.maxUnsentBytes, limits.credits * answerBytes);
}
