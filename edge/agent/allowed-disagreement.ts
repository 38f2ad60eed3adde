import type { Manifest } from '../../shared/bundle/index.ts';

/** Where the calibration promises nothing: so much at least, and so many times what it found. */
const leastAllowed = 0.01;
const timesMeasured = 2;

/**
 * The share of the device's answers in which the cloud may disagree: what the calibration promises for all images, put on those that
 * leave on the device; without a promise twice what it found, and 1 % at least.
 */
export function allowedDisagreement({ calibration }: Pick<Manifest, 'calibration'>): number {
  const { measured, risk } = calibration;
  const deviceShare = measured.deviceShare > 0 ? measured.deviceShare : 1;
  if (risk?.loss === 'disagreement') return Math.min(0.5, risk.epsilon / deviceShare);
  const found = (1 - measured.agreement) / deviceShare;
  return Math.min(0.5, Math.max(leastAllowed, timesMeasured * found));
}
