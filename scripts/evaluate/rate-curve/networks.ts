import type { Bundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { type Runner, segmentGraph, segmentKey } from '../../../shared/runtime/index.ts';
import { WorkerPool } from '../../../shared/runtime/node/index.ts';
import { type ExitLabels, exitLabels } from '../exit-labels.ts';
import { wholeGraph } from '../whole-network.ts';

type Outputs = readonly (Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>)[];

/** The segments of a bundle and its network in one piece, on this machine's CPU. */
export class Networks {
  readonly #bundle: Bundle;
  readonly #runner: Runner;
  readonly #wholeKey: string;

  private constructor(bundle: Bundle, runner: Runner, wholeKey: string) {
    this.#bundle = bundle;
    this.#runner = runner;
    this.#wholeKey = wholeKey;
  }

  /** Starts `workers` threads; at most `parallel` calls may be under way at once. */
  static async start(bundle: Bundle, workers: number, parallel: number): Promise<Networks> {
    const whole = await wholeGraph(bundle);
    const segments = bundle.manifest.segments.map((_, index) => segmentGraph(bundle, index));
    const runner = await WorkerPool.start({
      graphs: [whole, ...segments],
      workers,
      threadsPerWorker: 1,
      providers: ['cpu'],
      maxQueuedRuns: parallel,
    });
    return new Networks(bundle, runner, whole.key);
  }

  /** Runs the segments of the device on images; gives the codes at `cut`, uint8 [rows, channels, height, width]. */
  async device(images: Uint8Array<ArrayBuffer>, rows: number, cut: number): Promise<Uint8Array> {
    let tensor = images;
    for (let segment = 0; segment < cut; segment++) {
      tensor = codesOf(await this.#segment(segment, tensor, rows));
    }
    return tensor;
  }

  /** Runs the segments behind `cut` on codes, every image to the end. Empties `codes`. */
  async cloud(codes: Uint8Array<ArrayBuffer>, rows: number, cut: number): Promise<ExitLabels[]> {
    const logits: Outputs[number][] = [];
    let tensor = codes;
    const { segments } = this.#bundle.manifest;
    for (let segment = cut; segment < segments.length; segment++) {
      const outputs = await this.#segment(segment, tensor, rows);
      logits.push(...outputs.slice(0, 1));
      if (segment < segments.length - 1) tensor = codesOf(outputs);
    }
    return this.#labels(cut, logits, rows);
  }

  /** Runs the network in one piece on images. Empties `images`. */
  async whole(images: Uint8Array<ArrayBuffer>, rows: number): Promise<ExitLabels[]> {
    const { outputs } = await this.#runner.run(this.#wholeKey, images, rows);
    return this.#labels(0, outputs, rows);
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  async #segment(index: number, input: Uint8Array<ArrayBuffer>, rows: number): Promise<Outputs> {
    const { outputs } = await this.#runner.run(segmentKey(this.#bundle.manifest.id, index), input, rows);
    return outputs;
  }

  #labels(firstExit: number, logits: Outputs, rows: number): ExitLabels[] {
    return Array.from({ length: rows }, (_, row) => exitLabels(this.#bundle, firstExit, logits, row));
  }
}

function codesOf([, codes]: Outputs): Uint8Array<ArrayBuffer> {
  if (codes instanceof Uint8Array) return codes;
  throw new OfframpError('INTERNAL', 'A segment before the last gave no codes');
}
