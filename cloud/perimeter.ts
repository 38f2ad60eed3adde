import type { IncomingHttpHeaders, IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../shared/clock.ts';
import { type ErrorCode, OfframpError } from '../shared/errors.ts';
import { bearerToken, refuseOpenHost, type Scope, type TokenEntry } from '../shared/host/index.ts';
import { Admission } from './admission.ts';
import { type Client, Clients } from './clients.ts';
import type { CloudLimits } from './limits.ts';
import { endWithRefusal, Listener } from './listener.ts';
import { type RefusalLine, RefusalLog } from './refusal-log.ts';
import { certificateName, type TlsMaterial } from './tls.ts';

/** Who may reach the server, and how. */
export interface AccessOptions {
  readonly tokens: readonly TokenEntry[];
  /** Absent: plain HTTP and WebSocket. */
  readonly tls?: TlsMaterial | undefined;
  /** Origins of web pages that may connect, besides the server's own. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Addresses and networks of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[] | undefined;
}

export interface PerimeterOptions extends AccessOptions {
  readonly host: string;
  readonly limits: CloudLimits;
  readonly draining: () => boolean;
  readonly connections: () => number;
  readonly onRefused: (code: ErrorCode) => void;
  readonly onClientRows: (client: string, rows: number) => void;
  readonly onRefusalLine: (line: RefusalLine) => void;
}

/** Everything between the network and a session: listening with or without TLS, the limits of peers, and who they are. */
export class Perimeter {
  readonly #options: PerimeterOptions;
  readonly #clients: Clients;
  readonly #admission: Admission;
  readonly #listener: Listener;
  readonly #refusals: RefusalLog;

  /** @throws OfframpError CONFIG_INVALID: neither token nor client certificate off loopback, or what {@link Admission} throws. */
  constructor(options: PerimeterOptions) {
    const { tokens, tls, host, limits, allowedOrigins = [], trustedProxies = [] } = options;
    const open = tokens.length === 0 && tls?.clientCa === undefined;
    if (open) refuseOpenHost(host);
    this.#options = options;
    this.#clients = new Clients({
      ...{
        tokens,
        openScopes: open ? ['infer', 'read', 'admin'] : ['infer'],
        clock: systemClock,
        epochMs: Date.now,
      },
      onRows: options.onClientRows,
    });
    const { draining, connections } = options;
    this.#admission = new Admission({
      ...{ limits, open, clock: systemClock, allowedOrigins, trustedProxies, draining, connections },
    });
    this.#refusals = new RefusalLog(systemClock, options.onRefusalLine);
    this.#listener = new Listener({
      ...{ limits, tls, clock: systemClock },
      door: (socket) => this.#admission.door(socket),
      onRefused: (code, address) => this.#onRefused(code, address),
    });
  }

  /** Open connections by the client's name. */
  get clientConnections(): ReadonlyMap<string, number> {
    return this.#clients.connections;
  }

  get tls(): TlsMaterial | undefined {
    return this.#listener.tls;
  }

  /** For fastify's `serverFactory`. */
  createServer(handler: RequestListener): Server {
    return this.#listener.create(handler);
  }

  /** Takes other tokens; who held one that is gone finds out by {@link Client.refusal}. */
  replaceTokens(tokens: readonly TokenEntry[]): void {
    this.#clients.replace(tokens);
  }

  /** Serves new connections with another certificate; those that are open stay. */
  replaceTls(tls: TlsMaterial): void {
    this.#listener.replaceTls(tls);
  }

  /** Whether an upgrade may go on; when not, it has been answered and counted. */
  admitUpgrade(request: IncomingMessage, socket: Duplex): boolean {
    const refusal = this.#admission.upgrade(request);
    if (refusal === undefined) return true;
    this.reject(socket, refusal, this.#admission.addressOf(request));
    return false;
  }

  /** What lets a device on this socket in by the token of its hello, see {@link Clients.connect}. */
  authorise(socket: Duplex): (token: string | undefined) => Client {
    const certificate = this.#certificate(socket);
    return (token) => this.#clients.connect({ token, certificate: certificate() });
  }

  /**
   * Who makes an HTTP request, by its bearer token and client certificate.
   * @throws OfframpError UNAUTHORIZED, FORBIDDEN, ORIGIN_REFUSED.
   */
  identify(request: IncomingMessage, scope: Scope): Client {
    const refusal = this.#admission.strange(request.headers);
    if (refusal !== undefined) throw refusal;
    const certificate = this.#certificate(request.socket)();
    return this.#clients.identify({ token: bearerToken(request.headers.authorization), certificate }, scope);
  }

  /** Where a request comes from, with what a trusted proxy says of it; without the port. */
  addressOf(request: IncomingMessage): string {
    return this.#admission.addressOf(request).replace(/^::ffff:(?=[0-9.]+$)/, '');
  }

  /** Why a page of a stranger may not ask, whoever asks with it; `undefined` for everybody else. */
  strange(headers: IncomingHttpHeaders): OfframpError | undefined {
    return this.#admission.strange(headers);
  }

  /** Answers a socket that HTTP has let go of, counts the refusal and ends it. */
  reject(socket: Duplex, error: OfframpError, address?: string): void {
    this.#onRefused(error.code, address);
    endWithRefusal(socket, error);
  }

  /** What Node's HTTP parser refuses: a head or a body that is late, too long, or no HTTP. */
  rejectRequest(error: Error & { readonly code?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    const refusal =
      error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new OfframpError('REQUEST_TIMEOUT', 'The request did not arrive in time')
        : new OfframpError('REQUEST_INVALID', `No HTTP request: ${error.message}`);
    const { remoteAddress } = socket;
    if (socket.writable) this.reject(socket, refusal, remoteAddress);
    else {
      this.#onRefused(refusal.code, remoteAddress);
      socket.destroy();
    }
  }

  /** Reads the name in the peer's certificate where one is asked for; throws UNAUTHORIZED when it names nobody. */
  #certificate(socket: Duplex): () => string | undefined {
    if (this.#listener.tls?.clientCa === undefined) return () => undefined;
    const name = certificateName(socket);
    return () => {
      if (name !== undefined) return name;
      throw new OfframpError('UNAUTHORIZED', 'The client certificate has no common name');
    };
  }

  #onRefused(code: ErrorCode, address: string | undefined): void {
    this.#options.onRefused(code);
    this.#refusals.add(code, address);
  }
}
