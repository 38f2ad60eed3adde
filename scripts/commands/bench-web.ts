import { benchWeb, type VisitTimes, type WebBench } from '../bench/web/bench.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { print, printJson, table, withProgress } from '../output.ts';

export interface BenchWebCommandOptions {
  readonly bundle: string;
  readonly visits: number;
  readonly json?: boolean;
}

const stageLabels = { cold: 'first visits', warm: 'visits of a kept page' };

/** Measures how soon a visitor of the page has the first answer. */
export async function benchWebCommand(options: BenchWebCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const { bundle, visits } = options;
  const bench = await withProgress(stageLabels, (onProgress) => benchWeb({ bundle, visits, onProgress }));
  if (options.json) printJson({ ...run, ...bench });
  else print(words(bench));
}

function words({ bundle, browser, visits, cold, warm }: WebBench): string {
  const row = (name: string, { readyMs, answerMs }: VisitTimes) => [
    name,
    ...[readyMs.p50, readyMs.p95, answerMs.p50, answerMs.p95].map((ms) => ms.toFixed(0)),
  ];
  return [
    `milliseconds from the beginning of a visit, ${bundle}, ${browser}, ${visits} visits each`,
    table(['cache', 'ready p50', 'p95', 'first answer p50', 'p95'], [row('empty', cold), row('warm', warm)]),
  ].join('\n');
}
