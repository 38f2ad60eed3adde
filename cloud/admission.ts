import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import { AddressLimits, AllowedOrigins, foreignRequest, TrustedProxies } from '../shared/host/index.ts';
import { subprotocol } from '../shared/protocol/index.ts';

export interface AdmissionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Of one address, over time; after a pause twice as many at once. */
  readonly newConnectionsPerSecond: number;
}

export interface AdmissionOptions {
  readonly limits: AdmissionLimits;
  readonly clock: Clock;
  /** Origins of pages that may connect. */
  readonly allowedOrigins: readonly string[];
  /** Addresses and networks of proxies. */
  readonly trustedProxies: readonly string[];
  /** Whether callers show no token and no certificate: then only this machine's own are let in. */
  readonly open: boolean;
  readonly draining: () => boolean;
  readonly connections: () => number;
}

/** Addresses without a connection that are remembered for how fast they connected. */
const maxRemembered = 10_000;

/** Who may connect at all, before any hello: counts by address, and the checks on an upgrade, the cheap ones first. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #addresses: AddressLimits;
  readonly #origins: AllowedOrigins;
  readonly #proxies: TrustedProxies;

  /** @throws OfframpError CONFIG_INVALID for what is no origin, no address or network. */
  constructor(options: AdmissionOptions) {
    const { maxConnectionsPerAddress: maxOpen, newConnectionsPerSecond: newPerSecond } = options.limits;
    this.#options = options;
    this.#addresses = new AddressLimits({ maxOpen, newPerSecond, maxRemembered }, options.clock);
    this.#origins = new AllowedOrigins(options.allowedOrigins);
    this.#proxies = new TrustedProxies(options.trustedProxies);
  }

  /** Counts a TCP connection until it closes, or says why it is refused. A trusted proxy's count as those behind it. */
  door(socket: Socket): OfframpError | undefined {
    const address = socket.remoteAddress;
    if (address === undefined) return new OfframpError('CONNECTION_LOST', 'The peer has gone');
    if (this.#proxies.trusts(address)) return undefined;
    return this.#enter(address, socket);
  }

  /** Why an upgrade is refused; `undefined` lets it go on. */
  upgrade(request: IncomingMessage): OfframpError | undefined {
    const { limits, draining, connections } = this.#options;
    if (draining()) return new OfframpError('DRAINING', 'This server is stopping');
    if (connections() >= limits.maxConnections) {
      const message = `${connections()} connections are open, no more are taken`;
      return new OfframpError('TOO_MANY_CONNECTIONS', message);
    }
    return this.strange(request.headers) ?? this.#unsupported(request) ?? this.#behindProxy(request);
  }

  /** Why a page of a stranger may not ask: ORIGIN_REFUSED, UNAUTHORIZED; `undefined` for everybody else. */
  strange({ host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>): OfframpError | undefined {
    const { open } = this.#options;
    const ownOrigin = open && foreignRequest({ origin }) === undefined;
    const refusal = ownOrigin ? undefined : this.#origins.refusal({ host, origin });
    return refusal ?? (open ? foreignRequest({ host }) : undefined);
  }

  /** The address that a request comes from, with what a trusted proxy says of it. */
  addressOf({ socket, headers }: IncomingMessage): string {
    const forwarded = headers['x-forwarded-for'];
    return this.#proxies.clientOf(
      socket.remoteAddress ?? '',
      Array.isArray(forwarded) ? forwarded.join() : forwarded,
    );
  }

  #unsupported({ headers }: IncomingMessage): OfframpError | undefined {
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (offered.includes(subprotocol)) return undefined;
    const message = `Expected the WebSocket subprotocol ${subprotocol}, got ${offered.join(', ').slice(0, 200) || 'none'}`;
    return new OfframpError('PROTOCOL_UNSUPPORTED', message);
  }

  /** The connection was not counted at the door, since it is the proxy's. */
  #behindProxy(request: IncomingMessage): OfframpError | undefined {
    if (!this.#proxies.trusts(request.socket.remoteAddress ?? '')) return undefined;
    return this.#enter(this.addressOf(request), request.socket);
  }

  #enter(address: string, socket: Socket): OfframpError | undefined {
    try {
      const leave = this.#addresses.enter(address);
      socket.once('close', leave);
      return undefined;
    } catch (thrown) {
      return OfframpError.from(thrown);
    }
  }
}
