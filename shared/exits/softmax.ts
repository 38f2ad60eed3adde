import { OfframpError } from '../errors.ts';

/**
 * Probabilities exp(z_i / T) / sum_j exp(z_j / T), shape [classes] as the logits, in double precision.
 *
 * `logits` may be a view into a batch; it is neither copied nor changed. The largest logit is taken off first, so that
 * no exponential overflows. Throws `TENSOR_INVALID` for no logits and for one that is not finite, `CONFIG_INVALID` for a
 * temperature that is not a finite number above 0 (temperature scaling: Guo et al., ICML 2017).
 */
export function softmax(logits: ArrayLike<number>, temperature: number): Float64Array {
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new OfframpError(
      'CONFIG_INVALID',
      `got temperature ${temperature}, expected a finite number above 0`,
    );
  }
  const largest = at(logits, argmax(logits));
  const probabilities = new Float64Array(logits.length);
  let sum = 0;
  for (let index = 0; index < logits.length; index++) {
    const weight = Math.exp((at(logits, index) - largest) / temperature);
    probabilities[index] = weight;
    sum += weight;
  }
  for (let index = 0; index < probabilities.length; index++) {
    probabilities[index] = at(probabilities, index) / sum;
  }
  return probabilities;
}

/**
 * Normalised entropy of DDNN (Teerapittayanon, McDanel, Kung, ICDCS 2017): -sum_i p_i ln p_i / ln(classes), in [0, 1];
 * 0 for a certain answer, 1 for none at all. p ln p is 0 at p = 0, its limit.
 *
 * Throws `TENSOR_INVALID` for fewer than 2 classes and for a value outside [0, 1].
 */
export function normalisedEntropy(probabilities: ArrayLike<number>): number {
  const classes = probabilities.length;
  if (classes < 2) {
    throw new OfframpError('TENSOR_INVALID', `got ${classes} probabilities, expected at least 2`);
  }
  let sum = 0;
  for (let index = 0; index < classes; index++) {
    const probability = at(probabilities, index);
    if (!(probability >= 0 && probability <= 1)) {
      throw new OfframpError(
        'TENSOR_INVALID',
        `probabilities: got ${probability} at ${index}, expected 0 to 1`,
      );
    }
    if (probability > 0) sum -= probability * Math.log(probability);
  }
  // Rounding may leave a uniform distribution a few units in the last place above 1.
  return Math.min(1, sum / Math.log(classes));
}

/** Index of the largest logit, the first of equals. Throws `TENSOR_INVALID` for no logits and for one that is not finite. */
export function argmax(logits: ArrayLike<number>): number {
  if (logits.length === 0) throw new OfframpError('TENSOR_INVALID', 'logits: got none, expected at least 1');
  let best = 0;
  for (let index = 0; index < logits.length; index++) {
    const logit = at(logits, index);
    if (!Number.isFinite(logit)) {
      throw new OfframpError('TENSOR_INVALID', `logits: got ${logit} at ${index}, expected a finite number`);
    }
    if (logit > at(logits, best)) best = index;
  }
  return best;
}

// Callers stay within the length; NaN for anything else would be caught by the checks above.
function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? Number.NaN;
}
