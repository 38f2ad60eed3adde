import type { Route } from '../../edge/agent/index.ts';
import { milliseconds, percent, table } from '../output.ts';
import { mean, quantile } from '../quantiles.ts';

/** An answer as the edge daemon's HTTP API gives it. */
export interface DemoAnswer {
  readonly label: number;
  readonly className: string;
  readonly route: Route;
  readonly degraded: boolean;
  readonly reason?: string;
  readonly entropy: number;
  readonly device: { readonly label: number; readonly entropy: number };
  readonly latencyMs: number;
  readonly bytesSent: number;
}

/** An image the device was not sure of and the cloud put right. */
export interface Rescue {
  readonly image: number;
  readonly truth: number;
  readonly answer: DemoAnswer;
}

interface Line {
  answers: number;
  /** Answers to images whose class is known. */
  judged: number;
  right: number;
  bytes: number;
  readonly latenciesMs: number[];
}

/** Latencies kept per route, the newest ones, so that a demo can run for days. */
const keptLatencies = 5000;

/** Running totals of a stream of answers. */
export class Tally {
  readonly #lines = new Map<string, Line>();
  answers = 0;
  judged = 0;
  right = 0;
  bytes = 0;
  degraded = 0;
  failed = 0;
  rescue: Rescue | undefined;

  /** @param truth The true class, where there is one. */
  add(image: number, truth: number | undefined, answer: DemoAnswer): void {
    const right = answer.label === truth;
    const name = answer.degraded ? `exit, degraded: ${answer.reason}` : answer.route;
    const line = this.#lines.get(name) ?? { answers: 0, judged: 0, right: 0, bytes: 0, latenciesMs: [] };
    this.#lines.set(name, line);
    line.latenciesMs[line.answers % keptLatencies] = answer.latencyMs;
    for (const total of [this, line]) {
      total.answers++;
      total.judged += Number(truth !== undefined);
      total.right += Number(right);
      total.bytes += answer.bytesSent;
    }
    this.degraded += Number(answer.degraded);
    if (truth !== undefined && right && answer.route === 'features' && answer.device.label !== truth) {
      this.rescue = { image, truth, answer };
    }
  }

  /** Share of right answers among those to images whose class is known; NaN where there are none. */
  get accuracy(): number {
    return this.right / this.judged;
  }

  get routes(): Record<
    string,
    { answers: number; accuracy: number; p50Ms: number; p95Ms: number; bytesMean: number }
  > {
    const named = [...this.#lines].sort(([, a], [, b]) => b.answers - a.answers);
    return Object.fromEntries(
      named.map(([name, { answers, judged, right, bytes, latenciesMs }]) => {
        const sorted = Float64Array.from(latenciesMs).sort();
        const p50Ms = quantile(sorted, 0.5);
        return [
          name,
          {
            answers,
            accuracy: right / judged,
            p50Ms,
            p95Ms: quantile(sorted, 0.95),
            bytesMean: bytes / answers,
          },
        ];
      }),
    );
  }

  /** The table of routes. */
  render(): string {
    const rows = Object.entries(this.routes).map(([name, { answers, accuracy, p50Ms, p95Ms, bytesMean }]) => [
      name,
      String(answers),
      percent(answers / this.answers, 1),
      percent(accuracy, 1),
      milliseconds(p50Ms),
      milliseconds(p95Ms),
      bytesMean === 0 ? '-' : `${bytesMean.toFixed(0)} B`,
    ]);
    const all = ['all', String(this.answers), '', percent(this.accuracy, 1), '', '', `${this.bytes} B`];
    return table(['route', 'answers', 'share', 'right', 'p50', 'p95', 'sent each'], [...rows, all]);
  }
}

/** Mean size of images once compressed by `compress`, over a sample of them. */
export async function meanCompressedBytes(
  images: readonly Uint8Array[],
  compress: (image: Uint8Array) => Promise<number>,
): Promise<number> {
  return mean(await Promise.all(images.map(compress)));
}
