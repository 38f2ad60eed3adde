import { benchCloud, type CloudBench } from '../bench/cloud/bench.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { type Device, dataFolderOf } from '../options.ts';
import { milliseconds, percent, print, printJson, table, withProgress } from '../output.ts';
import { findBundle } from '../project.ts';

export interface BenchCloudCommandOptions {
  readonly bundle: string;
  readonly data?: string;
  readonly device: Device;
  readonly connections: number;
  readonly workers: number;
  readonly threads: number;
  readonly maxBatchRows: number;
  readonly budgetMs: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly seed: number;
  readonly json?: boolean;
}

const stageLabels = {
  direct: 'segment alone, batch sizes',
  served: 'server and segment in turns',
  single: 'one row a batch',
  open: 'offered loads',
};

/** Measures a real server against the same segment run with nothing around it. */
export async function benchCloudCommand(options: BenchCloudCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const bundleFolder = findBundle(options.bundle);
  const dataFolder = dataFolderOf(options.data);
  const bench = await withProgress(stageLabels, (onProgress) =>
    benchCloud({ ...options, bundleFolder, dataFolder, onProgress }),
  );
  if (options.json) printJson({ ...run, ...bench });
  else print(words(bench, options));
}

function words(bench: CloudBench, { connections, budgetMs }: BenchCloudCommandOptions): string {
  const rounds = bench.rounds.map(({ direct, served, ratio }, index) => [
    String(index + 1),
    direct.rowsPerSecond.toFixed(0),
    served.rowsPerSecond.toFixed(0),
    ratio.toFixed(3),
    milliseconds(served.latencyMs.p99),
  ]);
  const loads = bench.openLoop.map((point) => [
    percent(point.offeredShare, 0),
    point.offeredRowsPerSecond.toFixed(0),
    point.goodputRowsPerSecond.toFixed(0),
    percent(point.rejectedShare, 1),
    milliseconds(point.latencyMs.p50),
    milliseconds(point.latencyMs.p95),
    milliseconds(point.latencyMs.p99),
  ]);
  return [
    `${bench.bundle}, cut ${bench.cut}, on ${bench.provider}: rows a second under ${connections} closed-loop connections`,
    table(['round', 'segment alone', 'server', 'ratio', 'p99'], rounds),
    `ratio ${bench.ratio.toFixed(3)} (median); one row a batch ${bench.single.rowsPerSecond.toFixed(0)} rows/s, p99 ${milliseconds(bench.single.latencyMs.p99)}`,
    '',
    `open loop, budget ${budgetMs} ms, times from the moment a row was meant to be sent`,
    table(['load', 'offered/s', 'in time/s', 'not in time', 'p50', 'p95', 'p99'], loads),
    `past capacity at least ${percent(bench.goodputKept, 1)} of the best goodput`,
  ].join('\n');
}
