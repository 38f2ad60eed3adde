import { OfframpError } from '../../../shared/errors.ts';
import { type ExitRecords, type ExitTable, tabulateExits } from '../../../shared/exits/index.ts';
import { mean } from '../../quantiles.ts';
import { costsOfExits } from '../table/costs.ts';
import { baselineFigures } from '../table/figures.ts';
import type { Measured } from '../table/measure.ts';
import { exitTimes, msOf } from '../table/times.ts';
import { kneeOf, upperEnvelope } from './envelope.ts';
import { type ExitCosts, pointAt, type SweepPoint, sweep } from './sweep.ts';

export type CostKind = 'ms' | 'macs';

export interface CurvePoint extends SweepPoint {
  /** Costs by which no other point is better: as accurate and cheaper, or more accurate and as cheap. */
  readonly bestFor: readonly CostKind[];
}

/** What one way of answering every image costs and reaches. */
export interface SinglePoint {
  readonly accuracy: number;
  readonly meanMs: number;
  readonly meanMacs: number;
}

/** Accuracy against cost of one bundle under all thresholds, with what it is to be compared with. */
export interface Curve {
  readonly bundle: string;
  readonly version: string;
  readonly title: string;
  readonly digest: string;
  readonly dataset: string;
  readonly split: 'test';
  readonly images: number;
  /** Images that the times are medians over. */
  readonly timedImages: number;
  readonly cut: number;
  /** Names of the exits, and what an image costs that leaves there: the median time, the operations. */
  readonly exits: readonly string[];
  readonly costs: ExitCosts;
  /** The points where accuracy stops being cheap; `null` for a curve without a bend. */
  readonly knee: Readonly<Record<CostKind, SweepPoint | null>>;
  /** The thresholds of the manifest, chosen on another split; `measuredMs` is the mean time measured with them. */
  readonly operatingPoint: SweepPoint & { readonly measuredMs: number };
  /** Each exit alone answering every image. */
  readonly singleExits: readonly (SinglePoint & { readonly name: string })[];
  /** `null` where the bundle has none. */
  readonly baseline: SinglePoint | null;
  readonly points: readonly CurvePoint[];
}

/**
 * Sweeps thresholds over the exit records of the test split, with the times that were measured on the same images.
 *
 * Throws `BUNDLE_FILE_MISSING` for a bundle without such records and `DATA_CORRUPT` when they are not of these images.
 */
export async function traceCurve(measured: Measured): Promise<Curve> {
  const { bundle, calls, labels } = measured;
  const { manifest, digest } = bundle;
  const records = await bundle.records('test');
  checkSameImages(records, measured);
  const chosen = Array.from(labels, (_, image) => image);
  const temperatures = manifest.exits.map(({ temperature }) => temperature);
  const table = tabulateExits(records, temperatures, chosen);
  const costs = { ms: exitTimes(calls.everyExit).ms, macs: costsOfExits(manifest.segments) };
  const thresholds = manifest.exits.flatMap(({ threshold }) => threshold ?? []);
  const points = markBest(sweep(table, costs));
  return {
    bundle: manifest.id,
    version: manifest.version,
    title: manifest.title,
    digest,
    dataset: measured.dataset,
    split: 'test',
    images: labels.length,
    timedImages: measured.timed.length,
    cut: measured.cut,
    exits: manifest.exits.map(({ name }) => name),
    costs,
    knee: { ms: knee(points, 'ms'), macs: knee(points, 'macs') },
    operatingPoint: { ...pointAt(table, thresholds, costs), measuredMs: mean(calls.branchy.map(msOf)) },
    singleExits: manifest.exits.map(({ name }, exit) => {
      return { name, ...singleExit(table, exit, costs) };
    }),
    baseline: baselinePoint(measured),
    points,
  };
}

function baselinePoint(measured: Measured): SinglePoint | null {
  const baseline = baselineFigures(measured);
  if (baseline === null) return null;
  const { accuracy, ms, macs } = baseline;
  return { accuracy, meanMs: ms.typical, meanMacs: macs };
}

/** Says of every point for which costs it is on the upper envelope. */
export function markBest(points: readonly SweepPoint[]): CurvePoint[] {
  const best = { ms: envelopeOf(points, 'ms'), macs: envelopeOf(points, 'macs') };
  return points.map((point) => {
    return { ...point, bestFor: (['ms', 'macs'] as const).filter((kind) => best[kind].includes(point)) };
  });
}

/** The mean cost of a point. */
export function costOf({ meanMs, meanMacs }: SinglePoint, kind: CostKind): number {
  return kind === 'ms' ? meanMs : meanMacs;
}

function envelopeOf<T extends SweepPoint>(points: readonly T[], kind: CostKind): T[] {
  const priced = points.map((point) => ({ point, cost: costOf(point, kind), accuracy: point.accuracy }));
  return upperEnvelope(priced).map(({ point }) => point);
}

function knee(points: readonly CurvePoint[], kind: CostKind): SweepPoint | null {
  const priced = points
    .filter(({ bestFor }) => bestFor.includes(kind))
    .map((point) => ({ point, cost: costOf(point, kind), accuracy: point.accuracy }))
    .sort((a, b) => a.cost - b.cost);
  const found = kneeOf(priced)?.point;
  if (found === undefined) return null;
  const { bestFor, ...point } = found;
  return point;
}

function singleExit(table: ExitTable, exit: number, costs: ExitCosts): SinglePoint {
  const answers = table.answers[exit] ?? new Uint16Array();
  const right = answers.filter((answer, image) => answer === table.labels[image]).length;
  return {
    accuracy: right / table.images,
    meanMs: costs.ms[exit] ?? Number.NaN,
    meanMacs: costs.macs[exit] ?? Number.NaN,
  };
}

function checkSameImages(records: ExitRecords, { labels, bundle, dataset }: Measured): void {
  const other = labels.findIndex((label, image) => label !== records.labels[image]);
  if (other === -1) return;
  const recorded = records.labels[other] ?? 'no such image';
  throw new OfframpError(
    'DATA_CORRUPT',
    `${dataset}: got class ${labels[other]} for test image ${other}, the exit records of ${bundle.manifest.id} have ${recorded}: ` +
      `expected the images they were made from; fetch them with offramp data ${dataset}`,
  );
}
