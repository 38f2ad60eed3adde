const middleTop = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
  2.506628277459239,
];
const middleBottom = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1,
];
const shareTop = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153];
const tailTop = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const tailBottom = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];

/** Quantile of the standard normal distribution, level between 0 and 1; Acklam's rational approximation, 1e-9 relative. */
export function normalQuantile(level: number): number {
  if (level > 0.5) return -normalQuantile(1 - level);
  if (level < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(level));
    return ratio(q, tailTop, tailBottom);
  }
  const q = level - 0.5;
  return q * ratio(q * q, middleTop, middleBottom);
}

function ratio(x: number, top: readonly number[], bottom: readonly number[]): number {
  const polynomial = (coefficients: readonly number[]) =>
    coefficients.reduce((value, coefficient) => value * x + coefficient, 0);
  return polynomial(top) / polynomial(bottom);
}

/** Distribution function of the standard normal distribution to 1e-7; Abramowitz and Stegun, 26.2.17. */
export function normalShareBelow(place: number): number {
  if (place < 0) return 1 - normalShareBelow(-place);
  const t = 1 / (1 + 0.2316419 * place);
  const tail = ratio(t, shareTop, [1]) * t;
  return 1 - (tail * Math.exp(-(place * place) / 2)) / Math.sqrt(2 * Math.PI);
}
