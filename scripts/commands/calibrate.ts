import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { RiskMethod } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { calibrate } from '../calibrate/calibrate.ts';
import { writeCalibration } from '../calibrate/manifest-edit.ts';
import { calibrationWords, splitCheckWords } from '../calibrate/report.ts';
import { type CalibrationRequest, parseRequest, type TargetKind } from '../calibrate/request.ts';
import { checkSplits } from '../calibrate/splits.ts';
import { print, printJson, progressBar, say } from '../output.ts';
import { findBundle } from '../project.ts';

export interface CalibrateCommandOptions {
  readonly bundle: string;
  readonly target: TargetKind;
  readonly atLeast?: number;
  readonly atMostMacs?: number;
  readonly epsilon?: number;
  readonly delta?: number;
  readonly method?: RiskMethod;
  readonly loss?: 'disagreement' | 'gap';
  readonly cut: number;
  readonly write?: boolean;
  /** YYYY-MM-DD; today (UTC) when absent. */
  readonly date?: string;
  readonly check?: boolean;
  readonly splits: number;
  readonly seed: number;
  readonly json?: boolean;
}

/** Chooses a bundle's temperatures and thresholds, or checks on random splits that the way of choosing keeps its promise. */
export async function calibrateCommand(options: CalibrateCommandOptions): Promise<void> {
  const request = parseRequest(options);
  if (options.check && options.write) {
    throw new OfframpError('CONFIG_INVALID', 'got --check with --write, expected one of them');
  }
  const folder = findBundle(options.bundle);
  const bundle = await openBundle(bundleFolder(folder), { segments: [] });
  if (options.check) await check(bundle, request, options);
  else await choose(bundle, request, folder, options);
}

async function choose(
  bundle: Bundle,
  request: CalibrationRequest,
  folder: string,
  options: CalibrateCommandOptions,
): Promise<void> {
  const calibration = await calibrate(bundle, request, options.cut);
  const date = options.date ?? new Date().toISOString().slice(0, 10);
  const newDigest = options.write ? await writeCalibration(folder, calibration, date) : undefined;
  if (options.json)
    printJson({ ...calibration, written: newDigest === undefined ? null : { date, digest: newDigest } });
  else print(calibrationWords(calibration));
  if (newDigest === undefined) {
    say('\nNothing was written; --write puts it into manifest.json.');
    return;
  }
  say(`\nWritten to ${folder}/manifest.json. The bundle digest is now ${newDigest}:`);
  say('devices and cloud must both get the new manifest, or the handshake refuses them.');
}

async function check(
  bundle: Bundle,
  { goal }: CalibrationRequest,
  { cut, splits, seed, json }: CalibrateCommandOptions,
): Promise<void> {
  const bar = progressBar('splits', splits);
  const result = await checkSplits(bundle, goal, cut, { splits, seed, onProgress: bar.update }).finally(() =>
    bar.stop(),
  );
  if (json) printJson({ bundle: bundle.manifest.id, digest: bundle.digest, ...result });
  else print(splitCheckWords(bundle.manifest, result));
  if (!result.holds) process.exitCode = 1;
}
