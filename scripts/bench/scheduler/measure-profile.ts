import { rowElements, type ServedBundle, serveBundle } from '../../../cloud/served-bundle.ts';
import { type Bundle, openBundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { tabulateExits } from '../../../shared/exits/index.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import { segmentKey } from '../../../shared/runtime/index.ts';
import { WorkerPool } from '../../../shared/runtime/node/index.ts';
import { seededRandom } from '../../calibrate/random.ts';
import { imageKinds } from './image-kinds.ts';
import type { ModelProfile, Profile } from './profile.ts';

export interface ProfileOptions {
  /** Folders of the bundles. */
  readonly folders: readonly string[];
  /** Where requests enter the network; segments before it are a device's. */
  readonly cut: number;
  readonly maxBatchRows: number;
  /** Passes that count, of every bundle and batch size. */
  readonly passes: number;
  readonly onProgress: (done: number, total: number) => void;
}

/** EdgeServing serves three models side by side. */
const leastModels = 3;
/** Of every bundle and batch size, before those that count: the first runs of a session allocate its memory. */
const warmUpPasses = 5;
const inputSeed = 1;

/**
 * Times the segments of bundles on one thread of the worker pool, as a server's engine waits for them, and counts what their exits
 * say of the test split. Fewer than three bundles are repeated under other ids.
 * @throws OfframpError CUT_UNSUPPORTED, and whatever opening a bundle or starting the pool throws.
 */
export async function measureProfile(options: ProfileOptions): Promise<Profile> {
  const bundles = await Promise.all(options.folders.map((folder) => openBundle(bundleFolder(folder))));
  for (const { manifest } of bundles) checkCut(manifest.id, manifest.segments.length, options.cut);
  const served = bundles.map((bundle) => serveBundle(bundle));
  const pool = await WorkerPool.start({
    graphs: served.flatMap(({ graphs }) => graphs.slice(options.cut)),
    workers: 1,
    threadsPerWorker: 1,
    providers: ['cpu'],
    maxQueuedRuns: 1,
  });
  try {
    const passes = await timeAll(pool, served, options);
    const models = await Promise.all(
      bundles.map(async (bundle, index) => modelProfile(bundle, options.cut, passes[index] ?? [])),
    );
    return { schemaVersion: 1, cut: options.cut, models: repeated(models, leastModels) };
  } finally {
    await pool.close();
  }
}

/** As many models as wanted; those that are repeated get ids of their own. */
export function repeated(models: readonly ModelProfile[], least: number): ModelProfile[] {
  const count = Math.max(least, models.length);
  return Array.from({ length: count }, (_, index) => models[index % models.length])
    .filter((model) => model !== undefined)
    .map((model, index) => {
      const round = Math.floor(index / models.length) + 1;
      return round === 1 ? model : { ...model, id: `${model.id}-${round}` };
    });
}

async function modelProfile(bundle: Bundle, cut: number, passes: number[][][]): Promise<ModelProfile> {
  const { id, exits } = bundle.manifest;
  const table = tabulateExits(
    await bundle.records('test'),
    exits.map(({ temperature }) => temperature),
  );
  const thresholds = exits.flatMap(({ threshold }) => threshold ?? []);
  return {
    id,
    exits: exits.slice(cut).map(({ name }) => name),
    images: imageKinds(table, thresholds, cut),
    passes,
  };
}

/** Milliseconds, [bundles][rows - 1][pass][segment]. All bundles and sizes take turns, so that the machine's moods fall on all. */
async function timeAll(
  pool: WorkerPool,
  served: readonly ServedBundle[],
  { cut, maxBatchRows, passes, onProgress }: ProfileOptions,
): Promise<number[][][][]> {
  const times = served.map(() => Array.from({ length: maxBatchRows }, (): number[][] => []));
  const total = warmUpPasses + passes;
  for (let pass = 0; pass < total; pass++) {
    for (const [index, bundle] of served.entries()) {
      for (let rows = 1; rows <= maxBatchRows; rows++) {
        const segments = await timePass(pool, bundle, cut, rows);
        if (pass >= warmUpPasses) times[index]?.[rows - 1]?.push(segments);
      }
    }
    onProgress(pass + 1, total);
  }
  return times;
}

/** Milliseconds of each segment from the cut on, the way to the thread and back included. */
async function timePass(
  pool: WorkerPool,
  served: ServedBundle,
  cut: number,
  rows: number,
): Promise<number[]> {
  const { bundle, graphs, runKey } = served;
  let tensor = randomInput(bundle, cut, rows * rowElements(served, cut));
  const times: number[] = [];
  for (let segment = cut; segment < graphs.length; segment++) {
    const startMs = performance.now();
    const { outputs } = await pool.run(segmentKey(runKey, segment), tensor, rows);
    times.push(Number((performance.now() - startMs).toFixed(4)));
    const [, codes] = outputs;
    tensor = codes instanceof Uint8Array ? codes : new Uint8Array(0);
  }
  return times;
}

/** Pixels or codes of any value: what a convolution takes does not depend on them. */
function randomInput({ manifest }: Bundle, cut: number, elements: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(inputSeed);
  const levels = cut === 0 ? 256 : 2 ** (manifest.cuts[cut - 1]?.bits ?? 1);
  return Uint8Array.from({ length: elements }, () => Math.floor(random() * levels));
}

function checkCut(id: string, segments: number, cut: number): void {
  if (cut < segments) return;
  throw new OfframpError(
    'CUT_UNSUPPORTED',
    `--cut: got ${cut}, bundle ${id} has cuts 0 to ${segments - 1} to enter at`,
  );
}
