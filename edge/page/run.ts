/** Many images in a row, and what came of them so far. */
import type { Answer } from '../web/index.ts';
import type { ImageRow } from './config.ts';

export interface RunFigures {
  readonly images: number;
  /** Of those whose class is known; absent where none is. */
  readonly accuracy?: number;
  /** Share that was answered in the page because it was sure. */
  readonly deviceShare: number;
  readonly degraded: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly meanBytes: number;
}

type Counted = Pick<Answer, 'label' | 'route' | 'degraded' | 'latencyMs' | 'bytesSent'>;

export class RunTally {
  readonly #latencies: number[] = [];
  #judged = 0;
  #right = 0;
  #here = 0;
  #degraded = 0;
  #bytes = 0;

  add({ label, route, degraded, latencyMs, bytesSent }: Counted, truth: number | undefined): void {
    this.#latencies.push(latencyMs);
    if (truth !== undefined) this.#judged++;
    if (truth === label) this.#right++;
    if (degraded) this.#degraded++;
    else if (route === 'exit' || route === 'edge-only') this.#here++;
    this.#bytes += bytesSent;
  }

  get figures(): RunFigures {
    const images = this.#latencies.length;
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number) => sorted[Math.min(images - 1, Math.floor(share * images))] ?? 0;
    const each = Math.max(1, images);
    return {
      images,
      ...(this.#judged > 0 && { accuracy: this.#right / this.#judged }),
      ...{ deviceShare: this.#here / each, degraded: this.#degraded, meanBytes: this.#bytes / each },
      ...{ medianMs: at(0.5), p95Ms: at(0.95) },
    };
  }
}

export interface RunOptions {
  readonly images: ImageRow;
  readonly classify: (image: Uint8Array) => Promise<Answer>;
  readonly onFigures: (figures: RunFigures) => void;
  readonly signal: AbortSignal;
}

/** As a device with a few cameras: while one image travels, others are looked at. */
const lanes = 4;

/** @throws OfframpError what `classify` does. */
export async function runImages({ images, classify, onFigures, signal }: RunOptions): Promise<RunFigures> {
  const tally = new RunTally();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < images.count && !signal.aborted) {
      const index = next++;
      const answer = await classify(images.image(index));
      tally.add(answer, images.truth(index));
      onFigures(tally.figures);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return tally.figures;
}
