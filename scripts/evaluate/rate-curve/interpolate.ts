import type { Outcome } from '../curve/envelope.ts';

/**
 * Accuracy at a mean cost of `cost`. Between two outcomes the line that joins them counts, which a sender reaches by using each for
 * its part of the images; beyond the last outcome that one stands. `undefined` below the first.
 * @param envelope As `upperEnvelope` gives it: a sender that has a cheaper and better setting uses that.
 */
export function accuracyAt(envelope: readonly Outcome[], cost: number): number | undefined {
  const next = envelope.findIndex((outcome) => outcome.cost > cost);
  const left = envelope.at(next === -1 ? -1 : next - 1);
  const right = envelope[next];
  if (next === 0 || left === undefined) return undefined;
  if (right === undefined) return left.accuracy;
  const share = (cost - left.cost) / (right.cost - left.cost);
  return left.accuracy + share * (right.accuracy - left.accuracy);
}

/** Least mean cost at which an envelope reaches `accuracy`, read as in {@link accuracyAt}; `undefined` where it never does. */
export function costOf(envelope: readonly Outcome[], accuracy: number): number | undefined {
  const place = envelope.findIndex((outcome) => outcome.accuracy >= accuracy);
  const right = envelope[place];
  const left = envelope[place - 1];
  if (right === undefined || left === undefined) return right?.cost;
  const share = (accuracy - left.accuracy) / (right.accuracy - left.accuracy);
  return left.cost + share * (right.cost - left.cost);
}
