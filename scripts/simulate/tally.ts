import type { ErrorCode } from '../../shared/errors.ts';
import { quantile } from '../quantiles.ts';
import type { Interval, LatencySummary, RouteShares, RunFigures } from './result.ts';

/** What became of one image, wherever it was answered: in a simulation or on a real device. */
export interface TalliedImage {
  readonly arrivedAtMs: number;
  /** From the moment at which it was to be sent. */
  readonly latencyMs: number;
  readonly route: 'exit' | 'features' | 'image' | 'edge-only';
  readonly isRight: boolean;
  readonly degraded: boolean;
  readonly reason: ErrorCode | undefined;
  readonly bytesSent: number;
  readonly plan: string;
}

export interface TallyOptions {
  /** Images that came before are left out. */
  readonly fromMs: number;
  /** Until when images come. */
  readonly untilMs: number;
  readonly budgetMs: number;
}

/** An answer may be so much later than its budget: timers and the way to the caller. */
export const marginMs = 20;
const timeBins = 60;
const cdfPoints = 201;
/** Two-sided, 95 %. */
const normal95 = 1.959963984540054;
const routeNames = ['exit', 'features', 'image', 'edge-only'] as const;

/** Counts what became of images, and says it in figures. */
export class Tally {
  readonly #options: TallyOptions;
  #latencies = new Float64Array(1024);
  #images = 0;
  #refused = 0;
  #right = 0;
  #late = 0;
  #missed = 0;
  #bytes = 0;
  #degraded = 0;
  #degradedRight = 0;
  readonly #reasons = new Map<ErrorCode, number>();
  readonly #plans = new Map<string, number>();
  readonly #routes = new Map<string, number>(routeNames.map((name) => [name, 0]));
  /** [bins][routes] */
  readonly #overTime = Array.from({ length: timeBins }, () => new Float64Array(routeNames.length));

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  get images(): number {
    return this.#images;
  }

  refuse(arrivedAtMs: number): void {
    if (arrivedAtMs >= this.#options.fromMs) this.#refused++;
  }

  add({ arrivedAtMs, latencyMs, route, isRight, degraded, reason, bytesSent, plan }: TalliedImage): void {
    const { fromMs, untilMs, budgetMs } = this.#options;
    if (arrivedAtMs < fromMs) return;
    if (this.#images === this.#latencies.length) this.#latencies = grown(this.#latencies);
    this.#latencies[this.#images++] = latencyMs;
    this.#bytes += bytesSent;
    if (isRight) this.#right++;
    const isLate = latencyMs > budgetMs + marginMs;
    if (isLate) this.#late++;
    if (isLate || degraded) this.#missed++;
    if (degraded) {
      this.#degraded++;
      if (isRight) this.#degradedRight++;
      if (reason !== undefined) count(this.#reasons, reason);
    }
    count(this.#plans, plan);
    count(this.#routes, route);
    const bin = Math.min(timeBins - 1, Math.floor((timeBins * arrivedAtMs) / untilMs));
    const shares = this.#overTime[bin];
    const place = routeNames.indexOf(route);
    if (shares !== undefined) shares[place] = (shares[place] ?? 0) + 1;
  }

  figures(): RunFigures {
    const { fromMs, untilMs } = this.#options;
    const sorted = this.#latencies.slice(0, this.#images).sort();
    const images = this.#images;
    const shareOf = (amount: number) => (images === 0 ? 0 : amount / images);
    const routes: RouteShares = {
      exit: shareOf(this.#routes.get('exit') ?? 0),
      features: shareOf(this.#routes.get('features') ?? 0),
      image: shareOf(this.#routes.get('image') ?? 0),
      edgeOnly: shareOf(this.#routes.get('edge-only') ?? 0),
    };
    return {
      images,
      refused: this.#refused,
      latencyMs: latencySummary(sorted),
      accuracy: { share: shareOf(this.#right), interval: shareInterval(this.#right, images) },
      routes,
      degraded: {
        share: shareOf(this.#degraded),
        ...(this.#degraded > 0 && { accuracy: this.#degradedRight / this.#degraded }),
        reasons: shares(this.#reasons, images),
      },
      lateShare: shareOf(this.#late),
      missed: { share: shareOf(this.#missed), interval: shareInterval(this.#missed, images) },
      bytesPerImage: shareOf(this.#bytes),
      bytesPerSecond: this.#bytes / ((untilMs - fromMs) / 1000),
      plans: shares(this.#plans, images),
      cdfMs: Array.from({ length: cdfPoints }, (_, index) => quantile(sorted, index / (cdfPoints - 1))),
      overTime: this.#overTime.map((counts, bin) => ({
        atSeconds: (bin * untilMs) / timeBins / 1000,
        ...{
          exit: counts[0] ?? 0,
          features: counts[1] ?? 0,
          image: counts[2] ?? 0,
          edgeOnly: counts[3] ?? 0,
        },
      })),
    };
  }
}

function grown(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * values.length);
  larger.set(values);
  return larger;
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** By share, the largest first. */
function shares(counts: ReadonlyMap<string, number>, of: number): Record<string, number> {
  const entries = [...counts].sort(([, one], [, other]) => other - one);
  return Object.fromEntries(entries.map(([key, amount]) => [key, amount / of]));
}

function latencySummary(sorted: Float64Array): LatencySummary {
  const images = sorted.length;
  const mean = sorted.reduce((sum, ms) => sum + ms, 0) / Math.max(1, images);
  const variance = sorted.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / Math.max(1, images - 1);
  const apart = normal95 * Math.sqrt(variance / Math.max(1, images));
  return {
    mean: { ms: mean, interval: [mean - apart, mean + apart] },
    p50: quantileSummary(sorted, 0.5),
    p95: quantileSummary(sorted, 0.95),
    p99: quantileSummary(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/** With the order statistics between which the quantile lies in 95 of 100 cases, where images are independent. */
function quantileSummary(sorted: Float64Array, q: number): { ms: number; interval: Interval } {
  const images = sorted.length;
  const apart = (normal95 * Math.sqrt(q * (1 - q))) / Math.sqrt(Math.max(1, images));
  const at = (level: number) => quantile(sorted, Math.min(1, Math.max(0, level)));
  return { ms: quantile(sorted, q), interval: [at(q - apart), at(q + apart)] };
}

/** Wilson's interval of a share, 95 %. */
export function shareInterval(hits: number, of: number): Interval {
  if (of === 0) return [0, 1];
  const share = hits / of;
  const z = normal95 ** 2 / of;
  const middle = (share + z / 2) / (1 + z);
  const apart = (normal95 * Math.sqrt((share * (1 - share)) / of + z / (4 * of))) / (1 + z);
  return [Math.max(0, middle - apart), Math.min(1, middle + apart)];
}
