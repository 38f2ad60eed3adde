import { normalQuantile, normalShareBelow } from './normal.ts';

/** The levels whose quantiles are tracked, and those of a normal distribution, from which they start. */
const levels = [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
const normal = [-1.645, -0.674, 0, 0.674, 1.282, 1.645, 2.326];
/** How far one residual moves a quantile, in standard deviations. */
const step = 0.12;
const bounds = [-6, 8] as const;
/** Weight of the newest standard deviation among those by which residuals were divided. */
const sigmaStep = 0.05;

/** The shape of residuals of one standard deviation. */
export interface ResidualShape {
  /** The residual that a share of `level` does not exceed. */
  at(level: number): number;
  /** The share that does not exceed `residual`, 0 to 1. */
  shareBelow(residual: number): number;
}

/**
 * The shape of standardised residuals, learnt as seven quantiles. Each goes up by `step * level` when a residual exceeds it and
 * down by `step * (1 - level)` when not, so that over time the share that exceeds it is what it should be, whatever the
 * distribution and however it changes (Gibbs and Candès, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021).
 */
export class ResidualLevels {
  #quantiles: readonly number[] = normal;
  #usualSigma: number | undefined;

  /** Takes in a residual that was divided by `sigma`. */
  add(residual: number, sigma: number): void {
    let floor: number = bounds[0];
    // A new list: views of before keep theirs.
    this.#quantiles = this.#quantiles.map((quantile, at) => {
      const level = levels[at] ?? 0;
      const moved = quantile + step * (residual > quantile ? level : level - 1);
      floor = Math.min(bounds[1], Math.max(floor, moved));
      return floor;
    });
    this.#usualSigma = (1 - sigmaStep) * (this.#usualSigma ?? sigma) + sigmaStep * sigma;
  }

  /**
   * The shape where the standard deviation is `sigma`. Far residuals were seen on a link believed to be known. Where little is
   * known, the standard deviation itself allows for them, so that the shape's departure from a normal one does not grow with it.
   */
  shapeAt(sigma: number): ResidualShape {
    const departure = Math.min(1, (this.#usualSigma ?? sigma) / sigma);
    const tracked = this.#quantiles;
    const quantiles =
      departure === 1 ? tracked : normal.map((place, at) => place + departure * ((tracked[at] ?? 0) - place));
    const lastPlace = normal.at(-1) ?? 0;
    const last = quantiles.at(-1) ?? 0;
    // Beyond the last quantile no heavier than normal: nothing was seen there, and a mean must not hang on it.
    return {
      at: (level) => {
        const place = normalQuantile(level);
        return place > lastPlace ? last + place - lastPlace : along(normal, quantiles, place);
      },
      shareBelow: (residual) =>
        normalShareBelow(residual > last ? lastPlace + residual - last : along(quantiles, normal, residual)),
    };
  }
}

/** Where `value`, in its place among `from`, lies among `to`; straight between these and before the first. */
function along(from: readonly number[], to: readonly number[], value: number): number {
  let upper = 1;
  while (upper < from.length - 1 && (from[upper] ?? 0) < value) upper++;
  const [start, end] = [from[upper - 1] ?? 0, from[upper] ?? 0];
  const [toStart, toEnd] = [to[upper - 1] ?? 0, to[upper] ?? 0];
  if (end <= start) return value < end ? toStart : toEnd;
  return toStart + ((toEnd - toStart) * (value - start)) / (end - start);
}
