/** How long one batch took. */
export interface MeasuredBatch {
  readonly rows: number;
  readonly durationMs: number;
}

/** `duration = perRowMs * rows + fixedMs`; neither is negative. */
export interface DurationLine {
  readonly perRowMs: number;
  readonly fixedMs: number;
}

/** What is known before the measurements. */
export interface LinePrior {
  /** Only its shape counts: how fixed and per-row part compare. Its size is taken from the measurements. */
  readonly line: DurationLine;
  /** How far off either part may be, as a share of the duration. */
  readonly looseness: number;
}

/** Batches that a line is fitted to. */
export const windowBatches = 50;
/** Weight of a batch relative to the next newer one. */
const forgetting = 0.97;
/** By age, that of the newest first. */
const ageWeights = Array.from({ length: windowBatches }, (_, age) => forgetting ** age);
/** The newest batches, whose medians say what is usual: a change becomes that when it holds for half of them. */
const recentBatches = 25;
/** A residual of so many standard deviations counts half (Cauchy weights; 95 % efficient for normal noise). */
const cauchyTuning = 2.385;
/** The standard deviation of normal noise, in median absolute deviations. */
const madToSigma = 1.4826;
/** Relative; keeps the weights finite where measurements lie on the line exactly. */
const leastSigma = 1e-3;
/** Keeps durations of nothing from counting without bound. */
const leastMs = 1e-6;
const rounds = 4;
const upperQuantile = 0.95;
/** Batches for which the assumed spread counts. */
const assumedBatches = 5;
/** The spread of durations that were not measured. */
export const assumedSpread = 0.25;

/** Milliseconds of a batch of `rows` rows. */
export function lineMs({ perRowMs, fixedMs }: DurationLine, rows: number): number {
  return perRowMs * rows + fixedMs;
}

/** The line with both parts `factor` times as long. */
export function scaledLine({ perRowMs, fixedMs }: DurationLine, factor: number): DurationLine {
  return { perRowMs: perRowMs * factor, fixedMs: fixedMs * factor };
}

/**
 * Fits a line to at most `windowBatches` measurements, oldest first, by least squares with forgetting. Noise is taken as
 * relative to the duration.
 *
 * Robust: it starts from the prior at the median size of the recent batches, and weighs each residual by Cauchy's rule against
 * the median one, anew in each of a few rounds. A rare outlier counts the less the further off it is, down to nothing; but
 * once half of the recent batches agree with it, it is they who are right, and what was before that fades.
 *
 * Where the measurements cannot tell the two parts apart, as when all batches are of one size, the shape of the prior decides;
 * with clear measurements it counts for nothing.
 *
 * Without measurements the line is the prior's.
 */
export function fitLine(batches: readonly MeasuredBatch[], { line, looseness }: LinePrior): DurationLine {
  if (batches.length === 0) return line;
  const sizes = fill(batches, ({ rows, durationMs }) => durationMs / positiveMs(line, rows));
  const anchor = scaledLine(line, recentMedian(sizes));
  let fitted = anchor;
  for (let round = 0; round < rounds; round++) {
    const residuals = relativeResiduals(batches, fitted);
    const sigma = Math.max(leastSigma, madToSigma * recentMedian(residuals.map(Math.abs)));
    fitted = solve(batches, weightsOf(batches, fitted, residuals, sigma), anchor, looseness / sigma);
  }
  return fitted;
}

/**
 * By what share batches take longer than the line says, at most, 95 of 100 times: the 95th percentile (nearest rank) of the
 * relative residuals, but never the largest alone, which may be an outlier. Few batches tell little, so an assumed spread of
 * 25 % counts for five batches more. At least 0.
 */
export function upperSpread(batches: readonly MeasuredBatch[], line: DurationLine): number {
  const residuals = relativeResiduals(batches, line).sort();
  const rank = Math.min(Math.ceil(upperQuantile * residuals.length), residuals.length - 1);
  const measured = residuals[rank - 1] ?? assumedSpread;
  const weighed = measured * residuals.length + assumedSpread * assumedBatches;
  return Math.max(0, weighed / (residuals.length + assumedBatches));
}

/** The same, but never nothing, so that a share of it can be told. */
export function positiveMs(line: DurationLine, rows: number): number {
  return Math.max(leastMs, lineMs(line, rows));
}

function relativeResiduals(batches: readonly MeasuredBatch[], line: DurationLine): Float64Array {
  return fill(batches, ({ rows, durationMs }) => durationMs / positiveMs(line, rows) - 1);
}

/**
 * One round of weighted least squares for what is nearest to the measurements, each in units of `sigma`, and to the anchor, in
 * units of the looseness. Two normal equations in the two parts, neither of which may be negative.
 */
function solve(
  batches: readonly MeasuredBatch[],
  weights: Float64Array,
  anchor: DurationLine,
  anchorSigma: number,
): DurationLine {
  const meanRows = batches.reduce((sum, { rows }) => sum + rows, 0) / batches.length;
  // As a measurement of each part alone, as precise as it is loose.
  const fixedWeight = (anchorSigma * positiveMs(anchor, meanRows)) ** -2;
  const perRowWeight = fixedWeight * meanRows ** 2;
  let [one, rowsOnce, rowsTwice] = [fixedWeight, 0, perRowWeight];
  let [ms, rowsMs] = [fixedWeight * anchor.fixedMs, perRowWeight * anchor.perRowMs];
  batches.forEach(({ rows, durationMs }, index) => {
    const weight = weights[index] ?? 0;
    one += weight;
    rowsOnce += weight * rows;
    rowsTwice += weight * rows * rows;
    ms += weight * durationMs;
    rowsMs += weight * rows * durationMs;
  });
  const determinant = one * rowsTwice - rowsOnce * rowsOnce;
  const perRowMs = (one * rowsMs - rowsOnce * ms) / determinant;
  const fixedMs = (rowsTwice * ms - rowsOnce * rowsMs) / determinant;
  if (perRowMs < 0) return { perRowMs: 0, fixedMs: ms / one };
  if (fixedMs < 0) return { perRowMs: rowsMs / rowsTwice, fixedMs: 0 };
  return { perRowMs, fixedMs };
}

/** Inverse variances, but for the square of `sigma`. */
function weightsOf(
  batches: readonly MeasuredBatch[],
  line: DurationLine,
  residuals: Float64Array,
  sigma: number,
): Float64Array {
  return fill(batches, ({ rows }, index) => {
    const age = ageWeights[batches.length - 1 - index] ?? 0;
    const deviation = (residuals[index] ?? 0) / (cauchyTuning * sigma);
    const expectedMs = positiveMs(line, rows);
    return age / (1 + deviation * deviation) / (expectedMs * expectedMs);
  });
}

function fill(
  batches: readonly MeasuredBatch[],
  value: (batch: MeasuredBatch, index: number) => number,
): Float64Array {
  const values = new Float64Array(batches.length);
  batches.forEach((batch, index) => {
    values[index] = value(batch, index);
  });
  return values;
}

/** The middle one of the newest, or of an even number the upper of the two in the middle. */
function recentMedian(values: Float64Array): number {
  const sorted = values.slice(-recentBatches).sort();
  return sorted[sorted.length >> 1] ?? 0;
}
