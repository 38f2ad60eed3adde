import { setTimeout as sleep } from 'node:timers/promises';
import type { Bundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { segmentGraph } from '../../shared/runtime/index.ts';
import { InlineRunner } from '../../shared/runtime/node/index.ts';
import type { CostProfile } from './cost-profile.ts';
import { standIns } from './samples.ts';

export interface SegmentTimesOptions {
  readonly bundle: Bundle;
  readonly image: (index: number) => Uint8Array;
  readonly images: number;
  /** Pause before each image: a device that is not always at work is not as quick as one that is. */
  readonly pauseMs: number;
  readonly batchSizes: readonly number[];
  readonly batches: number;
  readonly onProgress: (done: number, total: number) => void;
}

export interface SegmentTimes {
  /** [segments][quantiles] */
  readonly imageMs: readonly number[][];
  readonly batch: CostProfile['cloud']['segments'];
}

const keptQuantiles = 101;

/** Times every segment by itself, in one thread: images one by one, and batches, whose times become `fixedMs + perRowMs * rows`. */
export async function timeSegments(options: SegmentTimesOptions): Promise<SegmentTimes> {
  const { bundle } = options;
  const graphs = bundle.manifest.segments.map((_, index) => segmentGraph(bundle, index));
  const runner = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 1 });
  try {
    const imageMs = await timeImages(options, runner);
    return {
      imageMs: imageMs.map((samples) => standIns(samples, keptQuantiles)),
      batch: await timeBatches(options, runner),
    };
  } finally {
    await runner.close();
  }
}

async function timeImages(
  { bundle, image, images, pauseMs, onProgress }: SegmentTimesOptions,
  runner: InlineRunner,
) {
  const samples: number[][] = bundle.manifest.segments.map(() => []);
  for (let index = 0; index < images; index++) {
    if (pauseMs > 0) await sleep(pauseMs);
    let input = new Uint8Array(image(index));
    for (const [segment, own] of samples.entries()) {
      const { codes, ms } = await run(bundle, runner, segment, input, 1);
      own.push(ms);
      input = codes;
    }
    onProgress(index + 1, images);
  }
  return samples;
}

async function timeBatches(
  { bundle, image, batchSizes, batches }: SegmentTimesOptions,
  runner: InlineRunner,
) {
  const samples: { rows: number; ms: number }[][] = bundle.manifest.segments.map(() => []);
  for (let round = 0; round <= batches; round++) {
    for (const rows of batchSizes) {
      let input = joinedImages(image, rows, round);
      for (const [segment, own] of samples.entries()) {
        const { codes, ms } = await run(bundle, runner, segment, input, rows);
        // The first round warms the session up for that size.
        if (round > 0) own.push({ rows, ms });
        input = codes;
      }
    }
  }
  return samples.map(lineOf);
}

function joinedImages(
  image: (index: number) => Uint8Array,
  rows: number,
  round: number,
): Uint8Array<ArrayBuffer> {
  const [first, ...others] = Array.from({ length: rows }, (_, row) => image(round * rows + row));
  const size = first?.length ?? 0;
  const joined = new Uint8Array(rows * size);
  for (const [row, pixels] of [first ?? new Uint8Array(0), ...others].entries())
    joined.set(pixels, row * size);
  return joined;
}

async function run(
  bundle: Bundle,
  runner: InlineRunner,
  segment: number,
  input: Uint8Array<ArrayBuffer>,
  rows: number,
) {
  const { key } = segmentGraph(bundle, segment);
  const { outputs, runMicros } = await runner.run(key, input, rows);
  const [logits, codes] = outputs;
  if (!(logits instanceof Float32Array))
    throw new OfframpError('RUNTIME_FAILED', `s${segment} gave no logits`);
  return { codes: codes instanceof Uint8Array ? codes : new Uint8Array(0), ms: runMicros / 1000 };
}

/** The line through the medians of the batch sizes by least squares of relative errors, neither part below 0, and how batches lie about it. */
export function lineOf(
  samples: readonly { readonly rows: number; readonly ms: number }[],
): CostProfile['cloud']['segments'][number] {
  const sizes = [...new Set(samples.map(({ rows }) => rows))];
  const medians = sizes.map((rows) => {
    const own = samples.filter((one) => one.rows === rows).map(({ ms }) => ms);
    return { rows, ms: own.sort((one, other) => one - other)[own.length >> 1] ?? 0 };
  });
  const sum = (of: (rows: number, ms: number) => number) =>
    medians.reduce((total, { rows, ms }) => total + of(rows, ms), 0);
  // Each weighs 1 / ms^2, so that a batch of one counts as much as one of 64.
  const [ones, x, xx] = [
    sum((_, ms) => ms ** -2),
    sum((rows, ms) => rows / ms ** 2),
    sum((rows, ms) => (rows / ms) ** 2),
  ];
  const [y, xy] = [sum((_, ms) => 1 / ms), sum((rows, ms) => rows / ms)];
  const free = ones * xx - x * x;
  const perRowMs = free > 0 ? (ones * xy - x * y) / free : 0;
  const clamped = Math.max(0, Math.min(perRowMs, xx > 0 ? xy / xx : 0));
  const fixedMs = Math.max(0, (y - clamped * x) / ones);
  const spread = standIns(
    samples.map(({ rows, ms }) => ms / (fixedMs + clamped * rows)),
    keptQuantiles,
  );
  return { fixedMs, perRowMs: clamped, spread };
}
