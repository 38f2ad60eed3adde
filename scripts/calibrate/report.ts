import type { Manifest } from '../../shared/bundle/index.ts';
import { percent, table } from '../output.ts';
import type { Calibration, NamedPoint, RiskEvidence } from './calibrate.ts';
import { type SplitCheck, standardErrorsAllowed } from './splits.ts';

/** A calibration for a person to read. */
export function calibrationWords(calibration: Calibration): string {
  const { bundle, version, images, target, temperatures, exits, cut, risk } = calibration;
  const goal =
    target.kind === 'mean-cost' ? `at most ${target.value} MACs` : `at least ${percent(target.value)}`;
  const scales = exits.map((name, exit) => `${name} ${(temperatures[exit] ?? 1).toFixed(4)}`).join(', ');
  return [
    `${bundle} ${version}, target ${target.kind}, ${goal}; ${segments(cut)} on the device`,
    `temperatures: ${scales}`,
    '',
    `All ${images} images of the calibration split, plain means:`,
    pointTable(calibration),
    '',
    ...(risk === undefined ? [] : [riskWords(risk), '']),
    `Guarantee: ${calibration.guarantee}`,
    '',
    'E[D] and H(D) are the mean and the entropy (nats) of the exit taken, after arXiv 2604.15764: diagnostics, no guarantee.',
    'Reviewers dispute the proof of its bound: two ln K terms are said to cancel and add up instead.',
  ].join('\n');
}

function segments(cut: number): string {
  return cut === 1 ? '1 segment' : `${cut} segments`;
}

function pointTable({ points, exits }: Calibration): string {
  const header = [
    'operating point',
    'thresholds',
    ...exits,
    'device',
    'accuracy',
    'agreement',
    'MACs',
    'on device',
    'E[D]',
    'H(D)',
  ];
  return table(header, points.map(pointRow));
}

function pointRow(point: NamedPoint): string[] {
  return [
    point.name,
    point.thresholds.map(shortNumber).join(' '),
    ...point.exitShares.map((share) => percent(share)),
    percent(point.deviceShare),
    percent(point.accuracy),
    percent(point.agreement),
    Math.round(point.meanMacs).toLocaleString('en'),
    Math.round(point.meanDeviceMacs).toLocaleString('en'),
    point.expectedDepth.toFixed(3),
    point.depthEntropy.toFixed(3),
  ];
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function riskWords({ loss, method, epsilon, images, measured, upperBound, pValue }: RiskEvidence): string {
  const losses = Math.round(measured * images);
  const bound = upperBound === undefined ? '' : `, upper bound ${percent(upperBound, 3)}`;
  const p = pValue === undefined ? '' : `, p-value ${pValue.toPrecision(2)}`;
  return `Risk (${loss}, ${method}): ${losses} losses among ${images} images, ${percent(measured, 3)}${bound}${p}; allowed ${percent(epsilon, 3)}.`;
}

/** A check of the guarantee for a person to read. */
export function splitCheckWords({ id, version }: Manifest, check: SplitCheck): string {
  const { method, loss, epsilon, delta, splits, seed, calibrated, heldOut, withoutThreshold } = check;
  const promise = delta === undefined ? 'on average' : `in all but ${percent(delta, 1)} of splits`;
  const judged =
    delta === undefined
      ? `mean risk ${percent(check.judged, 3)}, standard error ${percent(check.samplingError, 3)}; allowed ${percent(epsilon, 3)} + ${standardErrorsAllowed} standard errors = ${percent(check.limit, 3)}`
      : `risk above ${percent(epsilon, 3)} in ${percent(check.judged, 1)} of splits, standard error ${percent(check.samplingError, 1)}; allowed ${percent(delta, 1)} + ${standardErrorsAllowed} standard errors = ${percent(check.limit, 1)}`;
  return [
    `${id} ${version}: ${splits} random splits (seed ${seed}) of the pooled calibration and test records,`,
    `${calibrated} images to calibrate and ${heldOut} to measure on; promise: ${loss} at most ${percent(epsilon, 3)} ${promise} (${method})`,
    '',
    judged,
    `means over splits: risk ${percent(check.meanRisk, 3)}, answered on the device ${percent(check.meanDeviceShare)}; splits without a safe threshold: ${withoutThreshold}`,
    check.holds ? 'The promise holds.' : 'THE PROMISE IS BROKEN.',
  ].join('\n');
}
