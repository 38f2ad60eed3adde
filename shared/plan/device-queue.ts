import { constant, type Distribution } from './distribution.ts';

/** How images come to a device. */
export interface ArrivingImages {
  readonly imagesPerSecond: number;
  /** Variance of the gaps between them over the square of their mean: 0 of a camera, 1 of images that know nothing of each other. */
  readonly gapVariation: number;
}

/** What the device computes for an image, over all images. */
export interface Service {
  readonly meanMs: number;
  /** Mean of the squares. */
  readonly meanSquareMs: number;
}

/** Beyond this the formula says more of its pole than of the device. */
const mostUse = 0.98;
/** With less the wait is below what is measured. */
const leastUse = 0.01;
/** Ends of strata of an exponential distribution with mean 1, and their means. */
const strataEnds = [0.2, 0.4, 0.6, 0.75, 0.87, 0.95, 0.985, 1];
const strataWeights = strataEnds.map((end, index) => end - (strataEnds[index - 1] ?? 0));
const strataMeans = strataEnds.map((end, index) => {
  const begin = strataEnds[index - 1] ?? 0;
  return (exponentialBelow(end) - exponentialBelow(begin)) / (end - begin);
});

/**
 * How long an image waits until the device has time for it, by Kingman's formula with Allen and Cunneen's share for several threads
 * (Allen, Probability, Statistics and Queueing Theory, 1990, section 5.2.2). Exact in the mean for one thread and images that know
 * nothing of each other (Pollaczek and Khinchine). Who waits at all is taken to wait exponentially long. A device that is asked
 * for more than it can do waits longer the more it is.
 */
export function deviceWait(
  { imagesPerSecond, gapVariation }: ArrivingImages,
  { meanMs, meanSquareMs }: Service,
  parallel: number,
): Distribution {
  const asked = (imagesPerSecond * meanMs) / 1000 / Math.max(1, parallel);
  if (!(asked >= leastUse)) return constant(0);
  const use = Math.min(mostUse, asked);
  const serviceVariation = Math.max(0, meanSquareMs / meanMs ** 2 - 1);
  const waitingShare = parallel > 1 ? use ** (Math.sqrt(2 * (parallel + 1)) - 1) : use;
  const variation = (gapVariation + serviceVariation) / 2;
  const meanWaitMs =
    ((waitingShare / (1 - use)) * variation * meanMs * (asked / use)) / Math.max(1, parallel);
  if (meanWaitMs <= 0) return constant(0);
  return {
    ms: Float64Array.of(0, ...strataMeans.map((mean) => (mean * meanWaitMs) / waitingShare)),
    weights: Float64Array.of(1 - waitingShare, ...strataWeights.map((weight) => weight * waitingShare)),
  };
}

/** The integral of the quantile function of an exponential distribution with mean 1, from 0 to `level`. */
function exponentialBelow(level: number): number {
  return level >= 1 ? 1 : (1 - level) * Math.log(1 - level) + level;
}
