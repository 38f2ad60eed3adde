import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readIdxImages } from '../../scripts/data/idx.ts';
import { type Bundle, type OpenBundleOptions, openBundle } from '../../shared/bundle/index.ts';
import { decideExit } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { type SegmentGraph, segmentGraph, segmentKey } from '../../shared/runtime/index.ts';
import { WorkerPool, type WorkerPoolOptions } from '../../shared/runtime/node/index.ts';

const models = fileURLToPath(new URL('../../models', import.meta.url));

/** Folder of the bundle the tests run; whatever is trained into it, they hold. */
export const realBundleFolder = join(models, 'b-lenet-mnist');

/** Opens the bundle the tests run. */
export function openRealBundle(options: OpenBundleOptions = {}): Promise<Bundle> {
  return openBundle(bundleFolder(realBundleFolder), options);
}

/** The same bundle with another threshold at its first exit: 0 lets nothing leave there, 1 next to everything. */
export function withThreshold(bundle: Bundle, threshold: number): Bundle {
  return {
    manifest: bundle.manifest,
    digest: bundle.digest,
    segments: bundle.segments,
    segment: (index) => bundle.segment(index),
    codec: (cut, channels) => bundle.codec(cut, channels),
    exit: (index) => (index === 0 ? { ...bundle.exit(0), threshold } : bundle.exit(index)),
    read: (file) => bundle.read(file),
    records: (split) => bundle.records(split),
  };
}

/** Graphs of all segments, the first one first. */
export function segmentGraphs(bundle: Bundle): SegmentGraph[] {
  return bundle.manifest.segments.map((_, index) => segmentGraph(bundle, index));
}

/** The graph of the whole network, under `key`; its outputs are the logits of every exit. */
export async function wholeGraph(bundle: Bundle, key: string): Promise<SegmentGraph> {
  const { whole, input, classes } = bundle.manifest;
  const outputs = whole.logits.map((name) => ({
    name,
    dtype: 'float32' as const,
    shape: [classes.length],
  }));
  return { key, bytes: await bundle.read(whole.file), input, outputs };
}

/** Starts a pool of one thread on the CPU, or as `change` says. */
export function startPool(
  graphs: readonly SegmentGraph[],
  change: Partial<WorkerPoolOptions> = {},
): Promise<WorkerPool> {
  const usual = { workers: 1, threadsPerWorker: 1, providers: ['cpu'] as const, maxQueuedRuns: 64 };
  return WorkerPool.start({ graphs, ...usual, ...change });
}

const samples = readIdxImages(join(models, 'samples', 'drawn-digits-images-idx3-ubyte.gz'));

/** The drawn digits, uint8 [28, 28, 1] each, in memory of its own; wraps around after the last. */
export function drawnImage(index: number): Uint8Array<ArrayBuffer> {
  const bytes = samples.rows * samples.columns;
  const at = index % samples.count;
  return new Uint8Array(samples.pixels.subarray(at * bytes, (at + 1) * bytes));
}

/** Joins rows into one tensor. */
export function stack(rows: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = rows[0]?.length ?? 0;
  const tensor = new Uint8Array(rows.length * size);
  for (const [index, row] of rows.entries()) tensor.set(row, index * size);
  return tensor;
}

/** What one image gives when it runs alone through every segment. */
export interface Alone {
  /** Logits of each exit. */
  readonly logits: readonly Float32Array[];
  /** Codes that cross the first cut. */
  readonly codes: Uint8Array;
  /** Entropy at the first exit. */
  readonly entropy: number;
}

/** Runs each image by itself through both segments, with nothing of ours but the runner in between. */
export async function runAlone(
  pool: WorkerPool,
  bundle: Bundle,
  images: readonly Uint8Array[],
): Promise<Alone[]> {
  const { id } = bundle.manifest;
  const all: Alone[] = [];
  for (const image of images) {
    const first = await pool.run(segmentKey(id, 0), new Uint8Array(image), 1);
    const [branch, codes] = first.outputs;
    if (!(branch instanceof Float32Array && codes instanceof Uint8Array)) throw new Error('s0 gave no codes');
    const second = await pool.run(segmentKey(id, 1), new Uint8Array(codes), 1);
    const [final] = second.outputs;
    if (!(final instanceof Float32Array)) throw new Error('s1 gave no logits');
    const { entropy } = decideExit({ ...bundle.exit(0), logits: branch });
    all.push({ logits: [branch, final], codes, entropy });
  }
  return all;
}

/** Largest difference between two vectors. */
export function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Array.from(a).reduce((most, value, index) => Math.max(most, Math.abs(value - (b[index] ?? 0))), 0);
}
