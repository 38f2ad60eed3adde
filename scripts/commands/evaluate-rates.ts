import { measureRateCurve, rateCurveWords, writeRateCurve } from '../evaluate/rate-curve/index.ts';
import { makeResultFolder } from '../evaluate/result-files.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { dataFolderOf } from '../options.ts';
import { print, printJson, say, withProgress } from '../output.ts';
import { findBundle } from '../project.ts';

export interface EvaluateRatesOptions {
  readonly bundle: string;
  readonly data?: string;
  readonly limit?: number;
  readonly budgetMs: number;
  readonly cut: number;
  /** Folder to write the curve into; `true` when it is only to be printed. */
  readonly rateCurve: string | true;
  readonly json?: boolean;
}

const stageLabels = { settings: 'WebP settings', curve: 'rates and WebP' };

/** Measures accuracy against bytes per image: every image sent at every rate of a cut, and as WebP. */
export async function evaluateRatesCommand(options: EvaluateRatesOptions): Promise<void> {
  const { rateCurve: folder, json } = options;
  const dataFolder = dataFolderOf(options.data);
  const bundleFolder = findBundle(options.bundle);
  if (folder !== true) await makeResultFolder(folder);
  const run = recordRun(process.argv.slice(2), new Date());
  const curve = await withProgress(stageLabels, (onProgress) =>
    measureRateCurve({ ...options, bundleFolder, dataFolder, onProgress }),
  );
  if (json) printJson({ ...run, ...curve });
  else print(rateCurveWords(curve, run));
  if (folder === true) return;
  const files = await writeRateCurve(folder, curve, run);
  say(`\nWritten: ${files.join(', ')}`);
}
