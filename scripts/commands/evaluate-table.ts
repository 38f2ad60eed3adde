import { OfframpError } from '../../shared/errors.ts';
import { type Curve, traceCurve } from '../evaluate/curve/curve.ts';
import { writeCurve } from '../evaluate/curve/files.ts';
import { makeResultFolder } from '../evaluate/result-files.ts';
import { type RunRecord, recordRun } from '../evaluate/run-record.ts';
import { type TableEntry, tableEntry } from '../evaluate/table/figures.ts';
import { type Measured, measure, readSubject, type Stage, type Subject } from '../evaluate/table/measure.ts';
import { inPaperOrder, paperNote } from '../evaluate/table/paper.ts';
import { tableWords } from '../evaluate/table/report.ts';
import { dataFolderOf } from '../options.ts';
import { print, printJson, say, withProgress } from '../output.ts';
import { bundleIds, findBundle } from '../project.ts';

export interface EvaluateTableOptions {
  /** Ids or folders; all under models/ when absent. */
  readonly bundle?: readonly string[];
  readonly data?: string;
  readonly limit?: number;
  readonly sample: number;
  readonly cut: number;
  readonly table?: boolean;
  /** Folder to write curves to. */
  readonly plot?: string;
  readonly json?: boolean;
}

/** What became of one bundle. */
interface Result {
  readonly entry: TableEntry;
  readonly curve?: Omit<Curve, 'points'> & { readonly files: readonly string[] };
}

/** Measures bundles against their baselines, as the paper's Table I does, and draws accuracy against cost, as its Fig. 3 does. */
export async function evaluateTableCommand(options: EvaluateTableOptions): Promise<void> {
  const dataFolder = dataFolderOf(options.data);
  const folders = (options.bundle ?? inPaperOrder(bundleIds())).map(findBundle);
  // All of them are read before the first is measured, which takes minutes: what is wrong shows at once.
  const subjects: Subject[] = [];
  for (const folder of folders) subjects.push(await readSubject(folder, dataFolder));
  checkIds(subjects.map(({ bundle }) => bundle.manifest.id));
  if (options.plot !== undefined) await makeResultFolder(options.plot);
  const run = recordRun(process.argv.slice(2), new Date());
  const results: Result[] = [];
  for (const subject of subjects) results.push(await measureOne(subject, options, run));
  if (options.json) printJson(jsonOf(results, run, options));
  else printWords(results, run, options);
}

async function measureOne(subject: Subject, options: EvaluateTableOptions, run: RunRecord): Promise<Result> {
  const measured = await measureShown(subject, options);
  const entry = tableEntry(measured);
  return options.plot === undefined ? { entry } : { entry, curve: await plot(measured, options.plot, run) };
}

function measureShown(subject: Subject, options: EvaluateTableOptions): Promise<Measured> {
  const { id } = subject.bundle.manifest;
  const labels: Readonly<Record<Stage, string>> = {
    baseline: `${id}: baseline, all images`,
    branches: `${id}: with branches, all images`,
    time: `${id}: timing`,
  };
  return withProgress(labels, (onProgress) => measure(subject, { ...options, onProgress }));
}

async function plot(measured: Measured, folder: string, run: RunRecord): Promise<Result['curve'] & object> {
  const curve = await traceCurve(measured);
  const files = await writeCurve(folder, curve, run);
  const { points, ...rest } = curve;
  return { ...rest, files };
}

/** Rows and curves go by the id of their bundle. */
function checkIds(ids: readonly string[]): void {
  const twice = ids.find((id, place) => ids.indexOf(id) !== place);
  if (twice === undefined) return;
  throw new OfframpError(
    'CONFIG_INVALID',
    `--bundle: got two bundles with the id ${twice}, expected each once`,
  );
}

function jsonOf(results: readonly Result[], run: RunRecord, { table }: EvaluateTableOptions): object {
  return {
    ...run,
    ...(table && { paperNote, bundles: results.map(({ entry }) => entry) }),
    ...(results.some(({ curve }) => curve !== undefined) && { curves: results.map(({ curve }) => curve) }),
  };
}

function printWords(results: readonly Result[], run: RunRecord, { table }: EvaluateTableOptions): void {
  if (table) {
    print(
      tableWords(
        results.map(({ entry }) => entry),
        run,
      ),
    );
  }
  for (const { entry, curve } of results) {
    if (curve === undefined) continue;
    if (curve.baseline === null) say(`${entry.bundle} has no baseline: none is drawn.`);
    print(curve.files.join('\n'));
  }
}
