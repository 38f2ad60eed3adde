import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import type { LinkFigures, LinkView } from '../../shared/plan/index.ts';
import { type BreakerLimits, CircuitBreaker } from './circuit-breaker.ts';
import type { Offload, OffloadResult } from './connection.ts';
import { EndpointLinkWatch } from './endpoint-link.ts';
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
/** With less there is no point in having the caller wait. */
const leastChance = 0.05;
/** Of a frame, its header and what WebSocket adds. */
const frameBytes = 32;
/** Without a word of when to come back. */
const usualRetryMs = 50;
const hedgeQuantile = 0.95;

/** What is known of a server, and whether to send it anything. Takes the time as an argument. */
export class Endpoint {
  readonly link: EndpointLink;
  readonly #breaker: CircuitBreaker;
  readonly #latencies = new RecentLatencies();
  readonly #watch = new EndpointLinkWatch();
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

  /** The way there, as it is believed to be now. */
  view(nowMs: number): LinkView {
    return this.#watch.view(nowMs);
  }

  /** What is known of the way there. */
  figures(nowMs: number): LinkFigures {
    return this.#watch.figures(nowMs);
  }

  /** Why this should not be sent now though the server takes requests: it would hardly be answered in time. */
  slowness(offload: Pick<Offload, 'budgetMs' | 'rows'>, nowMs: number): OfframpError | undefined {
    const chance = this.#watch.chance(bytesOf(offload), offload.budgetMs, nowMs);
    if (chance >= leastChance) return undefined;
    const odds = `${(100 * chance).toFixed(1)} % of such images would be answered in time`;
    return new OfframpError('LINK_SLOW', `The way to the cloud is too slow for the budget: ${odds}`);
  }

  /** Why nothing should be sent now; `undefined` when it may be. */
  refusal(nowMs: number): OfframpError | undefined {
    if (!this.link.connected) return this.link.lastError;
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

  async infer(offload: Offload, now: () => number): Promise<OffloadResult> {
    const sentAtMs = now();
    this.#breaker.onSent();
    this.#inFlight++;
    const underway = this.#watch.onSent(bytesOf(offload), sentAtMs);
    try {
      const result = await this.link.infer(offload);
      this.#watch.onAnswer(underway, result, now());
      this.#latencies.add(now() - sentAtMs);
      this.#queuedRows = result.queuedRows;
      this.#breaker.onSuccess();
      return result;
    } catch (thrown) {
      const error = OfframpError.from(thrown);
      this.#watch.onNone(underway, now(), error.code === 'BUDGET_SPENT' ? offload.budgetMs : undefined);
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

function bytesOf({ rows }: Pick<Offload, 'rows'>): number {
  return rows.reduce((sum, row) => sum + row.length, frameBytes);
}
