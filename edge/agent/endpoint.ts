import { OfframpError } from '../../shared/errors.ts';
import type { LinkFigures, LinkView } from '../../shared/plan/index.ts';
import type { BreakerLimits } from './circuit-breaker.ts';
import type { Offload, OffloadResult } from './connection.ts';
import { EndpointState } from './endpoint-state.ts';
import type { CloudLink } from './uplink.ts';

/** One server as the agent knows it. */
export interface EndpointLink extends CloudLink {
  /** Why there is no connection, when there is none. */
  readonly lastError: OfframpError;
}

/** Of a frame, its header and what WebSocket adds. */
export const frameBytes = 32;

/** A server with its connection: sends it requests and learns from what comes of them. */
export class Endpoint {
  readonly link: EndpointLink;
  readonly #state: EndpointState;

  constructor(link: EndpointLink, breaker?: BreakerLimits) {
    this.link = link;
    this.#state = new EndpointState(breaker);
  }

  get load(): number {
    return this.#state.load;
  }

  get inFlight(): number {
    return this.#state.inFlight;
  }

  get hedgeAfterMs(): number | undefined {
    return this.#state.hedgeAfterMs;
  }

  view(nowMs: number): LinkView {
    return this.#state.view(nowMs);
  }

  figures(nowMs: number): LinkFigures {
    return this.#state.figures(nowMs);
  }

  slowness(offload: Pick<Offload, 'budgetMs' | 'rows' | 'worth'>, nowMs: number): OfframpError | undefined {
    return this.#state.slowness(bytesOf(offload), offload.budgetMs, nowMs, offload.worth);
  }

  /** Why nothing should be sent now; `undefined` when it may be. */
  refusal(nowMs: number): OfframpError | undefined {
    return this.link.connected ? this.#state.refusal(nowMs) : this.link.lastError;
  }

  onRoundTrip(bytes: number, roundTripMs: number, nowMs: number): void {
    this.#state.onRoundTrip(bytes, roundTripMs, nowMs);
  }

  async infer(offload: Offload, now: () => number): Promise<OffloadResult> {
    const underway = this.#state.onSent(bytesOf(offload), now());
    try {
      const result = await this.link.infer(offload);
      this.#state.onAnswer(underway, result, now());
      return result;
    } catch (thrown) {
      const error = OfframpError.from(thrown);
      this.#state.onFailure(underway, error, offload.budgetMs, now());
      throw error;
    }
  }
}

function bytesOf({ rows }: Pick<Offload, 'rows'>): number {
  return rows.reduce((sum, row) => sum + row.length, frameBytes);
}
