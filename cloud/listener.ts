import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../shared/clock.ts';
import { type ErrorCode, OfframpError } from '../shared/errors.ts';
import { RateBucket } from '../shared/host/index.ts';
import { minTlsVersion, type TlsMaterial } from './tls.ts';

export interface ListenerLimits {
  /** WebSockets; the listener takes somewhat more sockets, for HTTP. */
  readonly maxConnections: number;
  /** From connecting to the end of the TLS handshake, and again to the end of a request's head. */
  readonly headersTimeoutMs: number;
  /** From its first byte to the end of a request. */
  readonly requestTimeoutMs: number;
  /** Of one connection, over time; after a pause a second's worth at once. */
  readonly requestsPerSecond: number;
  /** Silence on a socket while a response is sent or waited for. */
  readonly idleTimeoutMs: number;
}

export interface ListenerOptions {
  readonly limits: ListenerLimits;
  readonly clock: Clock;
  readonly tls: TlsMaterial | undefined;
  /** Looks at every TCP connection first; what it refuses costs no parser and no handshake. */
  readonly door: (socket: Socket) => OfframpError | undefined;
  /** A refusal of a socket that has asked nothing yet. */
  readonly onRefused: (code: ErrorCode, address: string | undefined) => void;
}

/** Sockets beyond the WebSockets: health, metrics, requests, and whoever has not said yet what it wants. */
const spareConnections = 256;
/** Requests of one connection without a response yet. Hardly anybody pipelines, and one packet can hold a thousand requests. */
const maxPipelined = 16;
/** How often Node looks for heads and requests that are late. */
const checkEveryMs = 500;
const keepAliveTimeoutMs = 10_000;

/** Makes the HTTP servers, with or without TLS, and renews their certificates. */
export class Listener {
  readonly #options: ListenerOptions;
  /** One for each address that the host's name has. */
  readonly #servers: Server[] = [];
  #tls: TlsMaterial | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#tls = options.tls;
  }

  get tls(): TlsMaterial | undefined {
    return this.#tls;
  }

  /** A new server; give this to fastify as its `serverFactory`. */
  create(handler: RequestListener): Server {
    const { limits, onRefused } = this.#options;
    const { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs } = limits;
    const http = {
      headersTimeout: headersTimeoutMs,
      requestTimeout: Math.max(requestTimeoutMs, headersTimeoutMs),
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: checkEveryMs,
    };
    const limited = this.#limitRequests(handler);
    const server =
      this.#tls === undefined
        ? createServer(http, limited)
        : createTlsServer({ ...http, ...tlsOptions(this.#tls), handshakeTimeout: headersTimeoutMs }, limited);
    server.setTimeout(idleTimeoutMs, (socket) => {
      // Without anything to read for it, it has only kept its connection too long.
      if (socket.writableLength > 0) onRefused('SLOW_PEER', socket.remoteAddress);
      socket.destroy();
    });
    server.maxConnections = limits.maxConnections + spareConnections;
    server.on('drop', (data) => onRefused('TOO_MANY_CONNECTIONS', data?.remoteAddress));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      const late = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT';
      onRefused(late ? 'REQUEST_TIMEOUT' : 'TLS_HANDSHAKE_FAILED', socket.remoteAddress);
      socket.destroy();
    });
    this.#guard(server);
    this.#servers.push(server);
    return server;
  }

  /** Serves new connections with another certificate, key and client CA; those that are open go on with the old ones. */
  replaceTls(tls: TlsMaterial): void {
    if (this.#tls === undefined) throw new OfframpError('INTERNAL', 'TLS is not served here');
    this.#tls = tls;
    for (const server of this.#servers) {
      if (server instanceof TlsServer) server.setSecureContext(tlsOptions(tls));
    }
  }

  /** Bounds how fast requests come on one connection, and how many are ahead of their responses. */
  #limitRequests(handler: RequestListener): RequestListener {
    const { limits, clock, onRefused } = this.#options;
    const rate = { perSecond: limits.requestsPerSecond, burst: limits.requestsPerSecond };
    const sockets = new WeakMap<Socket, { waiting: number; readonly requests: RateBucket }>();
    return (request, response) => {
      const { socket } = request;
      // Node reads all requests of a packet, whatever becomes of the first.
      if (socket.destroyed) return;
      const own = sockets.get(socket) ?? { waiting: 0, requests: new RateBucket(rate, clock.now()) };
      sockets.set(socket, own);
      const waitMs = own.requests.take(1, clock.now());
      if (own.waiting >= maxPipelined || waitMs > 0) onRefused('RATE_LIMITED', socket.remoteAddress);
      if (own.waiting >= maxPipelined) {
        socket.destroy();
        return;
      }
      own.waiting++;
      response.once('close', () => {
        own.waiting--;
      });
      if (waitMs === 0) handler(request, response);
      else {
        const message = `More than ${rate.perSecond} requests a second on this connection`;
        refuse(response, new OfframpError('RATE_LIMITED', message, { retryAfterMs: waitMs }));
      }
    };
  }

  /** Puts the door before whatever else listens for connections: Node offers no hook there. */
  #guard(server: Server): void {
    const { door, onRefused } = this.#options;
    const inside = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      const refusal = door(socket);
      if (refusal === undefined) for (const listener of inside) listener.call(server, socket);
      else {
        onRefused(refusal.code, socket.remoteAddress);
        socket.on('error', () => {});
        if (this.#tls === undefined) endWithRefusal(socket, refusal);
        else socket.destroy();
      }
    });
  }
}

function tlsOptions({ cert, key, clientCa }: TlsMaterial) {
  const client = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return { cert, key, minVersion: minTlsVersion, ...client } as const;
}

/** Answers a request that has not reached its route. */
function refuse(response: ServerResponse, error: OfframpError): void {
  response.writeHead(error.httpStatus, { 'content-type': 'application/json', ...retryAfter(error) });
  response.end(bodyOf(error));
}

/** Answers a refused socket over HTTP and ends it, whether or not the other side does. */
export function endWithRefusal(socket: Duplex, error: OfframpError): void {
  // Nobody reads from it any more, so that its other end closing would never be seen.
  socket.once('finish', () => socket.destroy());
  const body = bodyOf(error);
  const headers = {
    'Content-Type': 'application/json',
    ...retryAfter(error),
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${error.httpStatus} ${error.code}\r\n${lines.join('')}\r\n${body}`);
}

function bodyOf({ code, message }: OfframpError): string {
  return JSON.stringify({ error: { code, message } });
}

function retryAfter({ retryAfterMs }: OfframpError): { 'Retry-After'?: number } {
  return retryAfterMs === undefined ? {} : { 'Retry-After': Math.ceil(retryAfterMs / 1000) };
}
