import { writeResults } from '../result-files.ts';
import type { RunRecord } from '../run-record.ts';
import { plotRateCurve } from './plot.ts';
import type { RateCurve } from './rate-curve.ts';

/**
 * Writes `ID-rates.json` and `ID-rates.svg`, for a cut above 1 `ID-cutN-rates`, and returns their paths. Throws `CONFIG_INVALID`.
 */
export function writeRateCurve(folder: string, curve: RateCurve, run: RunRecord): Promise<string[]> {
  const { bundle, cut } = curve;
  const name = `${bundle}${cut === 1 ? '' : `-cut${cut}`}-rates`;
  return writeResults(folder, [
    { name: `${name}.json`, text: `${JSON.stringify({ ...run, ...curve }, null, 2)}\n` },
    { name: `${name}.svg`, text: plotRateCurve(curve) },
  ]);
}
