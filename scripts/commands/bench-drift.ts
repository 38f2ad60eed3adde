import { writeFile } from 'node:fs/promises';
import { benchDrift, type DriftBench, type ShiftResult } from '../bench/drift/bench.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { percent, print, printJson, say, table, withProgress } from '../output.ts';
import { findBundle } from '../project.ts';

export interface BenchDriftCommandOptions {
  readonly bundle: string;
  readonly data?: string;
  readonly auditShare: number;
  readonly images: number;
  readonly runs: number;
  readonly unshiftedRuns: number;
  readonly seed: number;
  readonly out?: string;
  readonly json?: boolean;
}

const stageLabels = { shifts: 'shifts' };

/** Measures how soon audits find changed pictures, and how often they cry wolf. */
export async function benchDriftCommand(options: BenchDriftCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const bench = await withProgress(stageLabels, (onProgress) =>
    benchDrift({
      ...options,
      bundleFolder: findBundle(options.bundle),
      dataFolder: options.data ?? process.env.OFFRAMP_DATA,
      onProgress,
    }),
  );
  const document = { ...run, ...bench };
  if (options.json) printJson(document);
  else print(words(bench));
  if (options.out === undefined) return;
  await writeFile(options.out, `${JSON.stringify(document, null, 1)}\n`);
  say(`Written to ${options.out}`);
}

function words(bench: DriftBench): string {
  const { bundle, source, testImages, auditShare, allowedDisagreement, imagesPerStream, unshifted } = bench;
  const { runs, images, audits, alarms, allowedAlarms, exitShareAlarms } = unshifted;
  return [
    `${bundle}, ${testImages} images, ${source}; streams of ${imagesPerStream} drawn from them, changed from the first on`,
    `audited ${percent(auditShare, 1)} of what leaves on the device; the cloud may disagree in ${percent(allowedDisagreement)}`,
    '',
    'to the first alarm',
    table(
      [
        'shift',
        'disagree',
        'found',
        'images p50',
        'worst',
        'audits p50',
        'worst',
        'share found',
        'images p50',
        'worst',
      ],
      bench.shifts.map(alarmCells),
    ),
    '',
    'answers before an alarm, and at the scale that the thresholds came to',
    table(
      ['shift', 'leave', 'right there', 'right', 'scale', 'leave', 'right there', 'disagree', 'right'],
      bench.shifts.map(levelCells),
    ),
    '',
    `unshifted: ${alarms} alarms in ${runs} streams, ${images} images, ${audits} audits; ${allowedAlarms.toFixed(1)} may be expected at most; the exit share was said to have moved ${exitShareAlarms} times`,
  ].join('\n');
}

function alarmCells(result: ShiftResult): string[] {
  const { shift, runs, found, imagesToAlarm, auditsToAlarm, levels } = result;
  const { exitShareFound, imagesToExitShareAlarm } = result;
  return [
    shift,
    percent(levels[0]?.disagreement ?? Number.NaN),
    `${found}/${runs}`,
    count(imagesToAlarm.median),
    count(imagesToAlarm.worst),
    count(auditsToAlarm.median),
    count(auditsToAlarm.worst),
    `${exitShareFound}/${runs}`,
    count(imagesToExitShareAlarm.median),
    count(imagesToExitShareAlarm.worst),
  ];
}

function levelCells({ shift, settledScale, levels }: ShiftResult): string[] {
  const [before] = levels;
  const after = levels.find(({ thresholdScale }) => thresholdScale === settledScale);
  if (before === undefined || after === undefined) return [shift];
  return [
    shift,
    percent(before.deviceShare, 1),
    percent(before.deviceAccuracy, 1),
    percent(before.accuracy, 1),
    String(settledScale),
    percent(after.deviceShare, 1),
    percent(after.deviceAccuracy, 1),
    percent(after.disagreement),
    percent(after.accuracy, 1),
  ];
}

function count(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}
