import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import { type BreakerLimits, CircuitBreaker } from './circuit-breaker.ts';
import type { Offload, OffloadResult } from './connection.ts';
import { RecentLatencies } from './recent-latencies.ts';
import type { CloudLink } from './uplink.ts';

/** One server as the agent knows it. */
export interface EndpointLink extends CloudLink {
  /** Why there is no connection, when there is none. */
  readonly lastError: OfframpError;
}

/** Failures for which the server is to blame, or the way to it. */
const blamed: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BUDGET_SPENT',
  'FRAME_INVALID',
  'INTERNAL',
  'RUNTIME_FAILED',
  'RUNTIME_STOPPED',
]);
/** Without a word of when to come back. */
const usualRetryMs = 50;
const hedgeQuantile = 0.95;

/** What is known of a server, and whether to send it anything. Takes the time as an argument. */
export class Endpoint {
  readonly link: EndpointLink;
  readonly #breaker: CircuitBreaker;
  readonly #latencies = new RecentLatencies();
  #inFlight = 0;
  #queuedRows = 0;
  #busyUntilMs = Number.NEGATIVE_INFINITY;
  #lastFailure: OfframpError | undefined;

  constructor(link: EndpointLink, breaker?: BreakerLimits) {
    this.link = link;
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

  /** Why nothing should be sent now; `undefined` when it may be. */
  refusal(nowMs: number): OfframpError | undefined {
    if (!this.link.connected) return this.link.lastError;
    if (nowMs < this.#busyUntilMs || !this.#breaker.allows(nowMs)) {
      return this.#lastFailure ?? new OfframpError('BUSY', 'The server asked for a pause');
    }
    return undefined;
  }

  async infer(offload: Offload, now: () => number): Promise<OffloadResult> {
    const sentAtMs = now();
    this.#breaker.onSent();
    this.#inFlight++;
    try {
      const result = await this.link.infer(offload);
      this.#latencies.add(now() - sentAtMs);
      this.#queuedRows = result.queuedRows;
      this.#breaker.onSuccess();
      return result;
    } catch (thrown) {
      const error = OfframpError.from(thrown);
      this.#learn(error, now());
      throw error;
    } finally {
      this.#inFlight--;
    }
  }

  #learn(error: OfframpError, nowMs: number): void {
    this.#lastFailure = error;
    if (blamed.has(error.code)) this.#breaker.onFailure(nowMs);
    else this.#breaker.onNeither();
    if (error.code !== 'BUSY' && error.code !== 'RATE_LIMITED') return;
    this.#busyUntilMs = nowMs + (error.retryAfterMs ?? usualRetryMs);
  }
}
