import type { Agent, Answer, Uplink } from '../../edge/agent/index.ts';
import { startAgent } from '../../edge/daemon/index.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import type { LabelledImages } from '../data/index.ts';
import { isDatasetName, readDataset } from '../data/index.ts';
import { readTokens } from '../options.ts';
import { spawnServer } from '../processes.ts';
import { version } from '../project.ts';
import { type Evaluation, summarise } from './summary.ts';
import { runWhole } from './whole-network.ts';

export interface EvaluateOptions {
  readonly bundleFolder: string;
  readonly dataFolder: string;
  /** Number of test images, from the first on; all when absent. */
  readonly limit?: number | undefined;
  readonly concurrency: number;
  readonly budgetMs: number;
  readonly cut: number;
  readonly onProgress: (stage: 'whole' | 'split', done: number, total: number) => void;
}

const connectDeadlineMs = 10_000;

/**
 * Sends the test split of the bundle's data set through the real agent, a WebSocket and a cloud server in a process of its
 * own, and compares every label with the whole network's in one piece.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const bundle = await openBundle(bundleFolder(options.bundleFolder));
  const dataset = datasetOf(bundle.manifest.training);
  const images = readDataset(dataset, options.dataFolder, 'test');
  const count = Math.min(options.limit ?? images.count, images.count);
  const whole = await runWhole(bundle, images, count, (done) => options.onProgress('whole', done, count));
  const answers = await runSplit(images, count, options);
  const outcomes = whole.map((reference, index) => {
    return { answer: answers[index], truth: images.labels[index] ?? -1, whole: reference };
  });
  const { manifest, digest } = bundle;
  const { cut, budgetMs } = options;
  return summarise(outcomes, { manifest, digest, dataset, split: 'test', cut, budgetMs });
}

async function runSplit(
  images: LabelledImages,
  count: number,
  options: EvaluateOptions,
): Promise<(Answer | undefined)[]> {
  const serverArgs = ['cloud', '--port', '0', '--bundle', options.bundleFolder, '--log-level', 'warn'];
  const server = await spawnServer(serverArgs, { stderr: 'inherit' });
  try {
    return await runAgainst(server.url, images, count, options);
  } finally {
    await server.stop();
  }
}

async function runAgainst(
  serverUrl: string,
  images: LabelledImages,
  count: number,
  options: EvaluateOptions,
): Promise<(Answer | undefined)[]> {
  const running = await startAgent({
    bundleFolder: options.bundleFolder,
    cloudUrl: serverUrl.replace(/^http/, 'ws'),
    cloudToken: readTokens(undefined, 'OFFRAMP_CLOUD_TOKEN')[0],
    cut: options.cut,
    budgetMs: options.budgetMs,
    maxInFlight: options.concurrency,
    workers: 1,
    threadsPerWorker: 1,
    version,
    onEvent: () => {},
  });
  try {
    await connected(running.uplink);
    return await classifyAll(running.agent, images, count, options);
  } finally {
    await running.stop();
  }
}

/** Keeps `concurrency` images under way until all have been sent. */
async function classifyAll(
  agent: Agent,
  images: LabelledImages,
  count: number,
  { concurrency, onProgress }: EvaluateOptions,
): Promise<(Answer | undefined)[]> {
  const answers = new Array<Answer | undefined>(count);
  let next = 0;
  let done = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      answers[index] = await agent.classify(images.image(index)).catch(() => undefined);
      done++;
      if (done % 50 === 0) onProgress('split', done, count);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  onProgress('split', count, count);
  return answers;
}

async function connected(uplink: Uplink | undefined): Promise<void> {
  const deadline = performance.now() + connectDeadlineMs;
  while (uplink !== undefined && !uplink.connected) {
    if (performance.now() > deadline) throw uplink.lastError;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function datasetOf(training: Readonly<Record<string, unknown>>): 'mnist' | 'cifar10' {
  const { dataset } = training;
  if (typeof dataset === 'string' && isDatasetName(dataset)) return dataset;
  throw new OfframpError(
    'BUNDLE_MANIFEST_INVALID',
    `manifest.json: training.dataset is ${String(dataset)}, expected mnist or cifar10`,
  );
}
