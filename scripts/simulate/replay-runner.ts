import type { ServedBundle } from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { type Runner, type RunOutput, segmentKey, type WarmRun } from '../../shared/runtime/index.ts';
import type { CostProfile } from '../profile/index.ts';
import { sampler } from '../profile/index.ts';
import type { ReplayedImages } from './replayed-images.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface ReplayRunnerOptions {
  readonly time: VirtualTime;
  readonly served: ServedBundle;
  readonly images: ReplayedImages;
  readonly costs: CostProfile['cloud'];
  /** Batches that run at the same time. */
  readonly executors: number;
  readonly random: () => number;
}

interface Segment {
  readonly index: number;
  readonly fixedMs: number;
  readonly perRowMs: number;
  readonly spread: () => number;
  /** Of the codes behind it, per row; 0 behind the last. */
  readonly codesBytes: number;
}

interface Waiting {
  readonly ms: number;
  readonly end: () => void;
}

/** Bytes of a row that say which image it is. */
export const markBytes = 5;

/** Puts an image and the rate at which it came in the place of the row that would have it. */
export function markRow(tensor: Uint8Array, start: number, image: number, rate: number): void {
  tensor[start] = image & 0xff;
  tensor[start + 1] = (image >> 8) & 0xff;
  tensor[start + 2] = (image >> 16) & 0xff;
  tensor[start + 3] = (image >> 24) & 0xff;
  tensor[start + 4] = rate;
}

/**
 * A runner that computes nothing: a batch takes `fixedMs + perRowMs * rows` of its segment times a draw from what was measured, and
 * gives the logits that were recorded of its images. Which these are is written where a row's codes would be.
 */
export class ReplayRunner implements Runner {
  readonly provider = 'cpu';
  readonly parallel: number;
  readonly #options: ReplayRunnerOptions;
  readonly #segments: ReadonlyMap<string, Segment>;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #busyMs = 0;

  constructor(options: ReplayRunnerOptions) {
    const { served, costs, random, executors } = options;
    this.#options = options;
    this.parallel = executors;
    this.#segments = new Map(
      costs.segments.map(({ fixedMs, perRowMs, spread }, index) => {
        const shape = served.bundle.manifest.segments[index]?.codes?.shape ?? [0];
        const codesBytes = shape.reduce((product, size) => product * size, 1);
        const segment = { index, fixedMs, perRowMs, spread: sampler(spread, random), codesBytes };
        return [segmentKey(served.runKey, index), segment];
      }),
    );
  }

  /** Time that executors have spent on batches since the start, milliseconds. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** What the segments take once warm, for an engine that is to start as a real one does. */
  warmRuns(maxBatchRows: number): WarmRun[] {
    const sizes: number[] = [];
    for (let rows = 1; rows < maxBatchRows; rows *= 2) sizes.push(rows);
    sizes.push(maxBatchRows);
    return [...this.#segments].flatMap(([key, { fixedMs, perRowMs }]) =>
      sizes.map((rows) => ({ key, rows, runMicros: 1000 * (fixedMs + perRowMs * rows) })),
    );
  }

  run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    const segment = this.#segments.get(key);
    if (segment === undefined) return Promise.reject(new OfframpError('INTERNAL', `No segment ${key}`));
    const ms = (segment.fixedMs + segment.perRowMs * rows) * segment.spread();
    return new Promise((resolve) => {
      const end = () => {
        this.#options.time.settle();
        resolve({ outputs: this.#outputs(segment, input, rows), runMicros: 1000 * ms });
      };
      if (this.#running < this.parallel) this.#start({ ms, end });
      else this.#waiting.push({ ms, end });
    });
  }

  async close(): Promise<void> {}

  #start({ ms, end }: Waiting): void {
    const { time } = this.#options;
    this.#running++;
    this.#busyMs += ms;
    time.at(time.now() + ms, () => {
      this.#running--;
      end();
      const next = this.#waiting.shift();
      if (next !== undefined) this.#start(next);
    });
  }

  #outputs({ index, codesBytes }: Segment, input: Uint8Array, rows: number): RunOutput['outputs'] {
    const { images, served } = this.#options;
    const { classes } = served;
    const logits = new Float32Array(rows * classes);
    const codes = new Uint8Array(rows * codesBytes);
    const rowBytes = input.length / rows;
    for (let row = 0; row < rows; row++) {
      const start = row * rowBytes;
      const [low = 0, second = 0, third = 0, high = 0, rate = 0] = input.subarray(start, start + markBytes);
      const image = low | (second << 8) | (third << 16) | (high << 24);
      logits.set(images.logitsAt(index, image, rate), row * classes);
      if (codesBytes > 0) markRow(codes, row * codesBytes, image, rate);
    }
    return codesBytes > 0 ? [logits, codes] : [logits];
  }
}
