import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import { RateBucket } from '../shared/host/index.ts';
import {
  type BundleRun,
  bundleTag,
  decodeFrame,
  encodeError,
  encodeGoaway,
  encodeResult,
  encodeWelcome,
  type Frame,
  type Hello,
  type InferRequest,
  type Load,
  parseAlarms,
  parseHello,
  parseInfer,
  type Transport,
  type TransportEvents,
  type Welcome,
} from '../shared/protocol/index.ts';
import type { Tracer } from '../shared/trace/index.ts';
import type { BundleShelf } from './bundle-shelf.ts';
import type { Client } from './clients.ts';
import { DeviceTally, type StandingAlarm, standingAlarms } from './console/index.ts';
import type { SentWork } from './picture-decoder.ts';
import type { ServedBundle } from './served-bundle.ts';
import { traceWork } from './trace-work.ts';

export interface SessionLimits {
  /** Requests in flight per connection; announced as `credits`. */
  readonly credits: number;
  readonly maxFrameBytes: number;
  /** Bytes of the largest picture file, announced with the same name; 0 takes none. */
  readonly maxImageBytes: number;
  readonly heartbeatMs: number;
  /** A peer that has not said a valid hello by then is disconnected. */
  readonly helloTimeoutMs: number;
  /** A peer that lets this much pile up unread is disconnected. */
  readonly maxUnsentBytes: number;
  /** Requests on one connection, over time; after a pause a second's worth at once. */
  readonly requestsPerSecond: number;
}

/** What a session needs of the server around it. */
export interface SessionHost {
  readonly serverName: string;
  readonly shelf: Pick<BundleShelf, 'all' | 'byTag'>;
  readonly limits: SessionLimits;
  readonly clock: Clock;
  /** Names the connection, as no other is named: connections take turns at being served. */
  readonly connection: string;
  load(): Load;
  /** What is known of the durations of a bundle's batches. */
  runsOf(served: ServedBundle): BundleRun[];
  /** @throws OfframpError UNAUTHORIZED, FORBIDDEN, TOO_MANY_CONNECTIONS. */
  authorise(token: string | undefined): Client;
  submit(work: SentWork): () => void;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
  /** Counts a refusal by its code. */
  onRefused(code: OfframpError['code']): void;
  onReady(agent: string, client: string): void;
  /** Hears how long an answer took, from the whole request on. */
  onAnswered(bundle: string, seconds: number): void;
}

/** Close codes of RFC 6455 section 7.4.1. */
const normalClosure = 1000;
const internalError = 1011;
const policyViolation = 1008;

/**
 * The server's side of one connection: checks the hello, then matches requests to answers. Knows no socket; a transport
 * carries its bytes.
 */
export class Session implements TransportEvents {
  readonly #host: SessionHost;
  readonly #transport: Transport;
  /** Requests without an answer yet, with what drops them from the queue. */
  readonly #inFlight = new Map<number, () => void>();
  readonly #cancelHelloTimeout: () => void;
  readonly #requests: RateBucket;
  /** What its device did lately. */
  readonly tally: DeviceTally;
  #client: Client | undefined;
  #agent = '';
  #claims: Hello['bundles'] = [];
  /** By bundle, of those in the hello. */
  readonly #alarms = new Map<string, readonly StandingAlarm[]>();
  #state: 'awaiting-hello' | 'ready' | 'closed' = 'awaiting-hello';

  constructor(host: SessionHost, transport: Transport) {
    this.#host = host;
    this.#transport = transport;
    this.tally = new DeviceTally(host.clock);
    const { helloTimeoutMs, requestsPerSecond } = host.limits;
    const rate = { perSecond: requestsPerSecond, burst: requestsPerSecond };
    this.#requests = new RateBucket(rate, host.clock.now());
    this.#cancelHelloTimeout = host.clock.schedule(helloTimeoutMs, () => {
      this.end(new OfframpError('HELLO_TIMEOUT', `No hello within ${helloTimeoutMs} ms of connecting`));
    });
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Whose connection it is, once the hello has said it. */
  get client(): Client | undefined {
    return this.#client;
  }

  /** Name and version of the device's program, as its hello says; empty before. */
  get agent(): string {
    return this.#agent;
  }

  /** The bundles that its device has. */
  get bundles(): Hello['bundles'] {
    return this.#claims;
  }

  /** What its device's watches have raised and not taken back. */
  get alarms(): readonly StandingAlarm[] {
    return [...this.#alarms.values()].flat();
  }

  /** Requests that it may have in flight. */
  get credits(): number {
    const { credits } = this.#host.limits;
    return Math.min(credits, this.#client?.maxInFlight ?? credits);
  }

  /** Whether its device runs this very bundle. */
  claims(digest: string): boolean {
    return this.#claims.some((claim) => claim.digest === digest);
  }

  get greeted(): boolean {
    return this.#state !== 'awaiting-hello';
  }

  onMessage(message: Uint8Array): void {
    if (this.#state === 'closed') return;
    try {
      this.#onFrame(decodeFrame(message));
    } catch (thrown) {
      this.end(OfframpError.from(thrown));
    }
  }

  onClose(): void {
    this.#state = 'closed';
    this.#cancelHelloTimeout();
    for (const drop of this.#inFlight.values()) {
      drop();
      this.#client?.end();
    }
    this.#inFlight.clear();
    this.#client?.leave();
  }

  /** The socket refuses what its peer sends and closes by itself; counted, unless there is an end already. */
  fault(code: OfframpError['code']): void {
    if (this.#state === 'closed') return;
    this.#host.onRefused(code);
    this.onClose();
  }

  /** Tells the peer why, and closes with the error's code. */
  end(error: OfframpError): void {
    if (this.#state === 'closed') return;
    this.#host.onRefused(error.code);
    this.#transport.send(encodeError(0, error));
    this.#transport.close(error.closeCode ?? internalError, error.code);
    this.onClose();
  }

  /** Asks the device to finish here and send new work elsewhere. What is under way is still answered. */
  goAway(reason: string): void {
    if (this.#state === 'ready') this.#transport.send(encodeGoaway(reason));
    else this.close('draining');
  }

  close(reason: string): void {
    this.#transport.close(normalClosure, reason);
    this.onClose();
  }

  #onFrame(frame: Frame): void {
    if (this.#state === 'awaiting-hello') {
      if (frame.type !== 'hello') {
        throw new OfframpError('HELLO_INVALID', `The first frame is '${frame.type}', expected 'hello'`);
      }
      this.#greet(parseHello(frame.header));
      return;
    }
    if (frame.type === 'infer') this.#infer(frame);
    else if (frame.type === 'alarms') this.#noteAlarms(frame);
    else {
      const expected = "expected 'infer' or 'alarms' after its hello";
      throw new OfframpError('FRAME_INVALID', `A device sent '${frame.type}', ${expected}`);
    }
  }

  #noteAlarms(frame: Frame): void {
    // They count as requests, though nobody waits for an answer that would say so.
    if (this.#requests.take(1, this.#host.clock.now()) > 0) {
      this.#host.onRefused('RATE_LIMITED');
      return;
    }
    const alarms = parseAlarms(frame.header);
    const claim = this.#claims.find(({ digest }) => bundleTag(digest) === alarms.bundleTag);
    if (claim === undefined) {
      const tag = alarms.bundleTag.toString(16).padStart(8, '0');
      throw new OfframpError('FRAME_INVALID', `Alarms of bundle ${tag}, expected one that the hello names`);
    }
    const standing = standingAlarms(claim.id, alarms);
    if (standing.length > 0) this.#alarms.set(claim.digest, standing);
    else this.#alarms.delete(claim.digest);
  }

  #greet(hello: Hello): void {
    const { serverName, shelf, limits } = this.#host;
    const client = this.#host.authorise(hello.token);
    this.#client = client;
    for (const claim of hello.bundles) checkClaim(claim, shelf.all);
    this.#claims = hello.bundles;
    this.#agent = hello.agent;
    this.#cancelHelloTimeout();
    this.#state = 'ready';
    const welcome: Welcome = {
      server: serverName,
      bundles: shelf.all.map((served) => {
        const runs = this.#host.runsOf(served);
        return { id: served.id, digest: served.digest, ...(runs.length > 0 && { runs }) };
      }),
      credits: this.credits,
      maxFrameBytes: limits.maxFrameBytes,
      ...(limits.maxImageBytes > 0 && { maxImageBytes: limits.maxImageBytes }),
      heartbeatMs: limits.heartbeatMs,
      load: this.#host.load(),
    };
    this.#transport.send(encodeWelcome(welcome));
    this.#host.onReady(hello.agent, client.name);
  }

  #infer(frame: Frame): void {
    if (frame.id === 0)
      throw new OfframpError('FRAME_INVALID', 'An infer frame with id 0, expected 1 or more');
    if (this.#inFlight.has(frame.id)) {
      // Answering it would end the wait of the request that holds the id, so the connection has to go.
      throw new OfframpError('DUPLICATE_REQUEST', `Request id ${frame.id} is already in flight`);
    }
    this.tally.onRequest();
    try {
      this.#checkRate();
      this.#accept(frame.id, parseInfer(frame));
    } catch (thrown) {
      this.#refuse(frame.id, OfframpError.from(thrown));
    }
  }

  /** Before anything of the request is read: what comes too fast has to cost little. */
  #checkRate(): void {
    const waitMs = this.#requests.take(1, this.#host.clock.now());
    if (waitMs === 0) return;
    const message = `More than ${this.#host.limits.requestsPerSecond} requests a second on this connection`;
    throw new OfframpError('RATE_LIMITED', message, { retryAfterMs: waitMs });
  }

  #accept(id: number, request: InferRequest): void {
    const served = this.#host.shelf.byTag(request.bundleTag);
    if (served === undefined) {
      const tag = request.bundleTag.toString(16).padStart(8, '0');
      throw new OfframpError('BUNDLE_NOT_FOUND', `No bundle here has a digest that begins with ${tag}`);
    }
    const { credits } = this.#host.limits;
    if (this.#inFlight.size >= credits) {
      throw new OfframpError(
        'CREDIT_EXCEEDED',
        `${credits} requests are in flight, this connection has no more credits`,
      );
    }
    this.#client?.begin(request.rows.length);
    // A budget may end while submit still reads the rows, so the entry has to be there before.
    this.#inFlight.set(id, () => {});
    try {
      const drop = this.#submit(id, served, request);
      if (this.#inFlight.has(id)) this.#inFlight.set(id, drop);
    } catch (thrown) {
      this.#settle(id);
      throw thrown;
    }
  }

  #submit(id: number, served: ServedBundle, request: InferRequest): () => void {
    const traced = traceWork(this.#host, 'infer', served, request);
    const { clock, onAnswered } = this.#host;
    const startMs = clock.now();
    return this.#host.submit({
      served,
      cut: request.cut,
      ...(request.channels !== undefined && { channels: request.channels }),
      ...(request.priority !== undefined && { priority: request.priority }),
      ...(request.format !== undefined && { format: request.format }),
      client: this.#host.connection,
      rows: request.rows,
      budgetMs: request.budgetMs,
      onResult: (result) => {
        traced?.onResult(result);
        this.tally.onAnswer(request.cut, result.exits);
        // Nobody waits any more for the answer of a connection that has closed.
        if (this.#inFlight.has(id)) onAnswered(served.id, (clock.now() - startMs) / 1000);
        this.#answer(id, () => encodeResult({ id, ...result }));
      },
      onError: (error) => {
        traced?.onError(error);
        this.#host.onRefused(error.code);
        this.#answer(id, () => encodeError(id, error));
      },
    });
  }

  #answer(id: number, encode: () => Uint8Array): void {
    if (this.#settle(id)) this.#send(encode());
  }

  /** Takes a request off the books; false when it was not on them any more. */
  #settle(id: number): boolean {
    if (!this.#inFlight.delete(id)) return false;
    this.#client?.end();
    return true;
  }

  #refuse(id: number, error: OfframpError): void {
    this.#host.onRefused(error.code);
    this.#send(encodeError(id, error));
  }

  #send(message: Uint8Array): void {
    const { maxUnsentBytes } = this.#host.limits;
    if (this.#transport.bufferedBytes > maxUnsentBytes) {
      this.#host.onRefused('SLOW_PEER');
      this.#transport.close(policyViolation, `more than ${maxUnsentBytes} bytes unread`);
      this.onClose();
      return;
    }
    this.#transport.send(message);
  }
}

function checkClaim(claim: Hello['bundles'][number], bundles: readonly ServedBundle[]): void {
  const own = bundles.filter(({ id }) => id === claim.id);
  if (own.length === 0) {
    const known = bundles.map(({ id }) => id).join(', ');
    throw new OfframpError('BUNDLE_NOT_FOUND', `This server has no bundle '${claim.id}'; it has ${known}`);
  }
  if (own.some(({ digest }) => digest === claim.digest)) return;
  const digests = own.map(({ digest }) => digest).join(' and ');
  throw new OfframpError(
    'BUNDLE_DIGEST_MISMATCH',
    `Bundle '${claim.id}' has digest ${claim.digest} on the device and ${digests} on the server; install the same bundle on both`,
  );
}
