import type { Bundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { decideExit } from '../../../shared/exits/index.ts';
import { segmentGraph, segmentKey } from '../../../shared/runtime/index.ts';
import { WorkerPool } from '../../../shared/runtime/node/index.ts';
import { readTestImages } from '../../evaluate/test-images.ts';

/** Rows as devices send them: codes of images that no exit before the cut was sure of. */
export interface RealRows {
  /** What enters the segment behind the cut, uint8 [...shape] each. */
  readonly codes: readonly Uint8Array[];
  /** The same through the codec. */
  readonly streams: readonly Uint8Array[];
}

/** Runs the device's segments on test images until `count` of them are not sure of their image. */
export async function realRows(
  bundle: Bundle,
  cut: number,
  dataFolder: string,
  count: number,
): Promise<RealRows> {
  const { images } = readTestImages(bundle.manifest, dataFolder);
  const graphs = Array.from({ length: cut }, (_, index) => segmentGraph(bundle, index));
  const pool = await WorkerPool.start({
    ...{ graphs, workers: 1, threadsPerWorker: 1, providers: ['cpu'], maxQueuedRuns: 1 },
  });
  try {
    const codes: Uint8Array[] = [];
    for (let index = 0; index < images.count && codes.length < count; index++) {
      const own = await codesOf(pool, bundle, cut, images.image(index));
      if (own !== undefined) codes.push(own);
    }
    if (codes.length === 0) {
      throw new OfframpError('DATA_MISSING', `${bundle.manifest.id}: no image goes beyond cut ${cut}`);
    }
    const codec = bundle.codec(cut);
    return { codes, streams: codes.map((row) => codec.encode(row)) };
  } finally {
    await pool.close();
  }
}

/** The codes of an image at the cut; `undefined` where an exit before it was sure. */
async function codesOf(
  pool: WorkerPool,
  bundle: Bundle,
  cut: number,
  image: Uint8Array,
): Promise<Uint8Array | undefined> {
  let input = new Uint8Array(image);
  for (let segment = 0; segment < cut; segment++) {
    const { outputs } = await pool.run(segmentKey(bundle.manifest.id, segment), input, 1);
    const [logits, codes] = outputs;
    if (!(logits instanceof Float32Array && codes instanceof Uint8Array)) {
      throw new OfframpError('RUNTIME_FAILED', `s${segment} gave no logits or no codes`);
    }
    if (decideExit({ ...bundle.exit(segment), logits }).confident) return undefined;
    input = codes;
  }
  return input;
}
