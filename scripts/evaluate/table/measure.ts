import { type Bundle, openBundle } from '../../../shared/bundle/index.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import type { LabelledImages } from '../../data/index.ts';
import { readTestImages, type TestImages } from '../test-images.ts';
import { spread, turns } from './lanes.ts';
import { Networks, newStopwatch, type RowAnswer, type Stopwatch } from './networks.ts';

/** A bundle and the images to measure it on. */
export interface Subject extends TestImages {
  readonly bundle: Bundle;
}

export interface MeasureOptions {
  /** Number of test images, from the first on; all when absent. */
  readonly limit?: number | undefined;
  /** Number of them to time, spread evenly. */
  readonly sample: number;
  /** Number of segments before the cut; the codes that cross there go through the codec. */
  readonly cut: number;
  readonly onProgress: (stage: Stage, done: number, total: number) => void;
}

export type Stage = 'baseline' | 'branches' | 'time';

/** One timed call: what it answered and how long it took to each exit on the way. */
export interface TimedCall extends Stopwatch {
  readonly answer: RowAnswer;
}

/** What was observed of one bundle on its test split, before anything is added up. */
export interface Measured {
  readonly bundle: Bundle;
  readonly dataset: string;
  readonly cut: number;
  /** True classes, [images]. */
  readonly labels: Uint8Array;
  /** Numbers of the images whose pixels only come close to the published ones, where the data folder lists any. */
  readonly approximate?: ReadonlySet<number> | undefined;
  /** Of every image, in batches; no baseline where the bundle has none. */
  readonly answers: { readonly baseline?: readonly RowAnswer[]; readonly branchy: readonly RowAnswer[] };
  /** Numbers of the images that were timed, one at a time. */
  readonly timed: readonly number[];
  /** In the order of `timed`; `everyExit` passes all exits whatever they say. */
  readonly calls: {
    readonly baseline?: readonly TimedCall[];
    readonly branchy: readonly TimedCall[];
    readonly everyExit: readonly TimedCall[];
  };
}

type Call = (pixels: Uint8Array<ArrayBuffer>, rows: number, watch: Stopwatch) => Promise<RowAnswer[]>;

const batchRows = 100;
/** Calls of each lane before those that count: the first runs of a session allocate its memory. */
const warmUpImages = 20;

/** Reads a bundle and the test split of its data set; throws as `openBundle` and `readTestImages` do. */
export async function readSubject(folder: string, dataFolder: string): Promise<Subject> {
  const bundle = await openBundle(bundleFolder(folder));
  return { bundle, ...readTestImages(bundle.manifest, dataFolder) };
}

/** Runs baseline and branchy network over the test split, then times them on a sample, taking turns. */
export async function measure(subject: Subject, options: MeasureOptions): Promise<Measured> {
  const { bundle, dataset, images } = subject;
  const { cut, onProgress } = options;
  const count = Math.min(options.limit ?? images.count, images.count);
  const timed = spread(count, options.sample);
  const thresholds = bundle.manifest.exits.flatMap(({ threshold }) => threshold ?? []);
  const networks = await Networks.start(bundle, cut);
  try {
    const baseline: Call = (pixels, rows, watch) => networks.baseline(pixels, rows, watch);
    const branchy: Call = (pixels, rows, watch) => networks.branchy(pixels, rows, thresholds, watch);
    // No entropy is below 0, so that no exit but the last answers.
    const never = thresholds.map(() => 0);
    const everyExit: Call = (pixels, rows, watch) => networks.branchy(pixels, rows, never, watch);
    const hasBaseline = bundle.manifest.baseline !== undefined;
    const all = async (stage: Stage, call: Call) =>
      answerAll(call, images, count, (done) => onProgress(stage, done, count));
    const answers = {
      ...(hasBaseline && { baseline: await all('baseline', baseline) }),
      branchy: await all('branches', branchy),
    };
    const lanes = hasBaseline ? [branchy, everyExit, baseline] : [branchy, everyExit];
    const calls = await timeLanes(lanes, images, timed, (done, total) => onProgress('time', done, total));
    const [ofBranchy = [], ofEveryExit = [], ofBaseline] = calls;
    return {
      bundle,
      dataset,
      cut,
      labels: images.labels.subarray(0, count),
      approximate: images.approximate,
      answers,
      timed,
      calls: {
        branchy: ofBranchy,
        everyExit: ofEveryExit,
        ...(ofBaseline !== undefined && { baseline: ofBaseline }),
      },
    };
  } finally {
    await networks.close();
  }
}

async function answerAll(
  call: Call,
  images: LabelledImages,
  count: number,
  onProgress: (done: number) => void,
): Promise<RowAnswer[]> {
  const answers: RowAnswer[] = [];
  const imageBytes = images.pixels.length / images.count;
  for (let first = 0; first < count; first += batchRows) {
    const end = Math.min(count, first + batchRows);
    const pixels = new Uint8Array(images.pixels.subarray(first * imageBytes, end * imageBytes));
    answers.push(...(await call(pixels, end - first, newStopwatch())));
    onProgress(end);
  }
  return answers;
}

async function timeLanes(
  lanes: readonly Call[],
  images: LabelledImages,
  timed: readonly number[],
  onProgress: (done: number, total: number) => void,
): Promise<TimedCall[][]> {
  for (const call of lanes) {
    for (const image of timed.slice(0, warmUpImages)) await timeCall(call, images.image(image));
  }
  const calls: TimedCall[][] = lanes.map(() => []);
  const total = lanes.length * timed.length;
  let done = 0;
  for (const { lane, first, end } of turns(lanes.length, timed.length)) {
    const call = lanes[lane];
    for (const image of timed.slice(first, end)) {
      if (call !== undefined) calls[lane]?.push(await timeCall(call, images.image(image)));
    }
    done += end - first;
    onProgress(done, total);
  }
  return calls;
}

async function timeCall(call: Call, pixels: Uint8Array): Promise<TimedCall> {
  const watch = newStopwatch();
  // The runner takes the memory of its input away, and the data set must keep its own.
  const [answer] = await call(new Uint8Array(pixels), 1, watch);
  if (answer === undefined) throw new RangeError('got no answer, expected one for one image');
  return { answer, ...watch };
}
