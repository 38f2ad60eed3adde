import { OfframpError } from '../errors.ts';
import { argmax, normalisedEntropy, softmax } from './softmax.ts';

export interface ExitQuestion {
  /** Uncalibrated logits of one image at one exit, [classes]; may be a view into a batch. */
  readonly logits: ArrayLike<number>;
  /** Divides the logits; from the manifest. */
  readonly temperature: number;
  /** Normalised entropy, 0 to 1, below which the image leaves here; `undefined` at the last exit, which always answers. */
  readonly threshold?: number | undefined;
}

export interface ExitDecision {
  /** Index of the class answered. Taken from the logits, so that no temperature can change it. */
  readonly label: number;
  /** Calibrated probabilities, [classes]. */
  readonly probabilities: Float64Array;
  /** Normalised entropy of the probabilities, 0 to 1. */
  readonly entropy: number;
  /** Whether the image leaves here. */
  readonly confident: boolean;
}

/**
 * The exit rule of BranchyNet (Teerapittayanon, McDanel, Kung, ICPR 2016, Fig. 2) with DDNN's normalised entropy: leave
 * at this exit if and only if the entropy is strictly below the threshold.
 *
 * Throws `TENSOR_INVALID` for logits that are not finite or fewer than 2, `CONFIG_INVALID` for a temperature or a
 * threshold out of range.
 */
export function decideExit({ logits, temperature, threshold }: ExitQuestion): ExitDecision {
  if (threshold !== undefined && !(threshold >= 0 && threshold <= 1)) {
    throw new OfframpError('CONFIG_INVALID', `got threshold ${threshold}, expected 0 to 1 or none`);
  }
  const probabilities = softmax(logits, temperature);
  const entropy = normalisedEntropy(probabilities);
  return {
    label: argmax(logits),
    probabilities,
    entropy,
    confident: threshold === undefined || entropy < threshold,
  };
}
