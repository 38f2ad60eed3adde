import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { listenError } from '../../shared/host/index.ts';
import { Connection, type Place } from './connection.ts';
import type { Direction, Link } from './link.ts';
import { OneWay } from './one-way.ts';
import { timingOf } from './timing.ts';
import { Way } from './way.ts';

export interface LinkEmulatorOptions {
  /** Port 0 is any that is free. */
  readonly listen: Place;
  readonly target: Place;
  readonly link: Link;
  /** Uniform in [0, 1): jitter and losses. */
  readonly random: () => number;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Link time to begin at. Default 0. */
  readonly startAtMs?: number;
  /** Default 256. Those beyond are cut at once. */
  readonly maxConnections?: number;
}

const defaultMaxConnections = 256;

/**
 * A TCP proxy that makes its two sides as far apart as a link would: up is from whoever connects to the target.
 *
 * All connections share the link. A connection is accepted at once, but nothing is sent before the round trip that TCP would
 * have taken to set it up. Half-closed and broken connections are passed on behind what was sent before. Held in memory for
 * each connection and direction: 64 KiB that were read, and what is on its way, never more than 6 MiB; the bottleneck holds the
 * link's `queueBytes` of all of them together. A side that does not read is not sent to.
 *
 * See `OneWay` for what such a model does not show.
 */
export class LinkEmulator {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #options: LinkEmulatorOptions;
  readonly #startAtMs: number;
  readonly #ways: { readonly up: Way; readonly down: Way };
  readonly #connections = new Set<Connection>();
  #originMs: number;

  /** @throws OfframpError CONFIG_INVALID for a link that takes nothing, PORT_IN_USE. */
  static async start(options: LinkEmulatorOptions): Promise<LinkEmulator> {
    const emulator = new LinkEmulator(options);
    await emulator.#listen();
    return emulator;
  }

  private constructor(options: LinkEmulatorOptions) {
    const { startAtMs = 0, maxConnections = defaultMaxConnections, link } = options;
    const timing = options.clock === undefined ? timingOf(link) : { clock: options.clock, earlyMs: 0 };
    const { clock } = timing;
    this.#options = options;
    this.#clock = clock;
    this.#startAtMs = startAtMs;
    this.#originMs = clock.now() - startAtMs;
    const way = (direction: Direction) => new Way(timing, direction, this.#model(direction), this.#originMs);
    this.#ways = { up: way(link.up), down: way(link.down) };
    // Paused until the link has let the connection through.
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) =>
      this.#accept(client),
    );
    this.#server.maxConnections = maxConnections;
  }

  /** The port that it listens on. */
  get port(): number {
    const address = this.#server.address();
    if (typeof address === 'object' && address !== null) return address.port;
    throw new OfframpError(
      'INTERNAL',
      'The link emulator does not listen, expected it to be asked before it is closed',
    );
  }

  /** Where it listens, `tcp://HOST:PORT`. */
  get url(): string {
    const { host } = this.#options.listen;
    return `tcp://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  /** Link time in ms. */
  now(): number {
    return this.#clock.now() - this.#originMs;
  }

  /** Begins the link's time anew, at `startAtMs`. Connections stay; what is on its way arrives when it would have. */
  restart(): void {
    this.#originMs = this.#clock.now() - this.#startAtMs;
    const { up, down } = this.#options.link;
    this.#ways.up.restart(this.#model(up), this.#originMs);
    this.#ways.down.restart(this.#model(down), this.#originMs);
  }

  /** Cuts every connection and listens no more. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.destroy();
    this.#ways.up.close();
    this.#ways.down.close();
    await closed;
  }

  #model(direction: Direction): OneWay {
    const { link, random } = this.#options;
    return new OneWay(direction, link.outages, random, this.#startAtMs);
  }

  #accept(client: Socket): void {
    const { target } = this.#options;
    this.#connections.add(
      new Connection(client, target, this.#ways, (connection) => this.#connections.delete(connection)),
    );
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options.listen;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError(error, host, port)));
      this.#server.listen({ host, port }, () => {
        this.#server.removeAllListeners('error');
        resolve();
      });
    });
  }
}
