import type { Bundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { decideExit } from '../../../shared/exits/index.ts';
import { type Runner, segmentKey } from '../../../shared/runtime/index.ts';
import type { DemoImages } from '../../demo/images.ts';
import { exitLabels } from '../../evaluate/exit-labels.ts';
import type { Shift } from './shifts.ts';

/** What device and cloud make of every image; all arrays are [images]. */
export interface Opinions {
  readonly truths: Uint16Array;
  /** Normalised entropy at the exit of the device's segment. */
  readonly entropies: Float64Array;
  readonly deviceLabels: Uint16Array;
  /** What an audit is told: of the first sure exit behind the device's, by the manifest's thresholds, else of the last. */
  readonly cloudLabels: Uint16Array;
}

const rowsAtOnce = 64;

/**
 * Runs all images, shifted, through all segments; the device has the first. Codes go from segment to segment as they are: what
 * the codec does to them is without loss.
 * @param runner has all segments of the bundle loaded.
 * @throws OfframpError DATA_MISSING for pictures that show nothing, RUNTIME_FAILED.
 */
export async function recordOpinions(
  bundle: Bundle,
  runner: Runner,
  images: DemoImages,
  shift: Shift,
  random: () => number,
): Promise<Opinions> {
  const { count } = images;
  const opinions: Opinions = {
    truths: Uint16Array.from({ length: count }, (_, index) => truthOf(bundle, images, index)),
    entropies: new Float64Array(count),
    deviceLabels: new Uint16Array(count),
    cloudLabels: new Uint16Array(count),
  };
  for (let first = 0; first < count; first += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, count - first);
    const pixels = Array.from({ length: rows }, (_, row) =>
      shift.apply(images.image(first + row), images.shape, random),
    );
    note(opinions, bundle, await runSegments(bundle, runner, join(pixels), rows), first, rows);
  }
  return opinions;
}

function truthOf({ manifest }: Bundle, images: DemoImages, index: number): number {
  const truth = images.truth(index);
  if (truth !== undefined) return truth;
  const message = `${manifest.id}: got ${images.source}; expected images of its data set, by --data DIR or OFFRAMP_DATA`;
  throw new OfframpError('DATA_MISSING', message);
}

function join(images: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = images[0]?.length ?? 0;
  const batch = new Uint8Array(images.length * size);
  for (const [row, image] of images.entries()) batch.set(image, row * size);
  return batch;
}

/** Logits of every exit, uncalibrated, each [rows][classes]. */
async function runSegments(
  { manifest }: Bundle,
  runner: Runner,
  images: Uint8Array<ArrayBuffer>,
  rows: number,
): Promise<Float32Array[]> {
  const exits: Float32Array[] = [];
  let input = images;
  for (const segment of manifest.segments.keys()) {
    const { outputs } = await runner.run(segmentKey(manifest.id, segment), input, rows);
    const [logits, codes] = outputs;
    if (!(logits instanceof Float32Array)) {
      throw new OfframpError('RUNTIME_FAILED', `s${segment} gave no logits`);
    }
    exits.push(logits);
    if (codes instanceof Uint8Array) input = codes;
  }
  return exits;
}

function note(
  { entropies, deviceLabels, cloudLabels }: Opinions,
  bundle: Bundle,
  [own = new Float32Array(0), ...behind]: readonly Float32Array[],
  first: number,
  rows: number,
): void {
  const classes = bundle.manifest.classes.length;
  for (let row = 0; row < rows; row++) {
    const logits = own.subarray(row * classes, (row + 1) * classes);
    const { entropy, label } = decideExit({ ...bundle.exit(0), logits });
    entropies[first + row] = entropy;
    deviceLabels[first + row] = label;
    cloudLabels[first + row] = exitLabels(bundle, 1, behind, row).label;
  }
}
