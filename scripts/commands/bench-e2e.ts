import { writeFile } from 'node:fs/promises';
import { benchE2e, type E2eBench } from '../bench/e2e/bench.ts';
import type { EmulatorName } from '../bench/e2e/emulator-names.ts';
import { reportWords, warnings } from '../bench/e2e/report.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { print, printJson, say, withProgress } from '../output.ts';
import { type Origin, renderReport } from '../simulate/report/index.ts';

export interface BenchE2eCommandOptions {
  readonly scenario: string;
  readonly data?: string;
  readonly only?: readonly string[];
  readonly seconds?: number;
  readonly jobs: number;
  readonly emulator: EmulatorName;
  readonly congestion?: string;
  readonly compare?: boolean;
  readonly out?: string;
  readonly html?: string;
  readonly json?: boolean;
}

const stageLabels = { pictures: 'pictures', images: 'images sent', simulations: 'cells simulated' };

/** Runs a scenario with real processes, beside the simulator if asked to. */
export async function benchE2eCommand(options: BenchE2eCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const { scenario, only = [], seconds, jobs, emulator, congestion, out, html } = options;
  const bench = await withProgress(stageLabels, (onProgress) =>
    benchE2e({
      ...{ scenario, only, seconds, jobs, emulator, congestion, onProgress },
      dataFolder: options.data ?? process.env.OFFRAMP_DATA,
      comparing: options.compare ? 'with-simulation' : 'nothing',
    }),
  );
  tell(bench);
  const document = { ...run, ...bench };
  if (options.json) printJson(document);
  else print(reportWords(bench));
  if (out !== undefined) await write(out, `${JSON.stringify(document, null, 1)}\n`);
  if (html !== undefined) await write(html, renderReport({ ...document, origin: liveOrigin(bench) }));
}

async function write(file: string, text: string): Promise<void> {
  await writeFile(file, text);
  say(`Written to ${file}`);
}

function liveOrigin({ emulator, images, leftOut, results, comparisons }: E2eBench): Origin {
  const live = { kind: 'live' as const, emulator, images, leftOut, warnings: warnings(results) };
  return { ...live, ...(comparisons !== undefined && { comparisons }) };
}

function tell({ leftOut, results }: E2eBench): void {
  if (leftOut.length > 0) say(`Not run, because only hindsight can follow them: ${leftOut.join(', ')}`);
  for (const warning of warnings(results)) say(warning);
}
