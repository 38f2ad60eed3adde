import { writeFile } from 'node:fs/promises';
import { benchE2e, type E2eBench } from '../bench/e2e/bench.ts';
import type { EmulatorName } from '../bench/e2e/emulator-names.ts';
import { reportWords, warnings } from '../bench/e2e/report.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { print, printJson, say, withProgress } from '../output.ts';

export interface BenchE2eCommandOptions {
  readonly scenario: string;
  readonly data?: string;
  readonly only?: readonly string[];
  readonly seconds?: number;
  readonly jobs: number;
  readonly emulator: EmulatorName;
  readonly compare?: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

const stageLabels = { pictures: 'pictures', images: 'images sent', simulations: 'cells simulated' };

/** Runs a scenario with real processes, beside the simulator if asked to. */
export async function benchE2eCommand(options: BenchE2eCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const { scenario, only = [], seconds, jobs, emulator, out } = options;
  const bench = await withProgress(stageLabels, (onProgress) =>
    benchE2e({
      ...{ scenario, only, seconds, jobs, emulator, onProgress },
      dataFolder: options.data ?? process.env.OFFRAMP_DATA,
      comparing: options.compare ? 'with-simulation' : 'nothing',
    }),
  );
  tell(bench);
  const document = { ...run, ...bench };
  if (options.json) printJson(document);
  else print(reportWords(bench));
  if (out === undefined) return;
  await writeFile(out, `${JSON.stringify(document, null, 1)}\n`);
  say(`Written to ${out}`);
}

function tell({ leftOut, results }: E2eBench): void {
  if (leftOut.length > 0) say(`Not run, because only hindsight can follow them: ${leftOut.join(', ')}`);
  for (const warning of warnings(results)) say(warning);
}
