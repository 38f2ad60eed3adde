import type { Bundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { decideExit } from '../../../shared/exits/index.ts';
import {
  type Runner,
  type RunOutput,
  type SegmentGraph,
  segmentGraph,
  segmentKey,
} from '../../../shared/runtime/index.ts';
import { WorkerPool } from '../../../shared/runtime/node/index.ts';

/** What became of one row: the exit that answered and its label. The baseline has the one exit 0. */
export interface RowAnswer {
  readonly exit: number;
  readonly label: number;
}

/** Where the time of one call went, milliseconds; zero at its start. */
export interface Stopwatch {
  /** From the start of the call to the moment exit k had decided, [exits passed]. */
  readonly reachedMs: number[];
  /** The part of them spent on the way to the inference thread and back, [exits passed]. */
  readonly threadMs: number[];
}

type Codes = Uint8Array<ArrayBuffer>;

const baselineKey = 'baseline';

/**
 * The networks that a table compares, in one inference thread with one thread per session: the segments of a bundle, joined in one
 * process by the product's own exit rule and codec, and its baseline.
 */
export class Networks {
  readonly #bundle: Bundle;
  readonly #cut: number;
  readonly #runner: Runner;

  private constructor(bundle: Bundle, cut: number, runner: Runner) {
    this.#bundle = bundle;
    this.#cut = cut;
    this.#runner = runner;
  }

  /**
   * @param cut Number of segments on the device; the codes that cross there go through the codec.
   * @throws OfframpError CUT_UNSUPPORTED, and those of `WorkerPool.start`.
   */
  static async start(bundle: Bundle, cut: number): Promise<Networks> {
    const { id, segments } = bundle.manifest;
    if (cut > segments.length) {
      throw new OfframpError('CUT_UNSUPPORTED', `${id}: got cut ${cut}, expected 0 to ${segments.length}`);
    }
    const baseline = await baselineGraph(bundle);
    const graphs = segments.map((_, index) => segmentGraph(bundle, index));
    const runner = await WorkerPool.start({
      graphs: baseline === undefined ? graphs : [...graphs, baseline],
      workers: 1,
      threadsPerWorker: 1,
      providers: ['cpu'],
      maxQueuedRuns: 1,
    });
    return new Networks(bundle, cut, runner);
  }

  /** Runs the baseline on `images`, uint8 [rows, H, W, C], which it empties; softmax and label as an exit gives them. */
  async baseline(images: Codes, rows: number, watch: Stopwatch = newStopwatch()): Promise<RowAnswer[]> {
    const startedAt = performance.now();
    const { outputs, awayMs } = await this.#run(baselineKey, images, rows);
    const answers = this.#rows(rows).map((row) => {
      const logits = this.#logitsOf(outputs, row);
      return { exit: 0, label: decideExit({ logits, temperature: 1 }).label };
    });
    watch.reachedMs.push(performance.now() - startedAt);
    watch.threadMs.push(awayMs);
    return answers;
  }

  /**
   * Runs the segments on `images`, uint8 [rows, H, W, C], which it empties. Every row leaves at the first exit that is sure under
   * `thresholds`, [exits - 1]; those that remain go on together.
   */
  async branchy(
    images: Codes,
    rows: number,
    thresholds: readonly number[],
    watch: Stopwatch = newStopwatch(),
  ): Promise<RowAnswer[]> {
    const startedAt = performance.now();
    const answers = new Array<RowAnswer>(rows);
    let remaining = this.#rows(rows);
    let tensor = images;
    let threadMs = 0;
    for (let segment = 0; remaining.length > 0; segment++) {
      const key = segmentKey(this.#bundle.manifest.id, segment);
      const { outputs, awayMs } = await this.#run(key, tensor, remaining.length);
      const { temperature } = this.#bundle.exit(segment);
      const staying: number[] = [];
      remaining.forEach((image, row) => {
        const logits = this.#logitsOf(outputs, row);
        const { label, confident } = decideExit({ logits, temperature, threshold: thresholds[segment] });
        if (confident) answers[image] = { exit: segment, label };
        else staying.push(row);
      });
      threadMs += awayMs;
      watch.reachedMs.push(performance.now() - startedAt);
      watch.threadMs.push(threadMs);
      tensor = this.#cross(segment + 1, outputs, staying);
      remaining = staying.map((row) => remaining[row] ?? row);
    }
    return answers;
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  /** Takes the codes of the rows that stay over the boundary after `segments` segments, through the codec where that is the cut. */
  #cross(segments: number, outputs: RunOutput['outputs'], rows: readonly number[]): Codes {
    if (rows.length === 0) return new Uint8Array();
    const size = (this.#bundle.manifest.segments[segments]?.input.shape ?? []).reduce((a, b) => a * b, 1);
    const codes = outputs[1];
    // A segment that an image goes on from has codes as its second output, uint8 as the graph was checked to be.
    if (!(codes instanceof Uint8Array)) throw new TypeError('got no codes, expected them after a branch');
    const tensor = new Uint8Array(rows.length * size);
    rows.forEach((row, place) => {
      const own = codes.subarray(row * size, (row + 1) * size);
      if (segments !== this.#cut) tensor.set(own, place * size);
      else {
        const codec = this.#bundle.codec(this.#cut);
        codec.decodeInto(codec.encode(own), tensor, place * size);
      }
    });
    return tensor;
  }

  async #run(key: string, input: Codes, rows: number): Promise<RunOutput & { readonly awayMs: number }> {
    const sentAt = performance.now();
    const output = await this.#runner.run(key, input, rows);
    return { ...output, awayMs: performance.now() - sentAt - output.runMicros / 1000 };
  }

  #logitsOf(outputs: RunOutput['outputs'], row: number): ArrayLike<number> {
    const classes = this.#bundle.manifest.classes.length;
    return outputs[0]?.subarray(row * classes, (row + 1) * classes) ?? [];
  }

  #rows(count: number): number[] {
    return Array.from({ length: count }, (_, row) => row);
  }
}

export function newStopwatch(): Stopwatch {
  return { reachedMs: [], threadMs: [] };
}

async function baselineGraph(bundle: Bundle): Promise<SegmentGraph | undefined> {
  const { baseline, input, classes } = bundle.manifest;
  if (baseline === undefined) return undefined;
  return {
    key: baselineKey,
    bytes: await bundle.read(baseline.file),
    input,
    outputs: [{ name: baseline.logits, dtype: 'float32', shape: [classes.length] }],
  };
}
