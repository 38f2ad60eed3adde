import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { OfframpError } from '../../shared/errors.ts';
import { type RunRecord, recordRun } from '../evaluate/run-record.ts';
import { print, printJson, say, withProgress } from '../output.ts';
import {
  answerWords,
  type Cell,
  cellsOf,
  findAnswers,
  findScenario,
  prepareScenario,
  type Question,
  type QuestionOptions,
  questionHint,
  questionOf,
  type RunResult,
  readScenario,
  resultTable,
  type SweepOptions,
  withRegret,
  withSweep,
} from '../simulate/index.ts';
import { renderReport } from '../simulate/report/index.ts';

export interface SimulateCommandOptions extends QuestionOptions {
  readonly scenario: string;
  readonly data?: string;
  readonly seconds?: number;
  readonly seed?: number;
  readonly jobs?: number;
  readonly out?: string;
  readonly html?: string;
  readonly json?: boolean;
}

const stageLabels = { runs: 'runs', answers: 'answers' };

/** Runs a scenario on a virtual clock. */
export async function simulateCommand(options: SimulateCommandOptions): Promise<void> {
  const record = recordRun(process.argv.slice(2), new Date());
  const file = findScenario(options.scenario);
  const { seconds, seed } = options;
  const change = { ...(seconds !== undefined && { seconds }), ...(seed !== undefined && { seed }) };
  const scenario = readScenario(file, change);
  const place = { file, dataFolder: options.data ?? process.env.OFFRAMP_DATA };
  const prepared = await prepareScenario(scenario, place);
  const sweep = { prepared, place, jobs: options.jobs ?? availableParallelism() };
  const question = questionOf(options);
  if (question !== undefined) {
    if (options.html !== undefined) {
      throw new OfframpError(
        'CONFIG_INVALID',
        'Got --html with --find, expected one of them: a report is of runs',
      );
    }
    await answerQuestion(sweep, question, record, options);
    return;
  }
  const results = await runCells(sweep);
  const document = { ...record, scenario, results: withRegret(scenario, results) };
  if (options.html !== undefined) {
    await writeFile(options.html, renderReport({ ...document, origin: { kind: 'simulated' } }));
    say(`Written to ${options.html}`);
  }
  await deliver(document, () => resultTable(document.results), options);
}

/** All cells' results, in the order of the cells. */
function runCells(sweep: SweepOptions): Promise<RunResult[]> {
  const cells = cellsOf(sweep.prepared);
  return withProgress(stageLabels, (onProgress) =>
    withSweep(sweep, (run) => {
      let done = 0;
      const runOne = async (cell: Cell) => {
        const result = await run(cell);
        onProgress('runs', ++done, cells.length);
        return result;
      };
      return Promise.all(cells.map(runOne));
    }),
  );
}

async function answerQuestion(
  sweep: SweepOptions,
  question: Question,
  record: RunRecord,
  options: SimulateCommandOptions,
): Promise<void> {
  const { prepared } = sweep;
  const { scenario } = prepared;
  const hint = questionHint(question, scenario.budgetMs);
  if (hint !== undefined) say(hint);
  const answers = await withProgress(stageLabels, (onProgress) =>
    withSweep(sweep, (run) =>
      findAnswers(prepared, question, run, (done, total) => onProgress('answers', done, total)),
    ),
  );
  await deliver({ ...record, scenario, question, answers }, () => answerWords(question, answers), options);
}

async function deliver(
  document: object,
  words: () => string,
  { out, json }: Pick<SimulateCommandOptions, 'out' | 'json'>,
): Promise<void> {
  if (out !== undefined) {
    await writeFile(out, `${JSON.stringify(document, null, 1)}\n`);
    say(`Written to ${out}`);
  }
  if (json) printJson(document);
  else print(words());
}
