import { readFile } from 'node:fs/promises';
import type { Answer } from '../../edge/agent/index.ts';
import {
  answerJson,
  classifyLines,
  type EdgeRuntime,
  errorWords,
  pictureSource,
  type RunningAgent,
  startAgent,
} from '../../edge/daemon/index.ts';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { type ResizeMode, untilSignal } from '../../shared/host/index.ts';
import type { CloudTlsSettings } from '../cli/access.ts';
import { cloudTlsFilesOf, readTokens } from '../options.ts';
import { milliseconds, percent, print, printJson, printLine, say, table } from '../output.ts';
import { findBundle, version } from '../project.ts';

export interface ClassifyCommandOptions extends CloudTlsSettings {
  readonly bundle: string;
  readonly cloud?: string;
  readonly cloudTokenFile?: string;
  readonly cut?: number;
  readonly budgetMs: number;
  readonly resize: ResizeMode;
  readonly runtime: EdgeRuntime;
  readonly lines?: boolean;
  readonly maxInFlight: number;
  readonly json?: boolean;
}

interface FileResult {
  readonly file: string;
  readonly answer?: Answer;
  readonly error?: OfframpError;
}

const connectWaitMs = 2000;

/** Classifies pictures in this process; without a cloud all segments run here. Fails when any of them could not be read. */
export async function classifyCommand(
  files: readonly string[],
  options: ClassifyCommandOptions,
): Promise<void> {
  const running = await startAgent({
    bundleFolder: findBundle(options.bundle),
    cloudUrls: options.cloud === undefined ? [] : [options.cloud],
    cloudToken: () => readTokens(options.cloudTokenFile, 'OFFRAMP_CLOUD_TOKEN')[0]?.token,
    cloudTls: cloudTlsFilesOf(options),
    cut: options.cut,
    budgetMs: options.budgetMs,
    maxInFlight: options.maxInFlight,
    runtime: options.runtime,
    workers: 1,
    threadsPerWorker: 1,
    version,
    onEvent: () => {},
  });
  try {
    await waitForCloud(running);
    const isComplete = options.lines
      ? await answerLines(running, options)
      : await answerFiles(files, running, options);
    if (!isComplete) process.exitCode = 1;
  } finally {
    await running.stop();
  }
}

async function answerFiles(
  files: readonly string[],
  running: RunningAgent,
  { json, resize }: ClassifyCommandOptions,
): Promise<boolean> {
  const results: FileResult[] = [];
  for (const file of files) results.push(await classifyFile(file, running, resize));
  if (json) printJson(results.map(toJson));
  else printTable(results);
  return results.every(({ error }) => error === undefined);
}

async function answerLines(
  { agent, bundle }: RunningAgent,
  { maxInFlight, resize }: ClassifyCommandOptions,
): Promise<boolean> {
  const stop = new AbortController();
  void untilSignal().then(() => stop.abort());
  const { shape } = bundle.manifest.input;
  const { errors } = await classifyLines({
    ...{ input: process.stdin, write: printLine, maxInFlight, signal: stop.signal },
    classify: (picture, budgetMs) =>
      agent.classify(pictureSource(picture, shape, resize), { ...(budgetMs !== undefined && { budgetMs }) }),
  });
  return errors === 0;
}

/** A cloud that is there gets its chance; one that is not costs its files only the words `degraded`. */
async function waitForCloud({ cloud }: RunningAgent): Promise<void> {
  if (cloud === undefined) return;
  const deadline = performance.now() + connectWaitMs;
  while (!cloud.connected && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10));
  if (cloud.problem !== undefined)
    say(`The cloud is not there (${cloud.problem.message}); answering on the device alone.`);
}

async function classifyFile(
  file: string,
  { agent, bundle }: RunningAgent,
  resize: ResizeMode,
): Promise<FileResult> {
  try {
    const bytes = await readFile(file).catch((cause: unknown) => {
      throw new OfframpError('IMAGE_MISSING', `Cannot read the picture: ${reasonOf(cause)}`, { cause });
    });
    return {
      file,
      answer: await agent.classify(pictureSource(bytes, bundle.manifest.input.shape, resize)),
    };
  } catch (thrown) {
    return { file, error: OfframpError.from(thrown) };
  }
}

function printTable(results: readonly FileResult[]): void {
  const rows = results.flatMap(({ file, answer }) => {
    if (answer === undefined) return [];
    const { className, probabilities, label, entropy, exit, route, latencyMs, bytesSent } = answer;
    const way = answer.degraded ? `${route}, degraded: ${answer.reason}` : route;
    const sure = percent(probabilities[label] ?? 0, 1);
    return [
      [file, className, sure, entropy.toFixed(3), exit, way, milliseconds(latencyMs), `${bytesSent} B`],
    ];
  });
  if (rows.length > 0) print(table(['file', 'class', 'p', 'entropy', 'exit', 'route', 'time', 'sent'], rows));
  for (const { file, error } of results) {
    if (error !== undefined) say(`${file}: ${error.code}: ${error.message}`);
  }
}

function toJson({ file, answer, error }: FileResult): unknown {
  if (answer !== undefined) return { file, ...answerJson(answer) };
  return { file, error: error && errorWords(error) };
}
