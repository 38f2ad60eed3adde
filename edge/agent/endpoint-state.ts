import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import type { LinkFigures, LinkView } from '../../shared/plan/index.ts';
import { type BreakerLimits, CircuitBreaker } from './circuit-breaker.ts';
import type { OffloadResult } from './connection.ts';
import { EndpointLinkWatch, type Underway } from './endpoint-link.ts';
import { RecentLatencies } from './recent-latencies.ts';

/** Failures for which the server is to blame, or the way to it. */
const blamed: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BUDGET_SPENT',
  'FRAME_INVALID',
  'INTERNAL',
  'RUNTIME_FAILED',
  'RUNTIME_STOPPED',
]);
/** With less there is no point in having the caller wait, even for an answer to which the cloud would add the most. */
const leastChance = 0.05;
/** Without a word of when to come back. */
const usualRetryMs = 50;
const hedgeQuantile = 0.95;

/** What an answer tells of the server and the way to it. */
export type Told = Pick<OffloadResult, 'bytesSent' | 'queueMicros' | 'runMicros' | 'queuedRows'>;

/** What is known of a server from what came of its requests, and whether to send it another. Takes the time as an argument. */
export class EndpointState {
  readonly #breaker: CircuitBreaker;
  readonly #latencies = new RecentLatencies();
  readonly #watch = new EndpointLinkWatch();
  #inFlight = 0;
  #queuedRows = 0;
  #busyUntilMs = Number.NEGATIVE_INFINITY;
  #lastFailure: OfframpError | undefined;

  constructor(breaker?: BreakerLimits) {
    this.#breaker = new CircuitBreaker(breaker);
  }

  /** Rows that would be before the next one, as far as the server has said and we know. */
  get load(): number {
    return this.#queuedRows + this.#inFlight;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** After how long without an answer another server may be asked as well; `undefined` while that is not known. */
  get hedgeAfterMs(): number | undefined {
    return this.#latencies.quantile(hedgeQuantile);
  }

  /** The way there, as it is believed to be now. */
  view(nowMs: number): LinkView {
    return this.#watch.view(nowMs);
  }

  /** What is known of the way there. */
  figures(nowMs: number): LinkFigures {
    return this.#watch.figures(nowMs);
  }

  /** What is no request was answered: so the way is known before the first image takes it, and while none does. */
  onRoundTrip(bytes: number, roundTripMs: number, nowMs: number): void {
    this.#watch.onRoundTrip(bytes, roundTripMs, nowMs);
  }

  /**
   * Why `bytes` should not be sent now though the server takes requests: they would hardly be answered in time.
   * @param worth what the answer would add, above 0 and up to 1: the less, the likelier it has to come in time.
   */
  slowness(bytes: number, budgetMs: number, nowMs: number, worth = 1): OfframpError | undefined {
    const chance = this.#watch.chance(bytes, budgetMs, nowMs);
    if (chance * worth >= leastChance) return undefined;
    const odds = `${(100 * chance).toFixed(1)} % of such images would be answered in time`;
    return new OfframpError('LINK_SLOW', `The way to the cloud is too slow for the budget: ${odds}`);
  }

  /** Why nothing should be sent now though there is a connection; `undefined` when it may be. */
  refusal(nowMs: number): OfframpError | undefined {
    if (nowMs >= this.#busyUntilMs && this.#breaker.allows(nowMs)) return undefined;
    // The budget that was spent was another image's.
    if (this.#lastFailure?.code === 'BUDGET_SPENT') {
      return new OfframpError(
        'LINK_SLOW',
        'Nothing came from the server in time, it is left alone for a while',
      );
    }
    return this.#lastFailure ?? new OfframpError('BUSY', 'The server asked for a pause');
  }

  /** A request is sent; what comes of it is told by {@link onAnswer} or {@link onFailure}, once. */
  onSent(bytes: number, nowMs: number): Underway {
    this.#breaker.onSent();
    this.#inFlight++;
    return this.#watch.onSent(bytes, nowMs);
  }

  onAnswer(underway: Underway, told: Told, nowMs: number): void {
    this.#inFlight--;
    this.#watch.onAnswer(underway, told, nowMs);
    this.#latencies.add(nowMs - underway.sentAtMs);
    this.#queuedRows = told.queuedRows;
    this.#breaker.onSuccess();
  }

  /** @param budgetMs what the request had. */
  onFailure(underway: Underway, error: OfframpError, budgetMs: number, nowMs: number): void {
    this.#inFlight--;
    this.#watch.onNone(underway, nowMs, error.code === 'BUDGET_SPENT' ? budgetMs : undefined);
    this.#lastFailure = error;
    if (blamed.has(error.code)) this.#breaker.onFailure(nowMs);
    else this.#breaker.onNeither();
    if (error.code !== 'BUSY' && error.code !== 'RATE_LIMITED') return;
    this.#busyUntilMs = nowMs + (error.retryAfterMs ?? usualRetryMs);
  }
}
