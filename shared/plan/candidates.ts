import { type ExitTable, exitTaken, thresholdLevels } from '../exits/index.ts';
import { type Plan, type PlannedManifest, planKey, ratesOf, type Strictness } from './plan.ts';

/**
 * Which thresholds a planner may choose from. `calibrated`: the manifest's alone. `stricter`: these and lower ones. `any`: higher
 * ones too, about which the calibration promises nothing.
 */
export type Candidates = 'calibrated' | 'stricter' | 'any';

/** Thresholds of the device's exits, and what they are to the manifest's. */
interface Candidate {
  readonly thresholds: readonly number[];
  readonly strictness: Strictness;
}

/** Every plan of a bundle: each cut, with each candidate and each rate. The first is edge-only as calibrated. */
export function listPlans(
  manifest: PlannedManifest,
  table: ExitTable,
  candidates: Candidates,
  steps: number,
): Plan[] {
  const plans: Plan[] = [];
  for (let cut = manifest.segments.length; cut >= 0; cut--) {
    const isSent = cut > 0 && cut < manifest.segments.length;
    const rates = isSent ? ratesOf(manifest, cut) : [undefined];
    for (const { thresholds, strictness } of candidatesAt(manifest, table, cut, candidates, steps)) {
      for (const channels of rates) {
        const key = planKey(cut, thresholds, channels);
        plans.push({ key, cut, thresholds, strictness, ...(channels !== undefined && { channels }) });
      }
    }
  }
  return plans;
}

/**
 * Thresholds of the device's exits are scaled together, so that a level that all share stays shared, and rounded down to the
 * levels of the calibration, which are the ones it tested. The scales are chosen such that each step keeps (or lets
 * go) as many more of the recorded images.
 */
function candidatesAt(
  manifest: PlannedManifest,
  table: ExitTable,
  cut: number,
  candidates: Candidates,
  steps: number,
): Candidate[] {
  const own = manifest.exits.slice(0, Math.min(cut, table.exits - 1)).map(({ threshold = 0 }) => threshold);
  const calibrated: Candidate = { thresholds: own, strictness: 'calibrated' };
  if (own.length === 0 || candidates === 'calibrated') return [calibrated];
  const { leaving, staying } = scalesOf(table, own);
  const found = [calibrated];
  const offer = (thresholds: readonly number[], strictness: Strictness) => {
    const isNew = found.every((one) => one.thresholds.some((value, exit) => value !== thresholds[exit]));
    if (isNew) found.push({ thresholds, strictness });
  };
  for (let step = steps - 1; step >= 0; step--) {
    const scale = step === 0 ? 0 : (leaving[Math.floor((step * leaving.length) / steps)] ?? 0);
    offer(
      own.map((threshold) => levelBelow(threshold * scale)),
      'stricter',
    );
  }
  if (candidates === 'stricter') return found;
  for (let step = 1; step <= steps; step++) {
    const scale = staying[Math.ceil((step * staying.length) / steps) - 1] ?? 1;
    offer(
      own.map((threshold) => levelAbove(Math.max(threshold, least) * scale)),
      'other',
    );
  }
  return found;
}

/** So that a threshold of 0 can be scaled. */
const least = 1e-6;

/** By which factor all thresholds would have to shrink to keep each image that leaves, or to grow to let go each that stays; ascending. */
function scalesOf(table: ExitTable, own: readonly number[]): { leaving: number[]; staying: number[] } {
  const leaving: number[] = [];
  const staying: number[] = [];
  for (let image = 0; image < table.images; image++) {
    const scales = own.map(
      (threshold, exit) => (table.entropies[exit]?.[image] ?? 1) / Math.max(threshold, least),
    );
    const isLeaving = exitTaken(table, image, own) < own.length;
    (isLeaving ? leaving : staying).push(Math.min(...scales));
  }
  const ascending = (one: number, other: number) => one - other;
  return { leaving: leaving.sort(ascending), staying: staying.sort(ascending) };
}

/** The largest level of the calibration that is not above. */
function levelBelow(threshold: number): number {
  const above = thresholdLevels.findIndex((level) => level > threshold);
  return (above < 0 ? thresholdLevels.at(-1) : thresholdLevels[above - 1]) ?? 0;
}

function levelAbove(threshold: number): number {
  return thresholdLevels.find((level) => level > threshold) ?? 1;
}
