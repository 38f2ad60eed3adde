import type { Clock } from '../../shared/clock.ts';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import type { LinkFigures, LinkView } from '../../shared/plan/index.ts';
import type { BreakerLimits } from './circuit-breaker.ts';
import type { Offload, OffloadResult } from './connection.ts';
import { Endpoint, type EndpointLink } from './endpoint.ts';
import { ProbePace, probeBudgetMs } from './probe-pace.ts';
import type { CloudLink } from './uplink.ts';

export interface EndpointsOptions {
  /** One for each server. */
  readonly links: readonly EndpointLink[];
  readonly clock: Clock;
  /** A number in [0, 1), for the choice of two. */
  readonly random: () => number;
  /** Most requests, as a share, that are sent to a second server because the first one stalls. */
  readonly hedgeShare?: number;
  readonly breaker?: BreakerLimits;
}

const defaultHedgeShare = 0.05;
/** Hedges that may be saved up for when one server stalls. */
const maxSavedHedges = 10;
/** Messages by which servers are compared. */
const comparedBytes = 200;
/** What is left of a budget has to be worth a second try. */
const leastTryMs = 2;
/** After these another server may do better, or this one when it is back. */
const worthAnother: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BUNDLE_NOT_FOUND',
  'BUSY',
  'CLOUD_UNREACHABLE',
  'CONNECTION_LOST',
  'DRAINING',
  'INTERNAL',
  'RATE_LIMITED',
  'RUNTIME_FAILED',
  'RUNTIME_STOPPED',
]);

/**
 * Several servers as one. Of two that are picked at random the one with less to do gets the request (power of two choices,
 * Mitzenmacher 2001). One that stalls is hedged with another (Dean and Barroso, The Tail at Scale, 2013), which at most a small
 * share of all requests may cost. What failed is tried elsewhere, or once more when the connection is back, while the budget
 * lasts. A server that fails request after request, or asks for a pause, gets none for a while. What would hardly be answered in time
 * by any of them is refused at once.
 */
export class Endpoints implements CloudLink {
  readonly #options: EndpointsOptions;
  readonly #endpoints: readonly Endpoint[];
  /** Requests that wait for a connection, told whether there is one. */
  readonly #waiting = new Set<(connected: boolean) => void>();
  #savedHedges = 1;
  #hedges = 0;
  readonly #probes = new ProbePace();

  constructor(options: EndpointsOptions) {
    const { links, breaker } = options;
    if (links.length === 0) throw new OfframpError('CONFIG_INVALID', 'No cloud server, expected one or more');
    this.#options = options;
    this.#endpoints = links.map((link) => new Endpoint(link, breaker));
  }

  get connected(): boolean {
    return this.#endpoints.some(({ link }) => link.connected);
  }

  /** What every connected server takes. */
  get maxImageBytes(): number | undefined {
    const connected = this.#endpoints.filter(({ link }) => link.connected);
    const limits = connected.map(({ link }) => link.maxImageBytes ?? 0);
    const least = Math.min(...limits);
    return Number.isFinite(least) && least > 0 ? least : undefined;
  }

  /** Why nothing is sent for now; `undefined` while something is. */
  get problem(): OfframpError | undefined {
    return this.#choose() === undefined ? this.#refusal() : undefined;
  }

  /** Requests that were sent to a second server since the start. */
  get hedges(): number {
    return this.#hedges;
  }

  /** The way to the server that is quickest to reach now; `undefined` while none is. */
  quickestLink(nowMs: number): LinkView | undefined {
    let quickest: { readonly view: LinkView; readonly medianMs: number } | undefined;
    for (const endpoint of this.#endpoints) {
      if (!endpoint.link.connected) continue;
      const view = endpoint.view(nowMs);
      const medianMs = view.quantileMs(comparedBytes, 0.5);
      if (quickest === undefined || medianMs < quickest.medianMs) quickest = { view, medianMs };
    }
    return quickest?.view;
  }

  /** What is known of the way to a server, by its place in `links`. */
  linkFigures(index: number): LinkFigures | undefined {
    return this.#endpoints[index]?.figures(this.#options.clock.now());
  }

  /** To be called when something other than a request was answered, by the server at a place in `links`. */
  onRoundTrip(index: number, bytes: number, roundTripMs: number): void {
    this.#endpoints[index]?.onRoundTrip(bytes, roundTripMs, this.#options.clock.now());
  }

  /** To be called when a connection is there, or an attempt at one has failed. */
  onLinkEvent(kind: 'connected' | 'disconnected'): void {
    for (const tell of [...this.#waiting]) tell(kind === 'connected');
  }

  /** @throws OfframpError of the last server that was asked, or why none was. */
  async infer(offload: Offload): Promise<OffloadResult> {
    const { clock } = this.#options;
    const deadlineMs = clock.now() + offload.budgetMs;
    const leftMs = () => deadlineMs - clock.now();
    const tried = new Set<Endpoint>();
    let endpoint = this.#chooseFor(offload);
    for (let attempt = 1; ; attempt++) {
      tried.add(endpoint);
      try {
        return await this.#ask(endpoint, { ...offload, budgetMs: leftMs() }, tried);
      } catch (thrown) {
        const error = OfframpError.from(thrown);
        const next = worthAnother.has(error.code)
          ? await this.#next(error, attempt, tried, leftMs)
          : undefined;
        if (next === undefined) throw error;
        endpoint = next;
      }
    }
  }

  /** Who is asked after a failure: a server not asked before, or the only one again once its connection is back. */
  async #next(
    error: OfframpError,
    attempt: number,
    tried: ReadonlySet<Endpoint>,
    leftMs: () => number,
  ): Promise<Endpoint | undefined> {
    if (leftMs() < leastTryMs) return undefined;
    const other = this.#choose(tried);
    if (other !== undefined) return other;
    const isFirstLoss = error.code === 'CONNECTION_LOST' && attempt === 1;
    if (!isFirstLoss || this.#endpoints.length > 1 || !(await this.#reconnected(leftMs()))) return undefined;
    return leftMs() < leastTryMs ? undefined : this.#choose();
  }

  /**
   * Who is asked first: of those that would answer in time. Where none would, the caller need not wait to be told; the image travels
   * now and then all the same, to find out when the way is free again.
   */
  #chooseFor(offload: Offload): Endpoint {
    const nowMs = this.#options.clock.now();
    const slow = new Map<Endpoint, OfframpError>();
    for (const endpoint of this.#endpoints) {
      const slowness = endpoint.slowness(offload, nowMs);
      if (slowness !== undefined) slow.set(endpoint, slowness);
    }
    const chosen = this.#choose(slow);
    if (chosen !== undefined) return chosen;
    const [slowest] = slow.values();
    if (slowest === undefined) throw this.#refusal();
    const isOpen = this.#choose() !== undefined;
    this.#probe(offload);
    throw isOpen ? slowest : this.#refusal();
  }

  #probe(offload: Offload): void {
    const { clock } = this.#options;
    const nowMs = clock.now();
    if (!this.#probes.isDue(nowMs)) return;
    const endpoint = this.#choose();
    if (endpoint === undefined) return;
    this.#probes.begin(nowMs);
    const done = () => this.#probes.end();
    endpoint.infer({ ...offload, budgetMs: probeBudgetMs }, () => clock.now()).then(done, done);
  }

  /** The one with less to do of two that may be asked; `undefined` where none may. */
  #choose(tried: { has(endpoint: Endpoint): boolean } = new Set()): Endpoint | undefined {
    const { clock, random } = this.#options;
    const nowMs = clock.now();
    const open = this.#endpoints.filter(
      (endpoint) => !tried.has(endpoint) && endpoint.refusal(nowMs) === undefined,
    );
    if (open.length < 2) return open[0];
    const at = Math.floor(random() * open.length);
    const [one, other] = [open[at], open[(at + 1 + Math.floor(random() * (open.length - 1))) % open.length]];
    if (one === undefined || other === undefined) return one ?? other;
    return other.load < one.load ? other : one;
  }

  /** Why no server may be asked. */
  #refusal(): OfframpError {
    const nowMs = this.#options.clock.now();
    const refusals = this.#endpoints.flatMap((endpoint) => endpoint.refusal(nowMs) ?? []);
    return refusals.at(-1) ?? new OfframpError('CLOUD_UNREACHABLE', 'No cloud server is left to ask');
  }

  /** Asks a server and, when it stalls, another one as well; the first answer counts. */
  async #ask(endpoint: Endpoint, offload: Offload, tried: Set<Endpoint>): Promise<OffloadResult> {
    const { clock, hedgeShare = defaultHedgeShare } = this.#options;
    this.#savedHedges = Math.min(maxSavedHedges, this.#savedHedges + hedgeShare);
    const now = () => clock.now();
    const startedAtMs = now();
    const answer = endpoint.infer(offload, now);
    const afterMs = endpoint.hedgeAfterMs ?? offload.budgetMs / 2;
    if (this.#endpoints.length < 2 || afterMs >= offload.budgetMs - leastTryMs) return answer;
    if (await this.#settlesWithin(answer, afterMs)) return answer;
    const second = this.#savedHedges >= 1 ? this.#choose(tried) : undefined;
    if (second === undefined) return answer;
    this.#savedHedges--;
    this.#hedges++;
    tried.add(second);
    const budgetMs = offload.budgetMs - (now() - startedAtMs);
    return firstAnswer([answer, second.infer({ ...offload, budgetMs }, now)]);
  }

  #settlesWithin(answer: Promise<unknown>, limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(limitMs, () => resolve(false));
      const settle = () => {
        cancel();
        resolve(true);
      };
      answer.then(settle, settle);
    });
  }

  /** Whether a connection is there by then; not, when an attempt fails before. */
  #reconnected(limitMs: number): Promise<boolean> {
    if (this.connected) return Promise.resolve(true);
    return new Promise((resolve) => {
      const tell = (connected: boolean) => {
        cancel();
        this.#waiting.delete(tell);
        resolve(connected);
      };
      const cancel = this.#options.clock.schedule(limitMs, () => tell(false));
      this.#waiting.add(tell);
    });
  }
}

/** The first that is answered, or the failure of the first one when none is. */
async function firstAnswer(answers: readonly Promise<OffloadResult>[]): Promise<OffloadResult> {
  try {
    return await Promise.any(answers);
  } catch (thrown) {
    throw thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  }
}
