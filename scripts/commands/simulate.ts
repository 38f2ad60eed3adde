import { writeFile } from 'node:fs/promises';
import { recordRun } from '../evaluate/run-record.ts';
import { milliseconds, percent, print, printJson, say, table, withProgress } from '../output.ts';
import {
  cellsOf,
  findScenario,
  prepareScenario,
  type RunResult,
  readScenario,
  runCell,
  withRegret,
} from '../simulate/index.ts';

export interface SimulateCommandOptions {
  readonly scenario: string;
  readonly data?: string;
  readonly seconds?: number;
  readonly seed?: number;
  readonly out?: string;
  readonly json?: boolean;
}

const stageLabels = { runs: 'runs' };

/** Runs a scenario on a virtual clock. */
export async function simulateCommand(options: SimulateCommandOptions): Promise<void> {
  const record = recordRun(process.argv.slice(2), new Date());
  const file = findScenario(options.scenario);
  const { seconds, seed } = options;
  const change = { ...(seconds !== undefined && { seconds }), ...(seed !== undefined && { seed }) };
  const scenario = readScenario(file, change);
  const prepared = await prepareScenario(scenario, {
    file,
    dataFolder: options.data ?? process.env.OFFRAMP_DATA,
  });
  const cells = cellsOf(prepared);
  const results: RunResult[] = [];
  await withProgress(stageLabels, async (onProgress) => {
    for (const cell of cells) {
      results.push(await runCell(prepared, cell));
      onProgress('runs', results.length, cells.length);
    }
  });
  const document = { ...record, scenario, results: withRegret(scenario, results) };
  if (options.out !== undefined) {
    await writeFile(options.out, `${JSON.stringify(document, null, 1)}\n`);
    say(`Written to ${options.out}`);
  }
  if (options.json) printJson(document);
  else print(resultTable(document.results));
}

/** One row for each run. */
export function resultTable(results: readonly RunResult[]): string {
  const rows = results.map((one) => [
    one.link,
    String(one.devices),
    one.policy,
    interval(one.latencyMs.mean),
    milliseconds(one.latencyMs.p50.ms),
    interval(one.latencyMs.p95),
    percent(one.accuracy.share),
    percent(one.routes.exit + one.routes.edgeOnly, 0),
    percent(one.degraded.share, 1),
    percent(one.lateShare, 1),
    one.bytesPerImage.toFixed(0),
    one.cloudSecondsPer1000Images === undefined ? '' : one.cloudSecondsPer1000Images.toFixed(2),
    one.regret === undefined ? '' : percent(one.regret, 1),
    one.bestPlan ?? '',
  ]);
  const header = [
    'link',
    'devices',
    'policy',
    'mean ms',
    'p50',
    'p95 ms',
    'right',
    'on device',
    'degraded',
    'late',
    'bytes',
    'cloud s/1000',
    'regret',
    'best plan',
  ];
  return table(header, rows);
}

function interval({ ms, interval: [low, high] }: RunResult['latencyMs']['mean']): string {
  return `${ms.toFixed(1)} (${low.toFixed(1)}-${high.toFixed(1)})`;
}
