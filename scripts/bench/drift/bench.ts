import { allowedDisagreement, firstExitShare } from '../../../edge/agent/index.ts';
import { type Bundle, openBundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import { segmentGraph } from '../../../shared/runtime/index.ts';
import { InlineRunner } from '../../../shared/runtime/node/index.ts';
import { seededRandom } from '../../calibrate/random.ts';
import { demoImages } from '../../demo/images.ts';
import type { StageProgress } from '../../output.ts';
import { quantile } from '../../quantiles.ts';
import { type Opinions, recordOpinions } from './record.ts';
import { type AuditRule, type Level, levelAt, replayStream, type StreamRun } from './replay.ts';
import { shifts } from './shifts.ts';

export interface DriftBenchOptions {
  readonly bundleFolder: string;
  /** Folder of the data sets; digits of this project's own stand in for MNIST. */
  readonly dataFolder: string | undefined;
  /** Share of the answers that leave on the device that are audited. */
  readonly auditShare: number;
  /** Images of a stream, unless nothing leaves on the device any more before. */
  readonly images: number;
  /** Streams of each shift. */
  readonly runs: number;
  /** Streams of the images as they are. */
  readonly unshiftedRuns: number;
  readonly seed: number;
  readonly onProgress: StageProgress<'shifts'>;
}

/** Of a count over streams; one without an alarm counts as without end, and absent is what has none. */
export interface Spread {
  readonly median?: number;
  readonly worst?: number;
}

/** What the audits made of one shift; all of it begins with the stream. */
export interface ShiftResult {
  readonly shift: string;
  readonly runs: number;
  /** Streams with an alarm. */
  readonly found: number;
  readonly imagesToAlarm: Spread;
  readonly auditsToAlarm: Spread;
  /** Streams in which the share of images that leave was found to have moved. */
  readonly exitShareFound: number;
  readonly imagesToExitShareAlarm: Spread;
  /** What thresholds are multiplied with at the end of the stream in the middle. */
  readonly settledScale: number;
  /** Of every scale that a stream came to, 1 first. */
  readonly levels: readonly Level[];
}

/** How often audits cry wolf. */
export interface FalseAlarms {
  readonly runs: number;
  readonly images: number;
  readonly audits: number;
  readonly alarms: number;
  /** As many as the watch's own promise allows in the mean, for so many audits. */
  readonly allowedAlarms: number;
  /** That the share of images that leave had moved. */
  readonly exitShareAlarms: number;
}

export interface DriftBench extends AuditRule {
  readonly bundle: string;
  readonly digest: string;
  /** Says what the images are. */
  readonly source: string;
  readonly testImages: number;
  readonly imagesPerStream: number;
  readonly shifts: readonly ShiftResult[];
  readonly unshifted: FalseAlarms;
}

/** What docs/operating.md promises: audits between two false alarms, in the mean and at the least. */
const promisedFalseAlarmEvery = 10_000;

/**
 * Has an agent's audits watch streams of real images that are all changed in one way, and of the same images as they are.
 * @throws OfframpError DATA_MISSING, DATA_CORRUPT, CONFIG_INVALID for a bundle whose device has no exit, and as `openBundle`.
 */
export async function benchDrift(options: DriftBenchOptions): Promise<DriftBench> {
  const bundle = await openBundle(bundleFolder(options.bundleFolder));
  const images = demoImages(bundle.manifest, options.dataFolder);
  const rule = auditRule(bundle, options.auditShare);
  const graphs = bundle.manifest.segments.map((_, index) => segmentGraph(bundle, index));
  const runner = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 1 });
  const results: ShiftResult[] = [];
  let unshifted: readonly StreamRun[] = [];
  try {
    for (const [index, shift] of shifts.entries()) {
      const opinions = await recordOpinions(bundle, runner, images, shift, seededRandom(options.seed));
      const isUnshifted = shift.name === 'none';
      const streams = isUnshifted ? options.unshiftedRuns : options.runs;
      const runs = await replayStreams(opinions, rule, streams, options);
      if (isUnshifted) unshifted = runs;
      results.push(summarise(shift.name, runs, opinions, rule));
      options.onProgress('shifts', index + 1, shifts.length);
    }
  } finally {
    await runner.close();
  }
  return {
    bundle: bundle.manifest.id,
    digest: bundle.digest,
    source: images.source,
    testImages: images.count,
    imagesPerStream: options.images,
    ...rule,
    shifts: results,
    unshifted: falseAlarms(unshifted),
  };
}

function auditRule(bundle: Bundle, auditShare: number): AuditRule {
  const { threshold } = bundle.exit(0);
  const exitShare = firstExitShare(bundle);
  if (threshold !== undefined && exitShare !== undefined) {
    return { threshold, auditShare, exitShare, allowedDisagreement: allowedDisagreement(bundle.manifest) };
  }
  const message = `${bundle.manifest.id}: its first exit has no calibrated threshold and share, expected a bundle whose images leave on the device`;
  throw new OfframpError('CONFIG_INVALID', message);
}

async function replayStreams(
  opinions: Opinions,
  rule: AuditRule,
  streams: number,
  { images, seed }: DriftBenchOptions,
): Promise<StreamRun[]> {
  // One source for all of them: neighbouring seeds give the same numbers, a way further on.
  const random = seededRandom(seed);
  const runs: StreamRun[] = [];
  for (let stream = 0; stream < streams; stream++) {
    runs.push(await replayStream(opinions, rule, images, random));
  }
  return runs;
}

function summarise(
  shift: string,
  runs: readonly StreamRun[],
  opinions: Opinions,
  { threshold }: AuditRule,
): ShiftResult {
  const firstAlarms = runs.flatMap(({ alarms }) => alarms.slice(0, 1));
  const missed = runs.slice(firstAlarms.length).map(() => Number.POSITIVE_INFINITY);
  const moved = runs.flatMap(({ exitShareMovedAt }) => exitShareMovedAt.slice(0, 1));
  const unmoved = runs.slice(moved.length).map(() => Number.POSITIVE_INFINITY);
  const finalScales = runs.map(({ thresholdScale }) => thresholdScale);
  const scales = [...new Set([1, ...finalScales])].sort((one, other) => other - one);
  return {
    shift,
    runs: runs.length,
    found: firstAlarms.length,
    imagesToAlarm: spreadOf([...firstAlarms.map(({ images }) => images), ...missed]),
    auditsToAlarm: spreadOf([...firstAlarms.map(({ audits }) => audits), ...missed]),
    exitShareFound: moved.length,
    imagesToExitShareAlarm: spreadOf([...moved, ...unmoved]),
    settledScale: quantile(Float64Array.from(finalScales).sort(), 0.5),
    levels: scales.map((scale) => levelAt(opinions, threshold, scale)),
  };
}

function spreadOf(counts: readonly number[]): Spread {
  const sorted = Float64Array.from(counts).sort();
  const [median, worst] = [quantile(sorted, 0.5), quantile(sorted, 1)];
  return {
    ...(Number.isFinite(median) && { median }),
    ...(Number.isFinite(worst) && { worst }),
  };
}

function falseAlarms(runs: readonly StreamRun[]): FalseAlarms {
  const total = (count: (run: StreamRun) => number) => runs.reduce((sum, run) => sum + count(run), 0);
  const audits = total((run) => run.audits);
  return {
    runs: runs.length,
    images: total((run) => run.images),
    audits,
    alarms: total((run) => run.alarms.length),
    allowedAlarms: audits / promisedFalseAlarmEvery,
    exitShareAlarms: total((run) => run.exitShareMovedAt.length),
  };
}
