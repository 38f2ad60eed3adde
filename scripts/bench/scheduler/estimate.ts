import { mean } from '../../quantiles.ts';

/** A mean over seeds and half the width of its 95 % confidence interval (Student's t); infinite with fewer than two seeds. */
export interface Estimate {
  readonly mean: number;
  readonly plusMinus: number;
}

/** Two-sided 97.5 % quantiles of Student's t by degrees of freedom, from 1 on; beyond the table that of the normal distribution. */
const studentT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const normalQuantile = 1.96;

export function estimate(samples: readonly number[]): Estimate {
  const centre = mean(samples);
  const freedom = samples.length - 1;
  if (freedom < 1) return { mean: centre, plusMinus: Number.POSITIVE_INFINITY };
  const variance = samples.reduce((sum, sample) => sum + (sample - centre) ** 2, 0) / freedom;
  const factor = studentT[freedom - 1] ?? normalQuantile;
  return { mean: centre, plusMinus: factor * Math.sqrt(variance / samples.length) };
}
