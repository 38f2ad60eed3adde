import { readFile } from 'node:fs/promises';
import type { Answer } from '../../edge/agent/index.ts';
import { type EdgeRuntime, pictureSource, type RunningAgent, startAgent } from '../../edge/daemon/index.ts';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import type { ResizeMode } from '../../shared/host/index.ts';
import type { CloudTlsSettings } from '../cli/access.ts';
import { cloudTlsFilesOf, readTokens } from '../options.ts';
import { milliseconds, percent, print, printJson, say, table } from '../output.ts';
import { findBundle, version } from '../project.ts';

export interface ClassifyCommandOptions extends CloudTlsSettings {
  readonly bundle: string;
  readonly cloud?: string;
  readonly cloudTokenFile?: string;
  readonly cut?: number;
  readonly budgetMs: number;
  readonly resize: ResizeMode;
  readonly runtime: EdgeRuntime;
  readonly json?: boolean;
}

interface FileResult {
  readonly file: string;
  readonly answer?: Answer;
  readonly error?: OfframpError;
}

const connectWaitMs = 2000;

/** Classifies picture files in this process; without a cloud all segments run here. Fails when any file could not be read. */
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
    maxInFlight: 64,
    runtime: options.runtime,
    workers: 1,
    threadsPerWorker: 1,
    version,
    onEvent: () => {},
  });
  try {
    await waitForCloud(running);
    const results: FileResult[] = [];
    for (const file of files) results.push(await classifyFile(file, running, options.resize));
    if (options.json) printJson(results.map(toJson));
    else printTable(results);
    if (results.some(({ error }) => error !== undefined)) process.exitCode = 1;
  } finally {
    await running.stop();
  }
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
  if (error !== undefined) return { file, error: { code: error.code, message: error.message } };
  return { file, ...answer, probabilities: Array.from(answer?.probabilities ?? []) };
}
