import { performance } from 'node:perf_hooks';
import { type DurationLine, fitLine } from '../../../cloud/batching/duration-line.ts';
import { OfframpError } from '../../../shared/errors.ts';
import type { Runner } from '../../../shared/runtime/index.ts';
import { quantile } from '../../quantiles.ts';
import type { SegmentOutputs } from './compare.ts';

/** A segment and what enters it. */
export interface SegmentInput {
  /** Of its graph in the runner. */
  readonly key: string;
  /** Pixels or codes, uint8 [rows, ...shape]. */
  readonly input: Uint8Array;
  readonly rows: number;
}

/** How long batches of a segment take, the way to the inference thread and back included. */
export interface SegmentSpeed {
  /** Medians, by batch size. */
  readonly batches: readonly { readonly rows: number; readonly durationMs: number }[];
  readonly line: DurationLine;
  /** At the batch size that gives most. */
  readonly rowsPerSecond: number;
}

/** Of every batch size, before those that count: the first runs allocate, and on a GPU compile. */
const warmUpPasses = 3;
/** As the server's model of durations starts; with clear measurements it counts for nothing. */
const prior = { line: { perRowMs: 1, fixedMs: 1 }, looseness: 2 };

/** 1, 2, 4 and so on up to `largest`. */
export function batchSizes(largest: number): number[] {
  return Array.from({ length: Math.floor(Math.log2(largest)) + 1 }, (_, power) => 2 ** power);
}

/** Sizes of the batches that `rows` rows are run in: all sizes in turn, for a GPU takes another shader for another size. */
export function batchesOf(rows: number, sizes: readonly number[]): number[] {
  const batches: number[] = [];
  for (let left = rows; left > 0; left -= batches.at(-1) ?? left) {
    batches.push(Math.min(left, sizes[batches.length % sizes.length] ?? left));
  }
  return batches;
}

/** Runs all rows of a segment once, in batches of the sizes given. */
export async function runRows(
  runner: Runner,
  { key, input, rows }: SegmentInput,
  sizes: readonly number[],
): Promise<SegmentOutputs> {
  const rowBytes = input.length / rows;
  const logits: Float32Array[] = [];
  const codes: Uint8Array[] = [];
  let first = 0;
  for (const size of batchesOf(rows, sizes)) {
    // The runner takes the memory of its input away.
    const batch = new Uint8Array(input.subarray(first * rowBytes, (first + size) * rowBytes));
    const [own, next] = (await runner.run(key, batch, size)).outputs;
    if (!(own instanceof Float32Array)) throw new OfframpError('RUNTIME_FAILED', `${key} gave no logits`);
    logits.push(own);
    if (next instanceof Uint8Array) codes.push(next);
    first += size;
  }
  const joined = Float32Array.from(logits.flatMap((own) => [...own]));
  return codes.length === 0 ? { logits: joined } : { logits: joined, codes: Buffer.concat(codes) };
}

/** Times batches of each size, `passes` of each that count; all sizes take turns, so that the machine's moods fall on all. */
export async function timeSegment(
  runner: Runner,
  segment: SegmentInput,
  sizes: readonly number[],
  passes: number,
): Promise<SegmentSpeed> {
  const times = sizes.map((): number[] => []);
  for (let pass = 0; pass < warmUpPasses + passes; pass++) {
    for (const [index, rows] of sizes.entries()) {
      const batch = repeated(segment, rows);
      const startMs = performance.now();
      await runner.run(segment.key, batch, rows);
      if (pass >= warmUpPasses) times[index]?.push(performance.now() - startMs);
    }
  }
  const batches = sizes.map((rows, index) => {
    const sorted = Float64Array.from(times[index] ?? []).sort();
    return { rows, durationMs: quantile(sorted, 0.5) };
  });
  const rates = batches.map(({ rows, durationMs }) => (rows * 1000) / durationMs);
  return { batches, line: fitLine(batches, prior), rowsPerSecond: Math.max(...rates) };
}

/** The first rows of a segment's input, from the start again where there are fewer. */
function repeated({ input, rows }: SegmentInput, count: number): Uint8Array<ArrayBuffer> {
  const rowBytes = input.length / rows;
  const batch = new Uint8Array(count * rowBytes);
  for (let first = 0; first < count; first += rows) {
    batch.set(input.subarray(0, Math.min(rows, count - first) * rowBytes), first * rowBytes);
  }
  return batch;
}
