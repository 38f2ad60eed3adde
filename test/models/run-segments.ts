import type { Bundle } from '../../shared/bundle/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import type { WorkerPool } from '../../shared/runtime/node/index.ts';
import { stack } from '../runtime/real-bundle.ts';

/** What images give when they run through all segments in one batch. */
export interface SegmentOutputs {
  /** Logits of each exit, [rows][classes]. */
  readonly logits: readonly Float32Array[];
  /** Codes that cross each cut, [rows][count]. */
  readonly codes: readonly Uint8Array[];
}

/** Runs images through all segments, one after the other, with nothing of ours but the runner in between. */
export async function runSegments(
  pool: WorkerPool,
  { manifest }: Bundle,
  images: readonly Uint8Array[],
): Promise<SegmentOutputs> {
  const logits: Float32Array[] = [];
  const codes: Uint8Array[] = [];
  let input = stack(images);
  for (const index of manifest.segments.keys()) {
    const { outputs } = await pool.run(segmentKey(manifest.id, index), input, images.length);
    const [own, onward] = outputs;
    if (!(own instanceof Float32Array)) throw new Error(`s${index} gave no logits`);
    logits.push(own);
    if (!(onward instanceof Uint8Array)) break;
    codes.push(onward);
    input = new Uint8Array(onward);
  }
  return { logits, codes };
}

/** Row `row` of a tensor of `rows` rows; a view. */
export function rowOf<Tensor extends Float32Array | Uint8Array>(
  tensor: Tensor | undefined,
  rows: number,
  row: number,
): Tensor {
  if (tensor === undefined) throw new Error('no such tensor');
  const size = tensor.length / rows;
  // A view of a typed array is one of its own kind.
  return tensor.subarray(row * size, (row + 1) * size) as Tensor;
}
