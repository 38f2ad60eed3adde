import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ErrorCode, OfframpError } from '../shared/errors.ts';
import { minTlsVersion, type TlsMaterial } from './tls.ts';

export interface ListenerLimits {
  /** WebSockets; the listener takes somewhat more sockets, for HTTP. */
  readonly maxConnections: number;
  /** From connecting to the end of the TLS handshake, and again to the end of a request's head. */
  readonly headersTimeoutMs: number;
  /** From its first byte to the end of a request. */
  readonly requestTimeoutMs: number;
  /** Silence on a socket while a response is sent or waited for. */
  readonly idleTimeoutMs: number;
}

export interface ListenerOptions {
  readonly limits: ListenerLimits;
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
    const inTurn = this.#limitPipelining(handler);
    const server =
      this.#tls === undefined
        ? createServer(http, inTurn)
        : createTlsServer({ ...http, ...tlsOptions(this.#tls), handshakeTimeout: headersTimeoutMs }, inTurn);
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

  /** Node reads all requests of a packet before it looks at how much waits to be written. */
  #limitPipelining(handler: RequestListener): RequestListener {
    const waiting = new WeakMap<Socket, number>();
    return (request, response) => {
      const { socket } = request;
      if (socket.destroyed) return;
      const own = (waiting.get(socket) ?? 0) + 1;
      if (own > maxPipelined) {
        this.#options.onRefused('RATE_LIMITED', socket.remoteAddress);
        socket.destroy();
        return;
      }
      waiting.set(socket, own);
      response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
      handler(request, response);
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

/** Answers a refused socket over HTTP and ends it, whether or not the other side does. */
export function endWithRefusal(socket: Duplex, error: OfframpError): void {
  // Nobody reads from it any more, so that its other end closing would never be seen.
  socket.once('finish', () => socket.destroy());
  const { code, message, httpStatus, retryAfterMs } = error;
  const body = JSON.stringify({ error: { code, message } });
  const retry = retryAfterMs === undefined ? '' : `Retry-After: ${Math.ceil(retryAfterMs / 1000)}\r\n`;
  socket.end(
    `HTTP/1.1 ${httpStatus} ${code}\r\nContent-Type: application/json\r\n${retry}` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
