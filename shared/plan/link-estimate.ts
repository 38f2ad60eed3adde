import { type Distribution, fromQuantiles } from './distribution.ts';
import { average, expect, fade, type LinkState, learn, loosened } from './link-state.ts';
import { ResidualLevels, type ResidualShape } from './residual-levels.ts';

/** One request that was answered. */
export interface RoundTrip {
  /** Bytes sent, framing included. */
  readonly sentBytes: number;
  /** From sending to the answer, less what the server says that it took (queue and computation). */
  readonly roundTripMs: number;
  /** When the answer came, on the clock of all other times. */
  readonly atMs: number;
}

/** One request that nobody waits for any more. */
export interface Unanswered {
  readonly sentBytes: number;
  /** How long was waited in vain. */
  readonly waitedMs: number;
  readonly atMs: number;
}

/** What a planner or a decision asks of a link at one moment. */
export interface LinkView {
  /** How long a message of so many bytes and its answer take, without the server's part. */
  predictMs(bytes: number): Distribution;
  /** What a share of `level` (0 to 1) of such messages does not exceed, milliseconds. */
  quantileMs(bytes: number, level: number): number;
  /** The share of such messages that are answered within `limitMs`, 0 to 1. */
  shareWithin(bytes: number, limitMs: number): number;
}

/** A figure and the range that it is in nine times out of ten. */
export interface Ranged {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface LinkFigures {
  readonly rttMs: Ranged;
  readonly uplinkBitsPerSecond: Ranged;
  /** Standard deviation of the logarithm of a round trip that no knowledge of the link would remove: its jitter. */
  readonly jitter: number;
  /** Observations taken in, refused ones not counted. */
  readonly observations: number;
  /** Since the last one; `undefined` before the first. */
  readonly ageMs: number | undefined;
}

export interface LinkEstimateOptions {
  /** What to assume of a link before anything was seen of it. Default: 50 ms and 5 Mbit/s, either of which may be off by a factor of ten. */
  readonly assumed?: { readonly rttMs: number; readonly uplinkBitsPerSecond: number };
  /** After so long without traffic about a third of what was special about the link is still believed. Default: 10 s. */
  readonly memoryMs?: number;
}

const defaultAssumed = { rttMs: 50, uplinkBitsPerSecond: 5e6 };
const defaultMemoryMs = 10_000;
/** Over how long it is learnt what is usual on this link. */
const usualMs = 120_000;
const assumedVariance = { rttVariance: 1.2 ** 2, perByteVariance: 1.4 ** 2, covariance: 0 };
/** However steady a link was, it may move by so much. */
const leastUsual = { rttVariance: 0.25 ** 2, perByteVariance: 0.5 ** 2 };
/** How little is known after a change that was believed. */
const changed = { rttVariance: 0.7 ** 2, perByteVariance: 1.4 ** 2 };
/** Residuals beyond so many standard deviations are an outlier at first, and a change when the next one agrees. */
const suspiciousAt = 3;
/** Answers so close to each other have come together. */
const togetherMs = 10;
const noiseBounds = [0.02 ** 2, 1.2 ** 2] as const;
const noiseStep = 0.1;
/** A request that was given up would have taken about so many times as long as was waited. */
const longerThanWaited = 1.5;
const boundsMs = [0.01, 600_000] as const;
const mostBytes = 1e9;

/**
 * What the traffic itself tells of a link: its round trip, its uplink rate and how sure either is.
 *
 * A round trip takes rtt + 8 * bytes / rate. How much one says of either part goes by their shares in the time, so that
 * small messages measure the round trip and leave the rate as uncertain as it was. Both are learnt as logarithms
 * (`link-state.ts`), with a noise that is learnt too.
 *
 * - One that is far off counts as if it were three standard deviations off. When the next one is far off to the same side, both are
 *   believed: the link has changed. So an outlier does little, and a collapse or a recovery is known after two. Slow ones that
 *   come together are one: TCP keeps them behind the same lost packet.
 * - Without traffic the link goes back to what is usual for it, and the spread to what it usually varies by: a collapse is not
 *   remembered for ever.
 * - Quantiles are corrected by how often they were exceeded (`residual-levels.ts`), as real links have heavier tails than any formula.
 *
 * Constant time and memory. Observations that make no sense are refused and change nothing.
 */
export class LinkEstimate {
  readonly #memoryMs: number;
  readonly #levels = new ResidualLevels();
  #state: LinkState;
  #usual: LinkState;
  #noise = 0.3 ** 2;
  #atMs: number | undefined;
  #observations = 0;
  #suspect: Suspect | undefined;

  constructor({ assumed = defaultAssumed, memoryMs = defaultMemoryMs }: LinkEstimateOptions = {}) {
    this.#memoryMs = memoryMs;
    const perByteMs = 8000 / assumed.uplinkBitsPerSecond;
    this.#usual = { rtt: Math.log(assumed.rttMs), perByte: Math.log(perByteMs), ...assumedVariance };
    this.#state = this.#usual;
  }

  /** Takes a round trip in; false where its figures make no sense. */
  observe({ sentBytes, roundTripMs, atMs }: RoundTrip): boolean {
    if (!isSensible(sentBytes, roundTripMs, atMs)) return false;
    this.#take(Math.min(mostBytes, sentBytes), logMs(roundTripMs), atMs, atMs - roundTripMs);
    return true;
  }

  /**
   * Takes in that no answer came while somebody waited. Says nothing where the wait was shorter than what was to be expected; false
   * where its figures make no sense.
   */
  observeUnanswered({ sentBytes, waitedMs, atMs }: Unanswered): boolean {
    if (!isSensible(sentBytes, waitedMs, atMs)) return false;
    const bytes = Math.min(mostBytes, sentBytes);
    const time = logMs(waitedMs * longerThanWaited);
    if (expect(this.#stateAt(atMs), bytes).time < time) this.#take(bytes, time, atMs, atMs - waitedMs);
    return true;
  }

  /**
   * The link as it is believed to be at `nowMs`.
   * @param oldest the request that has waited longest for its answer, where any does. What comes after it has to wait for it too, so
   * that a link that stands still is noticed before anything is answered or given up.
   */
  at(nowMs: number, oldest?: Unanswered): LinkView {
    const state = this.#withWaiting(this.#stateAt(nowMs), oldest);
    const spread = (bytes: number) => {
      const { time, variance } = expect(state, bytes > 0 ? Math.min(mostBytes, bytes) : 0);
      const sigma = Math.sqrt(variance + this.#noise);
      return { time, sigma, shape: this.#levels.shapeAt(sigma) };
    };
    const quantile = ({ time, sigma, shape }: Spread, level: number) =>
      clamp(Math.exp(time + sigma * shape.at(level)), boundsMs);
    return {
      predictMs: (bytes) => {
        const known = spread(bytes);
        return fromQuantiles((level) => quantile(known, level));
      },
      quantileMs: (bytes, level) => quantile(spread(bytes), clamp(level, [0.0005, 0.9995])),
      shareWithin: (bytes, limitMs) => {
        if (!(limitMs > 0)) return 0;
        const { time, sigma, shape } = spread(bytes);
        return shape.shareBelow((Math.log(limitMs) - time) / sigma);
      },
    };
  }

  figures(nowMs: number): LinkFigures {
    const { rtt, rttVariance, perByte, perByteVariance } = this.#stateAt(nowMs);
    return {
      rttMs: ranged(rtt, rttVariance),
      uplinkBitsPerSecond: ranged(Math.log(8000) - perByte, perByteVariance),
      jitter: Math.sqrt(this.#noise),
      observations: this.#observations,
      ageMs: this.#atMs === undefined ? undefined : Math.max(0, nowMs - this.#atMs),
    };
  }

  #withWaiting(state: LinkState, oldest: Unanswered | undefined): LinkState {
    if (oldest === undefined || !isSensible(oldest.sentBytes, oldest.waitedMs, oldest.atMs)) return state;
    const bytes = Math.min(mostBytes, oldest.sentBytes);
    const { time: expected, variance } = expect(state, bytes);
    const time = logMs(oldest.waitedMs * longerThanWaited);
    const noise = this.#noise;
    if (time <= expected) return state;
    const isFar = time - expected > suspiciousAt * Math.sqrt(variance + noise);
    return learn(isFar ? loosened(state, { ...state, ...changed }) : state, { bytes, time, noise });
  }

  #stateAt(nowMs: number): LinkState {
    const idleMs = this.#idleMs(nowMs);
    return idleMs === 0 ? this.#state : fade(this.#state, this.#usual, Math.exp(-idleMs / this.#memoryMs));
  }

  #idleMs(nowMs: number): number {
    return this.#atMs === undefined || !(nowMs > this.#atMs) ? 0 : nowMs - this.#atMs;
  }

  #take(bytes: number, time: number, atMs: number, sentAtMs: number): void {
    const idleMs = this.#idleMs(atMs);
    const before = this.#stateAt(atMs);
    const { time: expected, variance } = expect(before, bytes);
    const sigma = Math.sqrt(variance + this.#noise);
    const residual = (time - expected) / sigma;
    this.#levels.add(residual, sigma);
    const isSlow = residual > 0;
    const isFar = Math.abs(residual) > suspiciousAt;
    if (isFar && isSlow && this.#suspect !== undefined && cameWith(this.#suspect, sentAtMs, atMs)) return;
    if (isFar && this.#suspect?.isSlow === isSlow) {
      const loose = learn(loosened(before, { ...before, ...changed }), {
        ...this.#suspect,
        noise: this.#noise,
      });
      this.#state = learn(loose, { bytes, time, noise: this.#noise });
    } else {
      const tame = clamp(residual, [-suspiciousAt, suspiciousAt]) * sigma;
      this.#state = learn(before, { bytes, time: expected + tame, noise: this.#noise });
      const seen = Math.max(0, tame * tame - variance);
      this.#noise = clamp(this.#noise + noiseStep * (seen - this.#noise), noiseBounds);
    }
    this.#suspect = isFar ? { bytes, time, isSlow, sentAtMs, atMs } : undefined;
    this.#observations++;
    const weight = Math.max(1 - Math.exp(-idleMs / usualMs), 1 / (this.#observations + 2));
    this.#usual = loosened(average(this.#usual, this.#state, weight), { ...this.#usual, ...leastUsual });
    this.#atMs = Math.max(atMs, this.#atMs ?? atMs);
  }
}

/** An observation that was far off, and the last one. */
interface Suspect {
  readonly bytes: number;
  readonly time: number;
  readonly isSlow: boolean;
  readonly sentAtMs: number;
  readonly atMs: number;
}

/**
 * Whether a slow one waited for the same lost packet as the slow one before it: TCP hands over at once what is behind it, so that both
 * come together though they were sent one after the other. On a link that has become slow they come as far apart as they were sent.
 */
function cameWith({ isSlow, sentAtMs, atMs }: Suspect, nextSentAtMs: number, nextAtMs: number): boolean {
  if (!isSlow || nextSentAtMs >= atMs) return false;
  return nextAtMs - atMs <= Math.max(togetherMs, (nextSentAtMs - sentAtMs) / 2);
}

/** How long messages of one size take: the logarithm of the milliseconds, its standard deviation and shape. */
interface Spread {
  readonly time: number;
  readonly sigma: number;
  readonly shape: ResidualShape;
}

function ranged(mean: number, variance: number): Ranged {
  const width = 1.645 * Math.sqrt(variance);
  return { median: Math.exp(mean), low: Math.exp(mean - width), high: Math.exp(mean + width) };
}

function isSensible(bytes: number, ms: number, atMs: number): boolean {
  return bytes >= 0 && ms >= 0 && Number.isFinite(bytes) && Number.isFinite(ms) && Number.isFinite(atMs);
}

function logMs(ms: number): number {
  return Math.log(clamp(ms, boundsMs));
}

function clamp(value: number, [least, most]: readonly [number, number]): number {
  return Math.min(most, Math.max(least, value));
}
