import type { Bundle, Manifest } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { ExitRecords } from '../../shared/exits/index.ts';
import {
  bettingUpperBound,
  type CascadeCost,
  choosePoint,
  controlRisk,
  type ExitTable,
  fitTemperature,
  hoeffdingBentkusP,
  type LossKind,
  lossesAtLevel,
  measureThresholds,
  type OperatingPoint,
  type RiskMethod,
  sharedThresholds,
  sweepLevels,
  tabulateExits,
  thresholdLevels,
  traceLosses,
} from '../../shared/exits/index.ts';
import { guaranteeWords } from './guarantee.ts';
import { seededRandom, shuffle } from './random.ts';
import type { CalibrationRequest, Goal } from './request.ts';
import { unreachableMean, unreachableRisk } from './unreachable.ts';

export const calibrationSplit = 'calibration';
const temperatureShare = 0.2;

/** What is known of the risk at the thresholds that were found safe. */
export interface RiskEvidence {
  readonly loss: LossKind;
  readonly method: RiskMethod;
  readonly epsilon: number;
  readonly delta?: number;
  /** Images that the thresholds were tested on. */
  readonly images: number;
  /** Mean loss of these images. */
  readonly measured: number;
  /** For `ucb-wsr`: upper confidence bound on the risk. */
  readonly upperBound?: number;
  /** For `ltt`: p-value of the hypothesis that the risk exceeds epsilon. */
  readonly pValue?: number;
}

export interface NamedPoint extends OperatingPoint {
  readonly name: string;
}

/** A calibration: what was asked, what was chosen, and what it reaches on the whole split. */
export interface Calibration {
  readonly bundle: string;
  readonly version: string;
  readonly digest: string;
  readonly split: string;
  readonly images: number;
  readonly cut: number;
  readonly target: Manifest['calibration']['target'];
  /** Names of the exits, in order. */
  readonly exits: readonly string[];
  readonly temperatures: readonly number[];
  readonly chosen: OperatingPoint;
  readonly risk?: RiskEvidence;
  readonly guarantee: string;
  /** The chosen point among others to compare it with, all on the whole split. */
  readonly points: readonly NamedPoint[];
}

/** Which images of the calibration split serve what. */
export interface Parts {
  readonly temperature: readonly number[];
  readonly threshold: readonly number[];
}

/**
 * A guarantee needs thresholds on entropies that were fixed beforehand, so a fifth of the images is set aside for the temperatures.
 * Images are taken at random, by a seed fixed for good, because betting needs an order that knows nothing of the losses, and
 * records may be sorted. A plain mean promises nothing and uses every image for both.
 */
export function partsOf(images: number, by: Goal['by']): Parts {
  const order = Int32Array.from({ length: images }, (_, image) => image);
  shuffle(order, seededRandom(1));
  const all = Array.from(order);
  if (by === 'mean') return { temperature: all, threshold: all };
  const aside = Math.floor(images * temperatureShare);
  return { temperature: all.slice(0, aside), threshold: all.slice(aside) };
}

/** Fits the temperature of every exit to some images of the records. */
export function fitTemperatures(records: ExitRecords, exits: number, images: readonly number[]): number[] {
  const labels = images.map((image) => records.labels[image] ?? 0);
  return Array.from({ length: exits }, (_, exit) =>
    fitTemperature(
      images.map((image) => records.logits(exit, image)),
      labels,
    ),
  );
}

/**
 * Chooses temperatures and thresholds on the calibration split's exit records.
 *
 * Throws `TARGET_UNREACHABLE` when the target cannot be met, saying what was best; `CONFIG_INVALID` for a bundle without a branch and for a cut it does
 * not have; `BUNDLE_FILE_MISSING` without calibration records.
 */
export async function calibrate(
  bundle: Bundle,
  { target, goal }: CalibrationRequest,
  cut: number,
): Promise<Calibration> {
  const { manifest, digest } = bundle;
  const cost = costOf(manifest, cut);
  const records = await bundle.records(calibrationSplit);
  const parts = partsOf(records.images, goal.by);
  const temperatures = fitTemperatures(records, manifest.exits.length, parts.temperature);
  const whole = tabulateExits(records, temperatures);
  const { level, risk } =
    goal.by === 'mean'
      ? { level: chooseByMean(whole, cost, goal), risk: undefined }
      : chooseByRisk(tabulateExits(records, temperatures, parts.threshold), cost, goal);
  const chosen = measureThresholds(whole, sharedThresholds(whole.exits, level), cost);
  return {
    bundle: manifest.id,
    version: manifest.version,
    digest,
    split: calibrationSplit,
    images: records.images,
    cut,
    target,
    exits: manifest.exits.map(({ name }) => name),
    temperatures,
    chosen,
    ...(risk === undefined ? {} : { risk }),
    guarantee: guaranteeWords(goal, parts.threshold.length),
    points: [
      { name: 'last exit only', ...measureThresholds(whole, sharedThresholds(whole.exits, 0), cost) },
      { name: 'manifest as it is', ...currentPoint(manifest, records, cost) },
      { name: 'chosen', ...chosen },
      { name: 'highest thresholds', ...measureThresholds(whole, sharedThresholds(whole.exits, 1), cost) },
    ],
  };
}

/** MACs and cut of a bundle; `CONFIG_INVALID` when there is nothing to calibrate or the cut is none of its own. */
export function costOf({ id, segments }: Manifest, cut: number): CascadeCost {
  if (segments.length < 2) {
    throw new OfframpError('CONFIG_INVALID', `${id}: got one exit, expected a branch before the last exit`);
  }
  if (cut < 1 || cut >= segments.length) {
    throw new OfframpError('CONFIG_INVALID', `--cut: got ${cut}, expected 1 to ${segments.length - 1}`);
  }
  return { segmentMacs: segments.map(({ macs }) => macs), cut };
}

function currentPoint({ exits }: Manifest, records: ExitRecords, cost: CascadeCost): OperatingPoint {
  const temperatures = exits.map(({ temperature }) => temperature);
  const thresholds = exits.flatMap(({ threshold }) => (threshold === undefined ? [] : [threshold]));
  return measureThresholds(tabulateExits(records, temperatures), thresholds, cost);
}

function chooseByMean(table: ExitTable, cost: CascadeCost, { target }: Goal & { by: 'mean' }): number {
  const points = sweepLevels(table, cost);
  const index = choosePoint(points, target);
  if (index === undefined) throw unreachableMean(points, target);
  return thresholdLevels[index] ?? 0;
}

function chooseByRisk(
  table: ExitTable,
  cost: CascadeCost,
  goal: Goal & { by: 'risk' },
): { level: number; risk: RiskEvidence } {
  const { loss, question } = goal;
  const curve = traceLosses(table, loss);
  const index = controlRisk(curve, allRows(table.images), question);
  const level = thresholdLevels[index ?? 0] ?? 0;
  const point = measureThresholds(table, sharedThresholds(table.exits, level), cost);
  if (index === undefined || point.exitShares.at(-1) === 1) {
    throw unreachableRisk(curve, index ?? -1, question);
  }
  return { level, risk: evidence(lossesAtLevel(curve, index), goal) };
}

function evidence(losses: Uint8Array, { loss, question }: Goal & { by: 'risk' }): RiskEvidence {
  const { method, epsilon, delta } = question;
  const sum = losses.reduce((total, value) => total + value, 0);
  return {
    loss,
    method,
    epsilon,
    ...(method === 'crc' ? {} : { delta }),
    images: losses.length,
    measured: sum / losses.length,
    ...(method === 'ucb-wsr' ? { upperBound: bettingUpperBound(losses, delta) } : {}),
    ...(method === 'ltt' ? { pValue: hoeffdingBentkusP(sum, losses.length, epsilon) } : {}),
  };
}

function allRows(images: number): Int32Array {
  return Int32Array.from({ length: images }, (_, row) => row);
}
