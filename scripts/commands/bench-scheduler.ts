import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { contenders } from '../bench/scheduler/contenders.ts';
import { drawSweep } from '../bench/scheduler/draw.ts';
import { measureProfile } from '../bench/scheduler/measure-profile.ts';
import { latencyTable, type Profile, parseProfile, profileText } from '../bench/scheduler/profile.ts';
import { benchWords } from '../bench/scheduler/report.ts';
import type { ExitMode } from '../bench/scheduler/service.ts';
import { defaultSlos } from '../bench/scheduler/slos.ts';
import { type Sweep, sweepSchedulers } from '../bench/scheduler/sweep.ts';
import { makeResultFolder, writeResults } from '../evaluate/result-files.ts';
import { type RunRecord, recordRun } from '../evaluate/run-record.ts';
import { print, printJson, withProgress } from '../output.ts';
import { bundleIds, findBundle } from '../project.ts';

export interface BenchSchedulerOptions {
  /** Ids or folders; all under models/ when absent. */
  readonly bundle?: readonly string[];
  /** File to read a profile from, in place of measuring one. */
  readonly profile?: string;
  /** File to write what was measured to. */
  readonly saveProfile?: string;
  readonly cut: number;
  readonly passes: number;
  /** All that the profile has when absent. */
  readonly maxBatchRows?: number;
  readonly exits: ExitMode;
  readonly loads: readonly number[];
  /** Milliseconds; in proportion to the profile when absent. */
  readonly slo?: readonly number[];
  readonly seconds: number;
  readonly seed: number;
  readonly seeds: number;
  readonly executors: number;
  /** Folder to write charts to. */
  readonly plot?: string;
  readonly json?: boolean;
}

/** What every run of a sweep has in common, as the report says it. */
interface Settings extends Pick<BenchSchedulerOptions, 'exits' | 'loads' | 'seconds' | 'executors'> {
  readonly maxBatchRows: number;
  readonly sloMs: readonly number[];
  readonly seeds: readonly number[];
}

const defaultBatchRows = 10;
const stages = { profile: 'timing the bundles', sweep: 'simulating' } as const;

/** Compares schedulers on EdgeServing's workload, on a virtual clock with service times measured here. */
export async function benchSchedulerCommand(options: BenchSchedulerOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const rules = contenders(options.executors);
  for (const folder of foldersOf(options)) await makeResultFolder(folder);
  const { profile, settings, sweep } = await withProgress(stages, async (onProgress) => {
    const profile = await profileOf(options, run, (done, total) => onProgress('profile', done, total));
    const settings = settingsOf(options, profile);
    const sweep = await sweepSchedulers({
      ...settings,
      models: profile.models,
      contenders: rules,
      onProgress: (done, total) => onProgress('sweep', done, total),
    });
    return { profile, settings, sweep };
  });
  const files = options.plot === undefined ? [] : await plot(options.plot, sweep, settings);
  if (options.json) printJson(jsonOf(run, profile, settings, sweep, rules));
  else print([benchWords(sweep, rules), ...files].join('\n'));
}

/** Folders that are written to, so that nothing is measured which could not be written then. */
function foldersOf({ plot, saveProfile }: BenchSchedulerOptions): string[] {
  return [plot ?? [], saveProfile === undefined ? [] : dirname(saveProfile)].flat();
}

async function profileOf(
  { profile, saveProfile, bundle, cut, passes, maxBatchRows }: BenchSchedulerOptions,
  run: RunRecord,
  onProgress: (done: number, total: number) => void,
): Promise<Profile> {
  if (profile !== undefined) return readProfile(profile);
  const measured = await measureProfile({
    folders: (bundle ?? bundleIds()).map(findBundle),
    cut,
    passes,
    maxBatchRows: maxBatchRows ?? defaultBatchRows,
    onProgress,
  });
  if (saveProfile !== undefined) {
    const text = profileText(measured, run);
    await writeResults(dirname(saveProfile), [{ name: basename(saveProfile), text }]);
  }
  return measured;
}

async function readProfile(file: string): Promise<Profile> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new OfframpError('CONFIG_INVALID', `Cannot read the profile: ${reasonOf(cause)}`, { cause });
  });
  return parseProfile(text, file);
}

function settingsOf(options: BenchSchedulerOptions, { models }: Profile): Settings {
  const { exits, loads, slo, seconds, seed, seeds, executors } = options;
  const profiledRows = Math.min(...models.map(({ passes }) => passes.length));
  const maxBatchRows = options.maxBatchRows ?? profiledRows;
  if (maxBatchRows > profiledRows) {
    throw new OfframpError(
      'CONFIG_INVALID',
      `--max-batch-rows: got ${maxBatchRows}, the profile has batches of 1 to ${profiledRows} rows`,
    );
  }
  return {
    exits,
    loads,
    sloMs: slo ?? defaultSlos(models),
    seconds,
    seeds: Array.from({ length: seeds }, (_, index) => seed + index),
    executors,
    maxBatchRows,
  };
}

function plot(
  folder: string,
  sweep: Sweep,
  { exits, seconds, seeds, executors }: Settings,
): Promise<string[]> {
  const about = `${sweep.models.join(', ')}; exits by ${exits}; ${seeds.length} x ${seconds} s, executors: ${executors}`;
  return writeResults(folder, drawSweep(sweep, about));
}

function jsonOf(
  run: RunRecord,
  { cut, models }: Profile,
  settings: Settings,
  { models: order, capacityPerSecond, points }: Sweep,
  rules: ReturnType<typeof contenders>,
): object {
  return {
    ...run,
    ...settings,
    cut,
    schedulers: rules.map(({ name, rule, role }) => ({ name, rule, role })),
    models: models.map((model) => ({ id: model.id, exits: model.exits, latencyMs: latencyTable(model) })),
    capacityPerSecond: Object.fromEntries(order.map((id, index) => [id, capacityPerSecond[index]])),
    holdsAt: points.filter(({ verdict }) => verdict.holds).length,
    points: points.map(({ schedulers, verdict, ...point }) => ({
      ...point,
      verdict,
      schedulers: schedulers.map(({ name, figures }) => ({ name, ...figures })),
    })),
  };
}
