import type { Clock } from '../../shared/clock.ts';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import { type Alarms, type Hello, isQuiet, type Welcome } from '../../shared/protocol/index.ts';
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
  /** The server wants to be left; it still serves until the next `connected` or `disconnected`. */
  | { readonly kind: 'goaway'; readonly reason: string }
  /** Nobody serves; the next attempt is in `retryInMs`, 0 when it is under way. */
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
  /** Told how long what is no request took there and back on the connection that gets the work. */
  readonly onRoundTrip?: (bytes: number, roundTripMs: number) => void;
  /** What the device's watches have raised; told after every welcome while something stands. */
  readonly alarms?: () => Alarms;
}

/** The cloud as the agent sees it. */
export interface CloudLink {
  readonly connected: boolean;
  /** Bytes of the largest picture file that the server decodes; absent while it is not known to decode any. */
  readonly maxImageBytes?: number | undefined;
  infer(offload: Offload): Promise<OffloadResult>;
}

const defaultLimits: ConnectionLimits = { welcomeTimeoutMs: 5000, maxWaiting: 256 };
/** How long a server that goes still gets work. It takes work for a second; what is sent last has to be there by then. */
const goingMs = 500;
/** Refusals of a server that goes by which it says that it takes no more of our work at all. */
const gone: readonly ErrorCode[] = ['BUNDLE_NOT_FOUND', 'DRAINING'];

/**
 * Keeps one connection to the cloud, and gets a new one with growing, jittered pauses when it ends. Never gives up. A server that
 * asks us to go elsewhere serves on until another has welcomed us, the first attempt at one has failed, or half a second is over;
 * so a drain with a second server there costs no image the cloud's answer.
 */
export class Uplink implements CloudLink {
  readonly #options: UplinkOptions;
  /** Has welcomed us and gets the work. */
  #serving: Connection | undefined;
  #welcome: Welcome | undefined;
  /** On its way to a welcome. */
  #dialling: Connection | undefined;
  /** Ends the time that a server which said goaway still gets work; only while there is one. */
  #cancelGoing: (() => void) | undefined;
  #lastError = new OfframpError('CLOUD_UNREACHABLE', 'Not connected to the cloud yet');
  #attempt = 0;
  #retryAtMs = 0;
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

  /** Tells the server what stands now. A later one is told after its welcome. */
  tellAlarms(): void {
    const { alarms } = this.#options;
    if (alarms !== undefined) this.#serving?.tell(alarms());
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    this.#serving?.close();
    this.#dialling?.close();
    for (const connection of this.#leaving) connection.close();
  }

  /**
   * @throws OfframpError, at once, CLOUD_UNREACHABLE or the reason the server gave for refusing us; later what
   * {@link Connection.infer} throws.
   */
  async infer(offload: Offload): Promise<OffloadResult> {
    const connection = this.#serving;
    if (connection === undefined) throw this.#lastError;
    try {
      return await connection.infer(offload);
    } catch (thrown) {
      if (gone.includes(OfframpError.from(thrown).code)) this.#onGone(connection);
      throw thrown;
    }
  }

  #connect(): void {
    const { dial, hello, clock, limits = defaultLimits } = this.#options;
    const said = typeof hello === 'function' ? hello() : hello;
    const connection: Connection = new Connection(dial, said, clock, limits, {
      onReady: (welcome) => this.#onReady(connection, welcome),
      onGoaway: (reason) => this.#onGoaway(connection, reason),
      onEnd: (error) => this.#onEnd(connection, error),
      onLate: () => {
        this.#lateAnswers++;
      },
      onRoundTrip: (bytes, roundTripMs) => {
        if (connection === this.#serving) this.#options.onRoundTrip?.(bytes, roundTripMs);
      },
    });
    this.#dialling = connection;
  }

  #onReady(connection: Connection, welcome: Welcome): void {
    if (connection !== this.#dialling) return;
    this.#leave();
    this.#dialling = undefined;
    this.#attempt = 0;
    this.#serving = connection;
    this.#welcome = welcome;
    const alarms = this.#options.alarms?.();
    if (alarms !== undefined && !isQuiet(alarms)) connection.tell(alarms);
    this.#emit({ kind: 'connected', welcome });
  }

  #onGoaway(connection: Connection, reason: string): void {
    if (connection !== this.#serving || this.#cancelGoing !== undefined) return;
    this.#lastError = new OfframpError('DRAINING', `The server goes away: ${reason}`);
    this.#cancelGoing = this.#options.clock.schedule(goingMs, () => this.#onGone(connection));
    this.#retry();
    this.#emit({ kind: 'goaway', reason });
  }

  /** A server that goes gets no more work, although there is no other yet. */
  #onGone(connection: Connection): void {
    if (connection !== this.#serving || this.#cancelGoing === undefined) return;
    this.#leave();
    this.#onApart(this.#lastError);
  }

  #onEnd(connection: Connection, error: OfframpError): void {
    if (this.#leaving.delete(connection)) return;
    // After a goaway the way to another server has begun already.
    const isUnderWay = connection === this.#serving && this.#cancelGoing !== undefined;
    if (connection === this.#serving) this.#forgetServing();
    else this.#dialling = undefined;
    this.#leave();
    if (!isUnderWay) this.#retry();
    this.#onApart(error);
  }

  /** Gives the server no more work; what is in flight is still answered. */
  #leave(): void {
    const connection = this.#serving;
    if (connection === undefined) return;
    this.#forgetServing();
    this.#leaving.add(connection);
    connection.leave();
  }

  #forgetServing(): void {
    this.#cancelGoing?.();
    this.#cancelGoing = undefined;
    this.#serving = undefined;
    this.#welcome = undefined;
  }

  #retry(): void {
    if (this.#closed) return;
    const { clock, random, backoff = defaultBackoff } = this.#options;
    const retryInMs = backoffMs(this.#attempt++, backoff, random());
    this.#retryAtMs = clock.now() + retryInMs;
    this.#cancelRetry = clock.schedule(retryInMs, () => this.#connect());
  }

  /** Nobody serves now. */
  #onApart(error: OfframpError): void {
    this.#lastError = error;
    if (this.#closed) return;
    const retryInMs = Math.max(0, this.#retryAtMs - this.#options.clock.now());
    this.#emit({ kind: 'disconnected', error, retryInMs });
  }

  #emit(event: UplinkEvent): void {
    this.#options.onEvent?.(event);
  }
}
