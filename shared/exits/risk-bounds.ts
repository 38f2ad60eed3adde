import { OfframpError } from '../errors.ts';

/**
 * Statements about the mean of losses in [0, 1] drawn independently from one distribution. What is drawn must be fixed before
 * the draw: these functions know nothing of thresholds that were chosen by looking (see risk-control.ts for that).
 */

/**
 * Upper confidence bound by betting (Waudby-Smith and Ramdas, JRSS-B 2024, in the form of Bates et al., JACM 2021, that "Fast yet
 * Safe", Jazbec et al., NeurIPS 2024, uses): the mean lies above it with probability at most `delta`. The smallest mean m at
 * which the capital of a gambler who bets against means of m and more, max_i prod_{j<=i} (1 - v_j (x_j - m)), reaches 1 / delta;
 * 1 when it never does. Depends on the order of the losses, which must not depend on their values.
 */
export function bettingUpperBound(losses: ArrayLike<number>, delta: number): number {
  const bets = betsOn(losses, delta);
  const goal = Math.log(1 / delta);
  if (logCapital(losses, bets, 1, goal) < goal) return 1;
  let low = 0;
  let high = 1;
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (logCapital(losses, bets, middle, goal) >= goal) high = middle;
    else low = middle;
  }
  return high;
}

/** Whether `bettingUpperBound(losses, delta) <= epsilon`, without searching for the bound. */
export function bettingBoundHolds(losses: ArrayLike<number>, epsilon: number, delta: number): boolean {
  checkLevel('epsilon', epsilon);
  const goal = Math.log(1 / delta);
  return logCapital(losses, betsOn(losses, delta), epsilon, goal) >= goal;
}

/** Stakes v_1 to v_n; each knows only the losses before it. */
function betsOn(losses: ArrayLike<number>, delta: number): Float64Array {
  checkLevel('delta', delta);
  const bets = new Float64Array(losses.length);
  const numerator = (2 * Math.log(1 / delta)) / losses.length;
  let sum = 0.5;
  let squares = 0.25;
  let variance = 0.25;
  for (let index = 0; index < losses.length; index++) {
    bets[index] = Math.min(1, Math.sqrt(numerator / variance));
    const loss = losses[index] ?? Number.NaN;
    if (!(loss >= 0 && loss <= 1)) {
      throw new OfframpError('TENSOR_INVALID', `losses: got ${loss} at ${index}, expected 0 to 1`);
    }
    sum += loss;
    squares += (loss - sum / (index + 2)) ** 2;
    variance = squares / (index + 2);
  }
  return bets;
}

/** The largest log capital on the way, or the first that reaches `goal`. Never below 0, the capital at the start. */
function logCapital(losses: ArrayLike<number>, bets: Float64Array, mean: number, goal: number): number {
  let largest = 0;
  let log = 0;
  for (let index = 0; index < bets.length; index++) {
    log += Math.log1p(-(bets[index] ?? 0) * ((losses[index] ?? 0) - mean));
    if (log <= largest) continue;
    if (log >= goal) return log;
    largest = log;
  }
  return largest;
}

/**
 * P(X <= successes) for X binomial(trials, probability), by summation in logarithms; relative error about 1e-12 at the sizes of
 * a calibration split.
 */
export function binomialCdf(successes: number, trials: number, probability: number): number {
  checkLevel('probability', probability);
  if (successes < 0) return 0;
  if (successes >= trials) return 1;
  const logOdds = Math.log(probability) - Math.log1p(-probability);
  let logTerm = trials * Math.log1p(-probability);
  // Sum of the terms so far, as a multiple of the latest one's exponential: neither over- nor underflows.
  let logSum = logTerm;
  for (let count = 1; count <= successes; count++) {
    logTerm += Math.log((trials - count + 1) / count) + logOdds;
    const [larger, smaller] = logTerm > logSum ? [logTerm, logSum] : [logSum, logTerm];
    logSum = larger + Math.log1p(Math.exp(smaller - larger));
  }
  return Math.min(1, Math.exp(logSum));
}

/**
 * Hoeffding-Bentkus p-value (Bates et al., JACM 2021; Angelopoulos et al., "Learn then Test") of the hypothesis that the mean of
 * `count` losses exceeds `epsilon`, given their sum: min(e P(Bin(n, eps) <= ceil(sum)), exp(-n h1(min(mean, eps), eps))) with
 * h1(a, b) = a ln(a / b) + (1 - a) ln((1 - a) / (1 - b)).
 */
export function hoeffdingBentkusP(lossSum: number, count: number, epsilon: number): number {
  checkLevel('epsilon', epsilon);
  if (!(count >= 1 && lossSum >= 0 && lossSum <= count)) {
    throw new OfframpError(
      'TENSOR_INVALID',
      `got a sum of ${lossSum} over ${count} losses, expected 0 to that count, which is at least 1`,
    );
  }
  const mean = Math.min(lossSum / count, epsilon);
  const entropy = xLogRatio(mean, epsilon) + xLogRatio(1 - mean, 1 - epsilon);
  const hoeffding = Math.exp(-count * entropy);
  const bentkus = Math.E * binomialCdf(Math.ceil(lossSum), count, epsilon);
  return Math.min(1, hoeffding, bentkus);
}

function xLogRatio(x: number, y: number): number {
  return x === 0 ? 0 : x * Math.log(x / y);
}

/**
 * Conformal risk control (Angelopoulos et al., ICLR 2024): whether (sum + 1) / (n + 1) <= epsilon. The largest threshold that
 * passes has an expected loss of at most `epsilon` on the next image, if every image's loss never falls as the threshold rises
 * and is 0 at the lowest.
 */
export function conformalRiskHolds(lossSum: number, count: number, epsilon: number): boolean {
  checkLevel('epsilon', epsilon);
  return (lossSum + 1) / (count + 1) <= epsilon;
}

function checkLevel(name: string, value: number): void {
  if (value > 0 && value < 1) return;
  throw new OfframpError('CONFIG_INVALID', `${name}: got ${value}, expected a number between 0 and 1`);
}
