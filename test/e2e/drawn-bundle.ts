/** A data folder and bundles that fit together, made of the drawn digits that are in the project. */
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDataset } from '../../scripts/data/index.ts';
import { wholeGraph } from '../../scripts/evaluate/whole-network.ts';
import { type Bundle, digestOf, type Manifest, openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { WorkerPool } from '../../shared/runtime/node/index.ts';
import { committedBundle, projectFolder, removeLater } from './support.ts';

/** Images that the exit records of a drawn bundle are of: the first ones. */
export const drawnImages = 60;

/** A folder that is removed when the test ends. */
export function temporaryFolder(): string {
  return removeLater(mkdtempSync(join(tmpdir(), 'offramp-table-')));
}

/** A data folder whose MNIST test split is the drawn digits. */
export function drawnData(): string {
  const folder = temporaryFolder();
  const samples = join(projectFolder, 'models', 'samples');
  mkdirSync(join(folder, 'mnist'));
  for (const part of ['images-idx3', 'labels-idx1']) {
    cpSync(join(samples, `drawn-digits-${part}-ubyte.gz`), join(folder, 'mnist', `t10k-${part}-ubyte.gz`));
  }
  return folder;
}

/** Exit records of the first images of a data folder, in the format of a bundle. */
async function recordsOf(bundle: Bundle, data: string): Promise<Uint8Array> {
  const { labels, pixels, shape } = readDataset('mnist', data, 'test');
  const { exits, classes } = bundle.manifest;
  const graph = await wholeGraph(bundle);
  const options = { workers: 1, threadsPerWorker: 1, providers: ['cpu'], maxQueuedRuns: 1 } as const;
  const runner = await WorkerPool.start({ graphs: [graph], ...options });
  const input = new Uint8Array(pixels.subarray(0, drawnImages * shape[0] * shape[1]));
  const { outputs } = await runner.run(graph.key, input, drawnImages);
  await runner.close();
  const start = Math.ceil(drawnImages / 8) * 8;
  const bytes = new Uint8Array(start + drawnImages * exits.length * classes.length * 4);
  bytes.set(labels.subarray(0, drawnImages));
  const logits = new Float32Array(bytes.buffer, start);
  for (let image = 0; image < drawnImages; image++) {
    outputs.forEach((output, exit) => {
      const row = output.subarray(image * classes.length, (image + 1) * classes.length);
      logits.set(row, (image * exits.length + exit) * classes.length);
    });
  }
  return bytes;
}

/** The committed bundle under another id, with records of the drawn digits and, where asked for, its first segment as baseline. */
export async function drawnBundle(
  id: string,
  data: string,
  baseline: 'with baseline' | 'none',
): Promise<string> {
  const folder = temporaryFolder();
  cpSync(committedBundle, folder, { recursive: true });
  const bundle = await openBundle(bundleFolder(folder));
  const records = await recordsOf(bundle, data);
  writeFileSync(join(folder, 'records-test.bin'), records);
  const { baseline: own, ...manifest } = bundle.manifest;
  const first = bundle.segment(0);
  writeFileSync(join(folder, 'first.onnx'), first.bytes);
  const changed: Manifest = {
    ...manifest,
    id,
    records: await Promise.all(
      manifest.records.map(async (entry) =>
        entry.split === 'test'
          ? { ...entry, images: drawnImages, bytes: records.length, sha256: await digestOf(records) }
          : entry,
      ),
    ),
    ...(baseline === 'with baseline' && {
      baseline: {
        file: 'first.onnx',
        sha256: first.spec.sha256,
        bytes: first.spec.bytes,
        macs: first.spec.macs,
        parameters: first.spec.parameters,
        logits: 'logits',
      },
    }),
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(changed));
  return folder;
}
