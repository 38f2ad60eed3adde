import type { Answer, Endpoints, ImageSource } from '../../edge/agent/index.ts';
import { type RunningAgent, startAgent } from '../../edge/daemon/index.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { readTokens } from '../options.ts';
import { spawnServer } from '../processes.ts';
import { version } from '../project.ts';
import { imageSources, type SentPicture } from './sent-pictures.ts';
import { type Evaluation, summarise } from './summary.ts';
import { readTestImages } from './test-images.ts';
import { runWhole } from './whole-network.ts';

export interface EvaluateOptions {
  readonly bundleFolder: string;
  readonly dataFolder: string;
  /** Number of test images, from the first on; all when absent. */
  readonly limit?: number | undefined;
  readonly concurrency: number;
  readonly budgetMs: number;
  readonly cut: number;
  /** Channels of the codes to send, one of the rates of the cut; all when absent. */
  readonly channels?: number | undefined;
  /** At cut 0: how images are compressed; raw pixels when absent. */
  readonly picture?: SentPicture | undefined;
  readonly onProgress: (stage: 'whole' | 'split', done: number, total: number) => void;
}

const connectDeadlineMs = 10_000;

/**
 * Sends the test split of the bundle's data set through the real agent, a WebSocket and a cloud server in a process of its
 * own, and compares every label with the whole network's in one piece.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const bundle = await openBundle(bundleFolder(options.bundleFolder));
  const { cut, budgetMs, channels } = options;
  // A rate that the cut does not have is better said now than after the whole network has run.
  if (channels !== undefined) bundle.codec(cut, channels);
  const { dataset, images } = readTestImages(bundle.manifest, options.dataFolder);
  const count = Math.min(options.limit ?? images.count, images.count);
  const whole = await runWhole(bundle, images, count, (done) => options.onProgress('whole', done, count));
  const answers = await runSplit(await imageSources(images, count, options.picture), options);
  const outcomes = whole.map((reference, index) => {
    return { answer: answers[index], truth: images.labels[index] ?? -1, whole: reference };
  });
  const { manifest, digest } = bundle;
  const { approximate } = images;
  const { picture } = options;
  const setting = { dataset, split: 'test', cut, channels, picture, budgetMs, approximate };
  return summarise(outcomes, { manifest, digest, ...setting });
}

async function runSplit(
  images: readonly ImageSource[],
  options: EvaluateOptions,
): Promise<(Answer | undefined)[]> {
  const serverArgs = ['cloud', '--port', '0', '--bundle', options.bundleFolder, '--log-level', 'warn'];
  const server = await spawnServer(serverArgs, { stderr: 'inherit' });
  try {
    return await runAgainst(server.url, images, options);
  } finally {
    await server.stop();
  }
}

async function runAgainst(
  serverUrl: string,
  images: readonly ImageSource[],
  options: EvaluateOptions,
): Promise<(Answer | undefined)[]> {
  const running = await startAgent({
    bundleFolder: options.bundleFolder,
    cloudUrls: [serverUrl.replace(/^http/, 'ws')],
    cloudToken: () => readTokens(undefined, 'OFFRAMP_CLOUD_TOKEN')[0]?.token,
    cut: options.cut,
    channels: options.channels,
    budgetMs: options.budgetMs,
    maxInFlight: options.concurrency,
    workers: 1,
    threadsPerWorker: 1,
    version,
    onEvent: () => {},
  });
  try {
    await connected(running.cloud);
    return await classifyAll(running.agent, images, options);
  } finally {
    await running.stop();
  }
}

/** Keeps `concurrency` images under way until all have been sent. */
async function classifyAll(
  agent: RunningAgent['agent'],
  images: readonly ImageSource[],
  { concurrency, onProgress }: EvaluateOptions,
): Promise<(Answer | undefined)[]> {
  const answers = new Array<Answer | undefined>(images.length);
  let done = 0;
  // One iterator for all lanes: each takes what the others have left.
  const waiting = images.entries();
  const lane = async () => {
    for (const [index, image] of waiting) {
      answers[index] = await agent.classify(image).catch(() => undefined);
      done++;
      if (done % 50 === 0) onProgress('split', done, images.length);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  onProgress('split', images.length, images.length);
  return answers;
}

async function connected(cloud: Endpoints | undefined): Promise<void> {
  const deadline = performance.now() + connectDeadlineMs;
  while (cloud?.problem !== undefined) {
    if (performance.now() > deadline) throw cloud.problem;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
