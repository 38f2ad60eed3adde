import { OfframpError } from '../../shared/errors.ts';
import {
  measureRateCurve,
  type RateCurve,
  rateCurveWords,
  writeRateCurve,
} from '../evaluate/rate-curve/index.ts';
import { makeResultFolder } from '../evaluate/result-files.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { type Progress, print, printJson, progressBar, say } from '../output.ts';
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

/** Measures accuracy against bytes per image: every image sent at every rate of a cut, and as WebP. */
export async function evaluateRatesCommand(options: EvaluateRatesOptions): Promise<void> {
  const { rateCurve: folder, json } = options;
  const dataFolder = options.data ?? process.env.OFFRAMP_DATA;
  if (dataFolder === undefined) {
    throw new OfframpError(
      'DATA_MISSING',
      'Where is the data set? Give --data DIR or OFFRAMP_DATA; offramp data fetches it',
    );
  }
  const bundleFolder = findBundle(options.bundle);
  if (folder !== true) await makeResultFolder(folder);
  const run = recordRun(process.argv.slice(2), new Date());
  const curve = await measureShown({ ...options, bundleFolder, dataFolder });
  if (json) printJson({ ...run, ...curve });
  else print(rateCurveWords(curve, run));
  if (folder === true) return;
  const files = await writeRateCurve(folder, curve, run);
  say(`\nWritten: ${files.join(', ')}`);
}

async function measureShown(
  options: Omit<Parameters<typeof measureRateCurve>[0], 'onProgress'>,
): Promise<RateCurve> {
  let bar: Progress | undefined;
  let shown = '';
  try {
    return await measureRateCurve({
      ...options,
      onProgress(stage, done, total) {
        if (stage !== shown) {
          bar?.stop();
          bar = progressBar(stage === 'settings' ? 'WebP settings' : 'rates and WebP', total);
          shown = stage;
        }
        bar?.update(done);
      },
    });
  } finally {
    bar?.stop();
  }
}
