import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  type Alarms,
  clientWireBytes,
  decodeFrame,
  encodeAlarms,
  encodeHello,
  encodeInfer,
  type Frame,
  type Hello,
  type InferRequest,
  type InferResult,
  maxRequestId,
  parseError,
  parseGoaway,
  parseResult,
  parseWelcome,
  type Transport,
  type TransportEvents,
  type Welcome,
} from '../../shared/protocol/index.ts';

/** The device's end of a connection. */
export interface DialledTransport extends Transport {
  /**
   * Pings the server every `heartbeatMs` from now on, and ends the connection when a whole one passes without a sign of life.
   * Where no ping can be sent, as in a browser, it is what {@link DialledTransport.doubt} waits by.
   */
  setHeartbeat?(heartbeatMs: number): void;
  /** A request got no answer within its budget. For transports without pings, which else would not notice a dead link. */
  doubt?(): void;
}

/** Starts connecting and returns at once; `onOpen` comes when messages may be sent, `onClose` always comes last. */
export type Dial = (events: DialEvents) => DialledTransport;

export interface DialEvents extends TransportEvents {
  onOpen(): void;
  /** The server has answered, and will not have a connection; `onClose` follows. */
  onRefused?(error: OfframpError): void;
}

/** Images to finish in the cloud. */
export interface Offload extends Omit<InferRequest, 'id'> {
  /** Number of classes, for the shape of the logits that come back. */
  readonly classes: number;
  /** What the cloud's answer would add to the device's own, above 0 and up to 1; absent: as much as any. Stays on the device. */
  readonly worth?: number;
  /** Called with the bytes the request takes on the connection, WebSocket framing included, when it is sent. */
  readonly onSent?: (bytes: number) => void;
}

export interface OffloadResult extends InferResult {
  /** Bytes the request took on the connection, WebSocket framing included. */
  readonly bytesSent: number;
}

export interface ConnectionOwner {
  onReady(welcome: Welcome): void;
  onGoaway(reason: string): void;
  /** The connection is over; everything in flight on it has been rejected. Called once. */
  onEnd(error: OfframpError): void;
  /** An answer came for a request that nobody waits for any more. */
  onLate(): void;
  /** Something other than a request, of so many bytes, was answered after so long: the hello, a ping. */
  onRoundTrip?(bytes: number, roundTripMs: number): void;
}

export interface ConnectionLimits {
  /** Time from dialling to the server's welcome. */
  readonly welcomeTimeoutMs: number;
  /** Requests that may wait for a credit. */
  readonly maxWaiting: number;
}

interface Pending {
  readonly offload: Offload;
  readonly bytesSent: number;
  readonly resolve: (result: OffloadResult) => void;
  readonly reject: (error: OfframpError) => void;
  readonly cancelTimeout: () => void;
}

interface Waiting {
  readonly send: () => void;
  readonly reject: (error: OfframpError) => void;
}

const normalClosure = 1000;
const protocolError = 1002;
/** A server may neither have the link pinged to death nor leave a dead one unnoticed for long. */
const [leastHeartbeatMs, mostHeartbeatMs] = [1000, 60_000];

/** One connection to a cloud server, from dialling to its end. Requests are matched to answers by id, in any order. */
export class Connection {
  readonly #hello: Hello;
  readonly #clock: Clock;
  readonly #owner: ConnectionOwner;
  readonly #limits: ConnectionLimits;
  readonly #transport: DialledTransport;
  readonly #pending = new Map<number, Pending>();
  readonly #waiting = new Set<Waiting>();
  /** Requests given up here that the server still counts against our credits. */
  readonly #abandoned = new Set<number>();
  readonly #cancelWelcomeTimeout: () => void;
  #welcome: Welcome | undefined;
  #hailed: { readonly bytes: number; readonly atMs: number } | undefined;
  #nextId = 1;
  #ended = false;
  #leaving = false;
  /** Why the server is about to close, when it said so. */
  #refusal: OfframpError | undefined;

  constructor(dial: Dial, hello: Hello, clock: Clock, limits: ConnectionLimits, owner: ConnectionOwner) {
    this.#hello = hello;
    this.#clock = clock;
    this.#limits = limits;
    this.#owner = owner;
    this.#cancelWelcomeTimeout = clock.schedule(limits.welcomeTimeoutMs, () => {
      this.#refusal = new OfframpError(
        'CLOUD_UNREACHABLE',
        `No welcome within ${limits.welcomeTimeoutMs} ms`,
      );
      this.#transport.close(protocolError, 'no welcome');
      this.#end();
    });
    this.#transport = dial({
      onOpen: () => this.#hail(),
      onRoundTrip: (bytes, roundTripMs) => this.#owner.onRoundTrip?.(bytes, roundTripMs),
      onMessage: (message) => this.#onMessage(message),
      onRefused: (error) => {
        this.#refusal = error;
      },
      onClose: (_code, reason) => this.#end(reason),
    });
  }

  get inFlight(): number {
    return this.#pending.size + this.#waiting.size;
  }

  /**
   * Sends a request, or queues it until one of the server's credits is free.
   * @throws OfframpError BUDGET_SPENT when no answer came in time, BUSY when too many wait, CONNECTION_LOST, or what the
   * server answered.
   */
  infer(offload: Offload): Promise<OffloadResult> {
    const startedAtMs = this.#clock.now();
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(new OfframpError('CONNECTION_LOST', 'The connection has ended'));
      const send = () => {
        const budgetMs = offload.budgetMs - (this.#clock.now() - startedAtMs);
        this.#send({ ...offload, budgetMs }, resolve, reject);
      };
      if (this.#hasCredit()) return send();
      if (this.#waiting.size >= this.#limits.maxWaiting) {
        return reject(new OfframpError('BUSY', `${this.#waiting.size} requests already wait for a credit`));
      }
      this.#wait(offload.budgetMs, send, reject);
    });
  }

  /** Tells the server what the device's watches have raised; nothing before its welcome. */
  tell(alarms: Alarms): void {
    if (this.#ended || this.#welcome === undefined) return;
    this.#transport.send(encodeAlarms(alarms));
  }

  /** Takes no new work, finishes what is in flight, then closes. */
  leave(): void {
    this.#leaving = true;
    this.#closeWhenDone();
  }

  /** Ends at once; what is in flight is rejected with CONNECTION_LOST. */
  close(): void {
    this.#transport.close(normalClosure, 'closed by the device');
    this.#end();
  }

  #hail(): void {
    const message = encodeHello(this.#hello);
    this.#hailed = { bytes: clientWireBytes(message.length), atMs: this.#clock.now() };
    this.#transport.send(message);
  }

  #hasCredit(): boolean {
    const credits = this.#welcome?.credits ?? 0;
    return this.#pending.size + this.#abandoned.size < credits;
  }

  #wait(budgetMs: number, send: () => void, reject: (error: OfframpError) => void): void {
    const cancelTimeout = this.#clock.schedule(budgetMs, () => {
      this.#waiting.delete(waiting);
      reject(
        new OfframpError(
          'BUDGET_SPENT',
          `No credit of the server came free within ${Math.round(budgetMs)} ms`,
        ),
      );
    });
    const waiting: Waiting = {
      send: () => {
        cancelTimeout();
        send();
      },
      reject: (error) => {
        cancelTimeout();
        reject(error);
      },
    };
    this.#waiting.add(waiting);
  }

  #send(offload: Offload, resolve: Pending['resolve'], reject: Pending['reject']): void {
    const id = this.#nextId;
    this.#nextId = id === maxRequestId ? 1 : id + 1;
    const { budgetMs } = offload;
    const message = encodeInfer({ ...offload, id });
    if (message.length > (this.#welcome?.maxFrameBytes ?? 0)) {
      reject(
        new OfframpError(
          'FRAME_TOO_LARGE',
          `A request of ${message.length} bytes is more than the server takes`,
        ),
      );
      return;
    }
    const cancelTimeout = this.#clock.schedule(budgetMs, () => {
      this.#pending.delete(id);
      this.#abandoned.add(id);
      this.#transport.doubt?.();
      this.#closeWhenDone();
      reject(new OfframpError('BUDGET_SPENT', `No answer of the cloud within ${Math.round(budgetMs)} ms`));
    });
    this.#pending.set(id, {
      offload,
      bytesSent: clientWireBytes(message.length),
      resolve,
      reject,
      cancelTimeout,
    });
    this.#transport.send(message);
    offload.onSent?.(clientWireBytes(message.length));
  }

  #onMessage(message: Uint8Array): void {
    if (this.#ended) return;
    try {
      this.#onFrame(decodeFrame(message));
    } catch (thrown) {
      this.#refusal = OfframpError.from(thrown, 'FRAME_INVALID');
      this.#transport.close(protocolError, this.#refusal.code);
      this.#end();
    }
  }

  #onFrame(frame: Frame): void {
    switch (frame.type) {
      case 'welcome':
        this.#onWelcome(parseWelcome(frame.header));
        break;
      case 'result':
        this.#onResult(frame);
        break;
      case 'error':
        this.#onError(frame);
        break;
      case 'goaway':
        this.#owner.onGoaway(parseGoaway(frame.header).reason);
        break;
      default:
        throw new OfframpError('FRAME_INVALID', `A server does not send '${frame.type}' frames`);
    }
  }

  #onWelcome(welcome: Welcome): void {
    if (this.#welcome !== undefined)
      throw new OfframpError('FRAME_INVALID', 'A second welcome on one connection');
    for (const { id, digest } of this.#hello.bundles) {
      // A server has several versions of a bundle while its devices move over to a new one.
      const theirs = welcome.bundles.filter((bundle) => bundle.id === id);
      if (theirs.some((bundle) => bundle.digest === digest)) continue;
      const digests = theirs.map((bundle) => bundle.digest).join(' and ');
      throw new OfframpError(
        'BUNDLE_DIGEST_MISMATCH',
        `Bundle '${id}' has digest ${digest} here and ${digests || 'none'} on the server`,
      );
    }
    this.#cancelWelcomeTimeout();
    this.#welcome = welcome;
    const heartbeatMs = Math.min(mostHeartbeatMs, Math.max(leastHeartbeatMs, welcome.heartbeatMs));
    this.#transport.setHeartbeat?.(heartbeatMs);
    this.#owner.onReady(welcome);
    if (this.#hailed !== undefined) {
      this.#owner.onRoundTrip?.(this.#hailed.bytes, this.#clock.now() - this.#hailed.atMs);
    }
    this.#sendWaiting();
  }

  #onResult(frame: Frame): void {
    const pending = this.#settle(frame.id);
    if (pending === undefined) return;
    const { offload, bytesSent, resolve, reject } = pending;
    try {
      const result = parseResult(frame, offload.classes);
      if (result.exits.length !== offload.rows.length) {
        const got = `${result.exits.length} rows for a request of ${offload.rows.length}`;
        throw new OfframpError('FRAME_INVALID', `Invalid result frame: ${got}`);
      }
      resolve({ ...result, bytesSent });
    } catch (thrown) {
      const error = OfframpError.from(thrown, 'FRAME_INVALID');
      reject(error);
      throw error;
    }
  }

  #onError(frame: Frame): void {
    const { code, message, retryAfterMs } = parseError(frame);
    const error = new OfframpError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
    if (frame.id === 0) {
      this.#refusal = error;
      return;
    }
    this.#settle(frame.id)?.reject(error);
  }

  /** Takes a request off the books and lets the next one have its credit. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      this.#abandoned.delete(id);
      this.#owner.onLate();
    }
    pending?.cancelTimeout();
    this.#pending.delete(id);
    this.#sendWaiting();
    this.#closeWhenDone();
    return pending;
  }

  #sendWaiting(): void {
    for (const next of this.#waiting) {
      if (this.#ended || !this.#hasCredit()) return;
      this.#waiting.delete(next);
      next.send();
    }
  }

  #closeWhenDone(): void {
    if (this.#leaving && this.inFlight === 0) this.#transport.close(normalClosure, 'done');
  }

  #end(reason = ''): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelWelcomeTimeout();
    const lost = new OfframpError('CONNECTION_LOST', because('The connection to the cloud was lost', reason));
    for (const pending of this.#pending.values()) {
      pending.cancelTimeout();
      pending.reject(lost);
    }
    this.#pending.clear();
    for (const waiting of this.#waiting) waiting.reject(lost);
    this.#waiting.clear();
    this.#owner.onEnd(this.#refusal ?? (this.#welcome === undefined ? unreachable(reason) : lost));
  }
}

/** A connection that ended before its welcome was never there to be lost. */
function unreachable(reason: string): OfframpError {
  return new OfframpError('CLOUD_UNREACHABLE', because('Cannot connect to the cloud', reason));
}

function because(what: string, reason: string): string {
  return reason === '' ? what : `${what}: ${reason}`;
}
