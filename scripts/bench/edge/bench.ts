import { performance } from 'node:perf_hooks';
import { type RunningAgent, startAgent } from '../../../edge/daemon/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { type SegmentGraph, segmentGraph } from '../../../shared/runtime/index.ts';
import { InlineRunner } from '../../../shared/runtime/node/index.ts';
import { demoImages } from '../../demo/images.ts';
import type { StageProgress } from '../../output.ts';
import { version } from '../../project.ts';
import { type Quantiles, quantiles } from '../../quantiles.ts';

export interface EdgeBenchOptions {
  readonly bundleFolders: readonly string[];
  /** Folder of the data sets; pictures of this project's own stand in for those that are not there. */
  readonly dataFolder: string | undefined;
  readonly workers: number | 'auto';
  /** Images of a bundle that are timed, and as many bare runs. */
  readonly images: number;
  /** Images through the first bundle's agent while memory is watched; 0 for none. */
  readonly memoryImages: number;
  readonly onProgress: StageProgress<EdgeBenchStage>;
}

export type EdgeBenchStage = 'time' | 'memory';

export interface BundleTimes {
  readonly bundle: string;
  readonly digest: string;
  /** Segments run in the thread of the agent, without one of their own. */
  readonly inline: boolean;
  /** `session.run` of the first segment in a loop with nothing around it. */
  readonly bareMicros: Quantiles;
  /** From the pixels to the answer, of an image that leaves at the device's exit. */
  readonly classifyMicros: Quantiles;
  readonly addedMicros: number;
  /** Of the bare run. */
  readonly addedShare: number;
}

export interface MemoryPoint {
  readonly images: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
}

export interface EdgeBench {
  readonly bundles: readonly BundleTimes[];
  readonly memory: readonly MemoryPoint[];
}

/** Runs of one kind after the other; what else the machine does falls on both. */
const blockRuns = 50;
const warmUpBlocks = 4;
const memoryPoints = 10;
/** Under way at once while memory is watched. */
const memoryLanes = 8;

/** Holds an agent's `classify` for images that leave on the device against the bare run of the same segment. */
export async function benchEdge(options: EdgeBenchOptions): Promise<EdgeBench> {
  const bundles: BundleTimes[] = [];
  let memory: MemoryPoint[] = [];
  for (const [index, folder] of options.bundleFolders.entries()) {
    const running = await start(folder, options);
    try {
      bundles.push(await timeBundle(running, options));
      options.onProgress('time', index + 1, options.bundleFolders.length);
      if (index === 0) memory = await watchMemory(running, options);
    } finally {
      await running.stop();
    }
  }
  return { bundles, memory };
}

/** An agent without a cloud: no image that is timed needs one. */
function start(bundleFolder: string, { workers }: EdgeBenchOptions): Promise<RunningAgent> {
  return startAgent({
    ...{ bundleFolder, workers, threadsPerWorker: 1, cut: 1, budgetMs: 10_000, maxInFlight: 64, version },
    onEvent: () => {},
  });
}

async function timeBundle(
  running: RunningAgent,
  { images, dataFolder }: EdgeBenchOptions,
): Promise<BundleTimes> {
  const { agent, bundle, runner } = running;
  const image = await sureImage(running, dataFolder);
  const graph = segmentGraph(bundle, 0);
  const bare = await InlineRunner.start({
    graphs: [graph],
    providers: ['cpu'],
    threads: 1,
    maxQueuedRuns: 1,
  });
  const bareMicros: number[] = [];
  const classifyMicros: number[] = [];
  try {
    for (let block = 0; block < warmUpBlocks + Math.ceil(images / blockRuns); block++) {
      const [bareBlock, classifyBlock] = await timeBlock(bare, graph, image, () => agent.classify(image));
      if (block < warmUpBlocks) continue;
      bareMicros.push(...bareBlock);
      classifyMicros.push(...classifyBlock);
    }
  } finally {
    await bare.close();
  }
  const [one, other] = [quantiles(bareMicros), quantiles(classifyMicros)];
  return {
    bundle: bundle.manifest.id,
    digest: bundle.digest,
    inline: runner instanceof InlineRunner,
    bareMicros: one,
    classifyMicros: other,
    addedMicros: other.p50 - one.p50,
    addedShare: (other.p50 - one.p50) / one.p50,
  };
}

async function timeBlock(
  bare: InlineRunner,
  { key }: SegmentGraph,
  image: Uint8Array,
  classify: () => Promise<unknown>,
): Promise<readonly [number[], number[]]> {
  const bareBlock: number[] = [];
  const classifyBlock: number[] = [];
  for (let run = 0; run < blockRuns; run++) {
    // The time inside `session.run` alone.
    bareBlock.push((await bare.run(key, new Uint8Array(image), 1)).runMicros);
  }
  for (let run = 0; run < blockRuns; run++) {
    const before = performance.now();
    await classify();
    classifyBlock.push((performance.now() - before) * 1000);
  }
  return [bareBlock, classifyBlock];
}

/** The first image of the bundle's data set that leaves at the device's exit. */
async function sureImage(
  { agent, bundle }: RunningAgent,
  dataFolder: string | undefined,
): Promise<Uint8Array> {
  const images = demoImages(bundle.manifest, dataFolder);
  for (let index = 0; index < images.count; index++) {
    const image = images.image(index);
    if (!(await agent.classify(image)).degraded) return image;
  }
  const message = `${bundle.manifest.id} is sure of none of ${images.count} images, expected one that leaves on the device`;
  throw new OfframpError('IMAGE_MISSING', message);
}

async function watchMemory(
  running: RunningAgent,
  { memoryImages, dataFolder, onProgress }: EdgeBenchOptions,
): Promise<MemoryPoint[]> {
  if (memoryImages === 0) return [];
  const image = await sureImage(running, dataFolder);
  const points = [memoryNow(0)];
  let next = 0;
  for (let point = 1; point <= memoryPoints; point++) {
    const until = Math.round((memoryImages * point) / memoryPoints);
    const lane = async () => {
      while (next < until) {
        next++;
        await running.agent.classify(image);
      }
    };
    await Promise.all(Array.from({ length: memoryLanes }, lane));
    points.push(memoryNow(until));
    onProgress('memory', point, memoryPoints);
  }
  return points;
}

function memoryNow(images: number): MemoryPoint {
  const { rss: residentBytes, heapUsed: heapBytes } = process.memoryUsage();
  return { images, residentBytes, heapBytes };
}
