import type { Bundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  controlRisk,
  type ExitTable,
  joinTables,
  type LossCurve,
  lossesAtLevel,
  measureThresholds,
  sharedThresholds,
  tabulateExits,
  thresholdLevels,
  traceLosses,
} from '../../shared/exits/index.ts';
import { calibrationSplit, costOf, fitTemperatures, partsOf } from './calibrate.ts';
import { seededRandom, shuffle } from './random.ts';
import type { Goal } from './request.ts';

export interface SplitCheckOptions {
  readonly splits: number;
  /** Whole number from 0 to 2^32 - 1. */
  readonly seed: number;
  readonly onProgress: (done: number) => void;
}

/** How often thresholds chosen on one part of the images broke their promise on the other part. */
export interface SplitCheck {
  readonly loss: string;
  readonly method: string;
  readonly epsilon: number;
  /** Absent for `crc`. */
  readonly delta?: number;
  readonly splits: number;
  readonly seed: number;
  /** Images of each split that thresholds were chosen on, and those they were measured on. */
  readonly calibrated: number;
  readonly heldOut: number;
  /** Splits whose risk on the held-out part exceeds epsilon, as a share. */
  readonly exceeding: number;
  /** Mean over splits of the risk on the held-out part. */
  readonly meanRisk: number;
  /** Mean over splits of the share of all pooled images that the device would answer. */
  readonly meanDeviceShare: number;
  /** Splits on which no level could be shown to be safe. */
  readonly withoutThreshold: number;
  /** The figure that is judged: `exceeding`, or `meanRisk` for `crc`. */
  readonly judged: number;
  /** One standard error of that figure over the splits, at the value that was promised. */
  readonly samplingError: number;
  /** What it may be: delta, or epsilon for `crc`, plus three standard errors. */
  readonly limit: number;
  readonly holds: boolean;
}

/** A promise that is kept exactly, as crc's nearly is, would fail one check in forty at two, one in seven hundred at three. */
export const standardErrorsAllowed = 3;

/**
 * Most of the pool is held out, because the risk there stands for the true one: its own scatter would count against the promise.
 * At one seventh it widens the scatter of the difference between both parts by 8 %.
 */
const largestCalibratedShare = 1 / 7;

/**
 * Checks a promise on the bundle's own records: pools the calibration split (without the images that the temperatures are fitted
 * on) and the test split, and again and again chooses thresholds on a random part and measures the risk on the rest.
 *
 * Throws `CONFIG_INVALID` for a goal that promises nothing, `BUNDLE_FILE_MISSING` without records of both splits.
 */
export async function checkSplits(
  bundle: Bundle,
  goal: Goal,
  cut: number,
  options: SplitCheckOptions,
): Promise<SplitCheck> {
  if (goal.by === 'mean') {
    throw new OfframpError(
      'CONFIG_INVALID',
      `--check: got target ${goal.target.kind} as a plain mean, which promises nothing; expected agreement, or accuracy with --delta`,
    );
  }
  const cost = costOf(bundle.manifest, cut);
  const { pool, calibrated } = await pooledRecords(bundle);
  const curve = traceLosses(pool, goal.loss);
  const deviceShares = new Map<number, number>();
  const order = Int32Array.from({ length: pool.images }, (_, image) => image);
  const random = seededRandom(options.seed);
  const risks: number[] = [];
  let devices = 0;
  let withoutThreshold = 0;
  for (let split = 1; split <= options.splits; split++) {
    shuffle(order, random);
    const index = controlRisk(curve, order.subarray(0, calibrated), goal.question);
    if (index === undefined) withoutThreshold++;
    else {
      risks.push(meanLoss(curve, index, order.subarray(calibrated)));
      const share = deviceShares.get(index) ?? deviceShareAt(pool, index, cost);
      deviceShares.set(index, share);
      devices += share;
    }
    options.onProgress(split);
  }
  const heldOut = pool.images - calibrated;
  const counts = { calibrated, heldOut, withoutThreshold, meanDeviceShare: devices / options.splits };
  return judgeRisks(risks, goal, counts, options);
}

/** All images that may stand in for the next ones: none that the temperatures have seen. */
async function pooledRecords(bundle: Bundle): Promise<{ pool: ExitTable; calibrated: number }> {
  const records = await bundle.records(calibrationSplit);
  const test = await bundle.records('test');
  const parts = partsOf(records.images, 'risk');
  const temperatures = fitTemperatures(records, bundle.manifest.exits.length, parts.temperature);
  const pool = joinTables([
    tabulateExits(records, temperatures, parts.threshold),
    tabulateExits(test, temperatures),
  ]);
  const most = Math.floor(pool.images * largestCalibratedShare);
  return { pool, calibrated: Math.max(1, Math.min(parts.threshold.length, most)) };
}

function deviceShareAt(
  pool: ExitTable,
  index: number,
  cost: Parameters<typeof measureThresholds>[2],
): number {
  const level = thresholdLevels[index] ?? 0;
  return measureThresholds(pool, sharedThresholds(pool.exits, level), cost).deviceShare;
}

function meanLoss(curve: LossCurve, index: number, images: Int32Array): number {
  const losses = lossesAtLevel(curve, index);
  return images.reduce((sum, image) => sum + (losses[image] ?? 0), 0) / images.length;
}

/** The verdict on the held-out risks of those splits that got thresholds; a split without a threshold has no early answer and so breaks no promise. */
export function judgeRisks(
  risks: readonly number[],
  { loss, question }: Goal & { by: 'risk' },
  counts: Pick<SplitCheck, 'calibrated' | 'heldOut' | 'withoutThreshold' | 'meanDeviceShare'>,
  { splits, seed }: Pick<SplitCheckOptions, 'splits' | 'seed'>,
): SplitCheck {
  const { method, epsilon, delta } = question;
  const exceeding = risks.filter((risk) => risk > epsilon).length / splits;
  const meanRisk = risks.reduce((sum, risk) => sum + risk, 0) / splits;
  const isCrc = method === 'crc';
  const deviation = Math.sqrt(risks.reduce((sum, risk) => sum + (risk - meanRisk) ** 2, 0) / splits);
  const samplingError = (isCrc ? deviation : Math.sqrt(delta * (1 - delta))) / Math.sqrt(splits);
  const limit = (isCrc ? epsilon : delta) + standardErrorsAllowed * samplingError;
  const judged = isCrc ? meanRisk : exceeding;
  return {
    loss,
    method,
    epsilon,
    ...(isCrc ? {} : { delta }),
    splits,
    seed,
    ...counts,
    exceeding,
    meanRisk,
    judged,
    samplingError,
    limit,
    holds: judged <= limit,
  };
}
