import { benchCloud } from '../bench/cloud/bench.ts';
import { cloudBenchWords, cloudStageLabels } from '../bench/cloud/report.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { type Device, dataFolderOf } from '../options.ts';
import { print, printJson, withProgress } from '../output.ts';
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

/** Measures a real server against the same segment run with nothing around it. */
export async function benchCloudCommand(options: BenchCloudCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const bundleFolder = findBundle(options.bundle);
  const dataFolder = dataFolderOf(options.data);
  const bench = await withProgress(cloudStageLabels, (onProgress) =>
    benchCloud({ ...options, bundleFolder, dataFolder, onProgress }),
  );
  if (options.json) printJson({ ...run, ...bench });
  else print(cloudBenchWords(bench));
}
