import { OfframpError } from '../errors.ts';
import { argmax } from './softmax.ts';

/** The temperatures that a manifest may hold. */
export const temperatureBounds = { least: 0.01, most: 100 } as const;

const toleranceOfLog = 1e-6;
const goldenRatio = (Math.sqrt(5) - 1) / 2;

/**
 * Mean negative log-likelihood, in nats, of the true labels under softmax(logits / temperature); `logits` are [images][classes].
 *
 * Throws `TENSOR_INVALID` for no images, for logits that are not finite and for a label that is no class.
 */
export function meanNegativeLogLikelihood(
  logits: readonly ArrayLike<number>[],
  labels: ArrayLike<number>,
  temperature: number,
): number {
  if (logits.length === 0) throw new OfframpError('TENSOR_INVALID', 'logits: got no images, expected some');
  let sum = 0;
  logits.forEach((row, image) => {
    sum += negativeLogLikelihood(row, labels[image], temperature);
  });
  return sum / logits.length;
}

function negativeLogLikelihood(
  row: ArrayLike<number>,
  label: number | undefined,
  temperature: number,
): number {
  const largest = row[argmax(row)] ?? Number.NaN;
  const own = label === undefined ? undefined : row[label];
  if (own === undefined) {
    throw new OfframpError('TENSOR_INVALID', `got label ${label}, expected 0 to ${row.length - 1}`);
  }
  let sum = 0;
  for (let index = 0; index < row.length; index++) {
    sum += Math.exp(((row[index] ?? Number.NaN) - largest) / temperature);
  }
  return Math.log(sum) - (own - largest) / temperature;
}

/**
 * Temperature scaling (Guo et al., ICML 2017): the temperature in 0.01 to 100 of least mean negative log-likelihood, by golden
 * section over its logarithm. The likelihood is convex in 1 / T, so the one minimum is found; where every answer is right, and any
 * low temperature as good as another in double precision, the highest of them. `logits` are [images][classes], uncalibrated. Errors
 * as `meanNegativeLogLikelihood`.
 */
export function fitTemperature(logits: readonly ArrayLike<number>[], labels: ArrayLike<number>): number {
  const lossAt = (log: number) => meanNegativeLogLikelihood(logits, labels, Math.exp(log));
  let low = Math.log(temperatureBounds.least);
  let high = Math.log(temperatureBounds.most);
  let left = high - goldenRatio * (high - low);
  let right = low + goldenRatio * (high - low);
  let atLeft = lossAt(left);
  let atRight = lossAt(right);
  while (high - low > toleranceOfLog) {
    if (atLeft < atRight) {
      high = right;
      right = left;
      atRight = atLeft;
      left = high - goldenRatio * (high - low);
      atLeft = lossAt(left);
    } else {
      low = left;
      left = right;
      atLeft = atRight;
      right = low + goldenRatio * (high - low);
      atRight = lossAt(right);
    }
  }
  const { least, most } = temperatureBounds;
  return Math.min(most, Math.max(least, Math.exp((low + high) / 2)));
}
