import { type ServedBundle, serveBundle } from '../../../cloud/served-bundle.ts';
import { openBundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import { type Provider, type Runner, segmentKey } from '../../../shared/runtime/index.ts';
import { WorkerPool } from '../../../shared/runtime/node/index.ts';
import { demoImages } from '../../demo/images.ts';
import type { StageProgress } from '../../output.ts';
import { unavailable } from '../../unavailable.ts';
import { agrees, type Comparison, compareOutputs, type SegmentOutputs } from './compare.ts';
import { batchSizes, runRows, type SegmentInput, type SegmentSpeed, timeSegment } from './runs.ts';

export interface DeviceBenchOptions {
  readonly bundleFolders: readonly string[];
  /** Folder of the data sets; pictures of this project's own stand in for those that are not there. */
  readonly dataFolder: string | undefined;
  /** Images of each bundle, as far as there are so many. */
  readonly images: number;
  /** Execution providers to hold against the CPU, tried in this order. */
  readonly providers: readonly Provider[];
  /** Of the CPU's session; a GPU's is driven by one. */
  readonly threads: number;
  readonly maxBatchRows: number;
  /** Times that every batch size is timed; 0 compares only. */
  readonly passes: number;
  /** Largest difference of two logits that counts as rounding. */
  readonly tolerance: number;
  readonly onProgress: StageProgress<DeviceBenchStage>;
}

export type DeviceBenchStage = 'reference' | 'device' | 'cpu';

export interface SegmentBench {
  /** Its number, which is also the cut at which the cloud starts with it. */
  readonly segment: number;
  readonly input: 'image' | 'codes';
  readonly comparison: Comparison;
  readonly agrees: boolean;
  readonly speed?: {
    readonly device: SegmentSpeed;
    readonly cpu: SegmentSpeed;
    /** Rows a second, the device's over the CPU's. */
    readonly ratio: number;
  };
}

export interface BundleBench {
  readonly bundle: string;
  readonly digest: string;
  /** What the images are. */
  readonly images: string;
  readonly segments: readonly SegmentBench[];
}

export interface DeviceBench {
  /** What the sessions really got. */
  readonly provider: Provider;
  readonly bundles: readonly BundleBench[];
  /** Whether all segments agree. */
  readonly agrees: boolean;
}

/** A bundle with what enters and leaves its segments on the CPU. */
interface Reference {
  readonly served: ServedBundle;
  readonly images: string;
  readonly inputs: readonly SegmentInput[];
  readonly outputs: readonly SegmentOutputs[];
}

/** What one bundle's segments gave and took on a device. */
interface Measured {
  readonly outputs: readonly SegmentOutputs[];
  readonly speeds: readonly SegmentSpeed[];
}

/**
 * Runs every segment on a device and on the CPU and compares. A segment gets the same input on both, the CPU's codes of real images,
 * so that what differs is its own doing: nothing adds up from segment to segment.
 *
 * The pools run one after the other, the device's in one thread for all bundles: more of them would crash on webgpu.
 * @throws OfframpError PROVIDER_UNAVAILABLE, and whatever opening a bundle, reading images or starting the pool throws.
 */
export async function benchDevice(options: DeviceBenchOptions): Promise<DeviceBench> {
  const { maxBatchRows, passes, providers, threads, tolerance, onProgress } = options;
  const bundles = await openAll(options.bundleFolders);
  const sizes = batchSizes(maxBatchRows);
  onProgress('reference', 0, bundles.length);
  const references = await onPool(bundles, ['cpu'], threads, async (cpu) => {
    const done: Reference[] = [];
    for (const served of bundles) {
      done.push(await reference(cpu, served, options, sizes));
      onProgress('reference', done.length, bundles.length);
    }
    return done;
  });
  const device = await onPool(bundles, providers, 1, async (runner) => ({
    provider: runner.provider,
    measured: await each(references, 'device', onProgress, async ({ inputs }) => ({
      outputs: await inTurn(inputs, (input) => runRows(runner, input, sizes)),
      speeds: await speedsOf(runner, inputs, sizes, passes),
    })),
  })).catch((thrown) => {
    throw unavailable(thrown, providers);
  });
  const cpuSpeeds = await onPool(bundles, ['cpu'], threads, (cpu) =>
    each(references, 'cpu', onProgress, ({ inputs }) => speedsOf(cpu, inputs, sizes, passes)),
  );
  const benches = references.map((one, index) => {
    const measured = device.measured[index] ?? { outputs: [], speeds: [] };
    return bundleBench(one, measured, cpuSpeeds[index] ?? [], tolerance);
  });
  return {
    provider: device.provider,
    bundles: benches,
    agrees: benches.every(({ segments }) => segments.every((segment) => segment.agrees)),
  };
}

/** The same bundle may be given twice: graphs are named by the place as well. */
async function openAll(folders: readonly string[]): Promise<ServedBundle[]> {
  const bundles = await Promise.all(folders.map((folder) => openBundle(bundleFolder(folder))));
  return bundles.map((bundle, index) => serveBundle(bundle, `${index + 1}:${bundle.manifest.id}`));
}

async function onPool<T>(
  bundles: readonly ServedBundle[],
  providers: readonly Provider[],
  threadsPerWorker: number,
  work: (pool: WorkerPool) => Promise<T>,
): Promise<T> {
  const graphs = bundles.flatMap((bundle) => bundle.graphs);
  const pool = await WorkerPool.start({ graphs, workers: 1, threadsPerWorker, providers, maxQueuedRuns: 1 });
  try {
    return await work(pool);
  } finally {
    await pool.close();
  }
}

/** The images through all segments on the CPU. */
async function reference(
  cpu: Runner,
  served: ServedBundle,
  { dataFolder, images: wanted }: DeviceBenchOptions,
  sizes: readonly number[],
): Promise<Reference> {
  const { bundle, runKey, graphs } = served;
  const images = demoImages(bundle.manifest, dataFolder);
  const rows = Math.min(wanted, images.count);
  const inputs: SegmentInput[] = [];
  const outputs: SegmentOutputs[] = [];
  let input: Uint8Array = Buffer.concat(Array.from({ length: rows }, (_, index) => images.image(index)));
  for (const segment of graphs.keys()) {
    const own = { key: segmentKey(runKey, segment), input, rows };
    const output = await runRows(cpu, own, sizes);
    inputs.push(own);
    outputs.push(output);
    input = output.codes ?? new Uint8Array(0);
  }
  return { served, images: images.source, inputs, outputs };
}

async function speedsOf(
  runner: Runner,
  inputs: readonly SegmentInput[],
  sizes: readonly number[],
  passes: number,
): Promise<SegmentSpeed[]> {
  if (passes === 0) return [];
  return inTurn(inputs, (input) => timeSegment(runner, input, sizes, passes));
}

function bundleBench(
  { served, images, inputs, outputs }: Reference,
  device: Measured,
  cpuSpeeds: readonly SegmentSpeed[],
  tolerance: number,
): BundleBench {
  const segments = inputs.map(({ rows }, segment): SegmentBench => {
    const [expected, got] = [outputs[segment], device.outputs[segment]];
    if (expected === undefined || got === undefined) {
      throw new OfframpError('INTERNAL', `s${segment} was not run on both devices`);
    }
    const comparison = compareOutputs(expected, got, rows);
    const [own, cpu] = [device.speeds[segment], cpuSpeeds[segment]];
    return {
      segment,
      input: segment === 0 ? 'image' : 'codes',
      comparison,
      agrees: agrees(comparison, tolerance),
      ...(own && cpu && { speed: { device: own, cpu, ratio: own.rowsPerSecond / cpu.rowsPerSecond } }),
    };
  });
  return { bundle: served.id, digest: served.digest, images, segments };
}

async function each<T>(
  references: readonly Reference[],
  stage: DeviceBenchStage,
  onProgress: StageProgress<DeviceBenchStage>,
  work: (reference: Reference) => Promise<T>,
): Promise<T[]> {
  onProgress(stage, 0, references.length);
  const done: T[] = [];
  for (const one of references) {
    done.push(await work(one));
    onProgress(stage, done.length, references.length);
  }
  return done;
}

async function inTurn<T, Result>(items: readonly T[], work: (item: T) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
