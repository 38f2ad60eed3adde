import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { Hello, Welcome } from '../../shared/protocol/index.ts';
import { type BackoffLimits, backoffMs, defaultBackoff } from './backoff.ts';
import {
  Connection,
  type ConnectionLimits,
  type Dial,
  type Offload,
  type OffloadResult,
} from './connection.ts';

/** What the uplink is doing, for status pages and logs. */
export type UplinkEvent =
  | { readonly kind: 'connected'; readonly welcome: Welcome }
  | { readonly kind: 'goaway'; readonly reason: string }
  | { readonly kind: 'disconnected'; readonly error: OfframpError; readonly retryInMs: number };

export interface UplinkOptions {
  readonly dial: Dial;
  /** What it says first; a function is asked for every connection. */
  readonly hello: Hello | (() => Hello);
  readonly clock: Clock;
  /** A number in [0, 1), for the jitter. */
  readonly random: () => number;
  readonly backoff?: BackoffLimits;
  readonly limits?: ConnectionLimits;
  readonly onEvent?: (event: UplinkEvent) => void;
}

/** The cloud as the agent sees it. */
export interface CloudLink {
  readonly connected: boolean;
  /** Bytes of the largest picture file that the server decodes; absent while it is not known to decode any. */
  readonly maxImageBytes?: number | undefined;
  infer(offload: Offload): Promise<OffloadResult>;
}

const defaultLimits: ConnectionLimits = { welcomeTimeoutMs: 5000, maxWaiting: 256 };

/** Keeps one connection to the cloud, and gets a new one with growing, jittered pauses when it ends. Never gives up. */
export class Uplink implements CloudLink {
  readonly #options: UplinkOptions;
  #connection: Connection | undefined;
  #welcome: Welcome | undefined;
  #lastError = new OfframpError('CLOUD_UNREACHABLE', 'Not connected to the cloud yet');
  #attempt = 0;
  #cancelRetry: () => void = () => {};
  #closed = false;
  #lateAnswers = 0;
  readonly #leaving = new Set<Connection>();

  constructor(options: UplinkOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#welcome !== undefined;
  }

  get maxImageBytes(): number | undefined {
    return this.#welcome?.maxImageBytes;
  }

  /** What the server said at connecting, while connected. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** Why there is no connection, when there is none. */
  get lastError(): OfframpError {
    return this.#lastError;
  }

  /** Answers that came after their budget. */
  get lateAnswers(): number {
    return this.#lateAnswers;
  }

  start(): void {
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    this.#connection?.close();
    for (const connection of this.#leaving) connection.close();
  }

  /**
   * @throws OfframpError, at once, CLOUD_UNREACHABLE or the reason the server gave for refusing us; later what
   * {@link Connection.infer} throws.
   */
  async infer(offload: Offload): Promise<OffloadResult> {
    if (this.#connection === undefined || this.#welcome === undefined) throw this.#lastError;
    return this.#connection.infer(offload);
  }

  #connect(): void {
    const { dial, hello, clock, limits = defaultLimits } = this.#options;
    const said = typeof hello === 'function' ? hello() : hello;
    const connection: Connection = new Connection(dial, said, clock, limits, {
      onReady: (welcome) => {
        if (connection !== this.#connection) return;
        this.#attempt = 0;
        this.#welcome = welcome;
        this.#emit({ kind: 'connected', welcome });
      },
      onGoaway: (reason) => this.#onGoaway(connection, reason),
      onEnd: (error) => this.#onEnd(connection, error),
      onLate: () => {
        this.#lateAnswers++;
      },
    });
    this.#connection = connection;
  }

  #onGoaway(connection: Connection, reason: string): void {
    if (connection !== this.#connection) return;
    this.#leaving.add(connection);
    this.#emit({ kind: 'goaway', reason });
    this.#retry(new OfframpError('DRAINING', `The server goes away: ${reason}`));
    connection.leave();
  }

  #onEnd(connection: Connection, error: OfframpError): void {
    if (this.#leaving.delete(connection)) return;
    this.#retry(error);
  }

  #retry(error: OfframpError): void {
    this.#connection = undefined;
    this.#welcome = undefined;
    this.#lastError = error;
    if (this.#closed) return;
    const { clock, random, backoff = defaultBackoff } = this.#options;
    const retryInMs = backoffMs(this.#attempt++, backoff, random());
    this.#emit({ kind: 'disconnected', error, retryInMs });
    this.#cancelRetry = clock.schedule(retryInMs, () => this.#connect());
  }

  #emit(event: UplinkEvent): void {
    this.#options.onEvent?.(event);
  }
}
