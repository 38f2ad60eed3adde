/** A range for a share that holds for all counts at once, with the confidence asked for. */
export interface ShareRange {
  readonly low: number;
  readonly high: number;
}

/** Beta(1/2, 1/2), which spends little on shares that are not near the one seen. */
const prior = { hits: 0.5, misses: 0.5 };
const precision = 1e-9;

/**
 * Confidence sequence for the share of hits among independent trials: with probability at least 1 - alpha the share lies within it
 * after every trial, however often one looks. Robbins' mixture (Annals of Mathematical Statistics, 1970): the likelihood under a Beta
 * prior over that under a share is a martingale if that is the true one, and reaches 1 / alpha with probability at most alpha (Ville).
 */
export function shareSequence(hits: number, trials: number, alpha: number): ShareRange {
  if (trials === 0) return { low: 0, high: 1 };
  const misses = trials - hits;
  const mixture = logBeta(hits + prior.hits, misses + prior.misses) - logBeta(prior.hits, prior.misses);
  const isOut = (share: number) =>
    mixture - times(hits, Math.log(share)) - times(misses, Math.log1p(-share)) >= Math.log(1 / alpha);
  const seen = hits / trials;
  return { low: border(0, seen, isOut), high: border(1, seen, isOut) };
}

/** Where between a share that may be out and one that is in the range ends. */
function border(outer: number, inner: number, isOut: (share: number) => boolean): number {
  let [out, within] = [outer, inner];
  if (!isOut(out === 0 ? precision : 1 - precision)) return outer;
  while (Math.abs(out - within) > precision) {
    const middle = (out + within) / 2;
    if (isOut(middle)) out = middle;
    else within = middle;
  }
  return within;
}

/** 0 times minus infinity is 0 here: what never happened tells nothing. */
function times(count: number, log: number): number {
  return count === 0 ? 0 : count * log;
}

function logBeta(one: number, other: number): number {
  return logGamma(one) + logGamma(other) - logGamma(one + other);
}

const stirling = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188] as const;

/** Stirling's series from 10 on, where five terms are exact to 1e-13; below by recurrence. */
function logGamma(value: number): number {
  let x = value;
  let product = 1;
  for (; x < 10; x++) product *= x;
  const series = stirling.reduce((sum, coefficient, term) => sum + coefficient / x ** (2 * term + 1), 0);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}
