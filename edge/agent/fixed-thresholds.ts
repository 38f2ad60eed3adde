import type { Manifest } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';

/** Thresholds that somebody chose, beside those of the calibration; of the exits that the device reaches, the first one first. */
export interface FixedThresholds {
  readonly inUse: readonly number[];
  readonly calibrated: readonly number[];
}

/**
 * @param cut segments that the device runs; at 0 it answers from its first exit when the cloud does not.
 * @param levels one for each exit with a threshold that the device reaches, or one for all of them; 0 to 1.
 * @throws OfframpError CONFIG_INVALID.
 */
export function fixedThresholds(
  { id, exits }: Pick<Manifest, 'id' | 'exits'>,
  cut: number,
  levels: readonly number[],
): FixedThresholds {
  const calibrated = exits.slice(0, Math.max(1, cut)).flatMap(({ threshold }) => threshold ?? []);
  if (calibrated.length === 0) {
    throw new OfframpError('CONFIG_INVALID', `thresholds: ${id} has no exit with a threshold, expected none`);
  }
  const wrong = levels.find((level) => !(level >= 0 && level <= 1));
  if (wrong !== undefined) {
    throw new OfframpError('CONFIG_INVALID', `thresholds: got ${wrong}, expected numbers from 0 to 1`);
  }
  const [first] = levels;
  if (first !== undefined && levels.length === 1) return { inUse: calibrated.map(() => first), calibrated };
  if (levels.length === calibrated.length) return { inUse: levels, calibrated };
  const expected = calibrated.length === 1 ? '1' : `1 or ${calibrated.length}`;
  const where = `exits with a threshold that ${id} has on a device at cut ${cut}`;
  throw new OfframpError(
    'CONFIG_INVALID',
    `thresholds: got ${levels.length}, expected ${expected}, for the ${where}`,
  );
}

/** Whether any of them lets images leave that the calibration would not. */
export function areLooser({ inUse, calibrated }: FixedThresholds): boolean {
  return inUse.some((level, exit) => level > (calibrated[exit] ?? 0));
}
