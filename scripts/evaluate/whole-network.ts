import type { Bundle } from '../../shared/bundle/index.ts';
import type { SegmentGraph } from '../../shared/runtime/index.ts';
import { WorkerPool } from '../../shared/runtime/node/index.ts';
import type { LabelledImages } from '../data/index.ts';
import { type ExitLabels, exitLabels } from './exit-labels.ts';

const batchRows = 100;
const wholeKey = 'whole';

/** The whole network as a runner loads it; its outputs are the logits of every exit. */
export async function wholeGraph(bundle: Bundle): Promise<SegmentGraph> {
  const { whole, input, classes } = bundle.manifest;
  const outputs = whole.logits.map((name) => ({ name, dtype: 'float32' as const, shape: [classes.length] }));
  return { key: wholeKey, bytes: await bundle.read(whole.file), input, outputs };
}

/**
 * Runs the whole network from its single ONNX file over all images, on this machine's CPU: the reference that the split path
 * is held against.
 */
export async function runWhole(
  bundle: Bundle,
  images: LabelledImages,
  count: number,
  onProgress: (done: number) => void,
): Promise<ExitLabels[]> {
  const graph = await wholeGraph(bundle);
  const runner = await WorkerPool.start({
    graphs: [graph],
    workers: 1,
    threadsPerWorker: 1,
    providers: ['cpu'],
    maxQueuedRuns: 1,
  });
  try {
    return await runBatches(runner, bundle, images, count, onProgress);
  } finally {
    await runner.close();
  }
}

async function runBatches(
  runner: WorkerPool,
  bundle: Bundle,
  images: LabelledImages,
  count: number,
  onProgress: (done: number) => void,
): Promise<ExitLabels[]> {
  const answers: ExitLabels[] = [];
  const imageBytes = images.pixels.length / images.count;
  for (let first = 0; first < count; first += batchRows) {
    const end = Math.min(count, first + batchRows);
    const pixels = new Uint8Array(images.pixels.subarray(first * imageBytes, end * imageBytes));
    const run = await runner.run(wholeKey, pixels, end - first);
    for (let row = 0; row < end - first; row++) answers.push(exitLabels(bundle, 0, run.outputs, row));
    onProgress(end);
  }
  return answers;
}
