import { performance } from 'node:perf_hooks';
import type { Runner } from '../../../shared/runtime/index.ts';

/** How fast a segment runs with nothing around it. */
export interface DirectRate {
  readonly batchRows: number;
  readonly rowsPerSecond: number;
}

export interface DirectOptions {
  readonly runner: Runner;
  /** Key of the segment's graph. */
  readonly key: string;
  /** Codes that enter it, uint8 [...shape] each; repeated as needed. */
  readonly codes: readonly Uint8Array[];
  readonly seconds: number;
}

/** Runs batches of one size, one under way on every thread, for `seconds`. */
export async function directRate(options: DirectOptions, batchRows: number): Promise<DirectRate> {
  const { runner, seconds } = options;
  const batch = joined(options.codes, batchRows);
  await Promise.all(Array.from({ length: runner.parallel }, () => runOnce(options, batch, batchRows)));
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  let rows = 0;
  const lane = async () => {
    while (performance.now() < until) {
      await runOnce(options, batch, batchRows);
      rows += batchRows;
    }
  };
  await Promise.all(Array.from({ length: runner.parallel }, lane));
  return { batchRows, rowsPerSecond: (rows * 1000) / (performance.now() - startedAt) };
}

async function runOnce({ runner, key }: DirectOptions, batch: Uint8Array, rows: number): Promise<void> {
  // The runner takes the memory of its input away.
  await runner.run(key, new Uint8Array(batch), rows);
}

function joined(codes: readonly Uint8Array[], rows: number): Uint8Array {
  const size = codes[0]?.length ?? 0;
  const batch = new Uint8Array(rows * size);
  for (let row = 0; row < rows; row++) {
    batch.set(codes[row % codes.length] ?? new Uint8Array(0), row * size);
  }
  return batch;
}

/** The batch size of `sizes` at which a segment gives most rows a second. */
export async function bestDirectRate(options: DirectOptions, sizes: readonly number[]): Promise<DirectRate> {
  let best: DirectRate = { batchRows: 0, rowsPerSecond: 0 };
  for (const size of sizes) {
    const rate = await directRate(options, size);
    if (rate.rowsPerSecond > best.rowsPerSecond) best = rate;
  }
  return best;
}
