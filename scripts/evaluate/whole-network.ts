import type { Bundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { argmax, decideExit } from '../../shared/exits/index.ts';
import { WorkerPool } from '../../shared/runtime/node/index.ts';
import type { LabelledImages } from '../data/index.ts';

/** What the network in one piece says of one image. */
export interface WholeAnswer {
  /** Label under the exit rule. */
  readonly label: number;
  /** Label of the last exit. */
  readonly finalLabel: number;
}

const batchRows = 100;

/**
 * Runs the whole network from its single ONNX file over all images, on this machine's CPU: the reference that the split path
 * is held against.
 */
export async function runWhole(
  bundle: Bundle,
  images: LabelledImages,
  count: number,
  onProgress: (done: number) => void,
): Promise<WholeAnswer[]> {
  const { whole, input, classes } = bundle.manifest;
  const outputs = whole.logits.map((name) => ({ name, dtype: 'float32' as const, shape: [classes.length] }));
  const graph = { key: 'whole', bytes: await bundle.read(whole.file), input, outputs };
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
): Promise<WholeAnswer[]> {
  const answers: WholeAnswer[] = [];
  const imageBytes = images.pixels.length / images.count;
  for (let first = 0; first < count; first += batchRows) {
    const end = Math.min(count, first + batchRows);
    const pixels = new Uint8Array(images.pixels.subarray(first * imageBytes, end * imageBytes));
    const run = await runner.run('whole', pixels, end - first);
    for (let row = 0; row < end - first; row++) answers.push(applyExits(bundle, run.outputs, row));
    onProgress(end);
  }
  return answers;
}

function applyExits(
  bundle: Bundle,
  outputs: readonly (Float32Array | Uint8Array)[],
  row: number,
): WholeAnswer {
  const classes = bundle.manifest.classes.length;
  const rows = outputs.map((output) => output.subarray(row * classes, (row + 1) * classes));
  const last = rows.at(-1);
  if (last === undefined) throw new OfframpError('BUNDLE_MANIFEST_INVALID', 'whole.logits names no output');
  const decisions = rows.map((logits, exit) => decideExit({ ...bundle.exit(exit), logits }));
  const taken = decisions.find(({ confident }) => confident);
  const finalLabel = argmax(last);
  return { label: taken?.label ?? finalLabel, finalLabel };
}
