/** An honest device beside hostile ones, and what the server counts of those. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { LabelledImages } from '../../scripts/data/index.ts';
import {
  classify,
  countWays,
  inLanes,
  type JsonAnswer,
  offloadingBundle,
  type Reference,
  references,
  samples,
  temporaryFolder,
} from './images.ts';
import { connected, metrics, note, type Server, sleep, startServer, waitUntil } from './support.ts';

const budgetMs = 5000;

export function refusal(code: string): string {
  return `offramp_cloud_refusals_total{code="${code}"}`;
}

/** One sample of a server that is busy: a request that finds its kept connection just closed is made again. */
export async function count(cloud: Server, name: string): Promise<number> {
  const found = await metrics(cloud.url).catch(() => metrics(cloud.url));
  return found.get(name) ?? 0;
}

export function residentBytes(cloud: Server): Promise<number> {
  return count(cloud, 'process_resident_memory_bytes');
}

/** An honest device that keeps asking; every answer is checked against its reference. */
export function honestStream(
  edge: Server,
  images: LabelledImages,
  expected: readonly Reference[],
): { stop(): Promise<JsonAnswer[]> } {
  const answers: JsonAnswer[] = [];
  let stopped = false;
  let next = 0;
  const running = inLanes(4, 4, async () => {
    while (!stopped) {
      const index = next++ % images.count;
      const answer = await classify(edge, images.image(index), { budgetMs });
      assert.not(answer.degraded, `image ${index}: ${answer.reason}`);
      assert.is(answer.label, expected[index]?.label, `image ${index} has its own answer`);
      answers.push(answer);
      await sleep(5);
    }
  });
  running.catch(() => {});
  return {
    async stop() {
      stopped = true;
      await running;
      return answers;
    },
  };
}

export async function assertCounted(cloud: Server, codes: readonly string[]): Promise<void> {
  const counts = await metrics(cloud.url);
  const found = [...counts].filter(([name]) => name.startsWith('offramp_cloud_refusals_total'));
  note(`refusals: ${found.map(([name, count]) => `${/"(.*)"/.exec(name)?.[1]} ${count}`).join(', ')}`);
  const missing = codes.filter((code) => (counts.get(refusal(code)) ?? 0) === 0);
  assert.equal(missing, [], 'every kind of refusal is counted');
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
}

/** A server with its bundle, and an honest device connected to it by a token of its own. */
export interface Stage {
  readonly cloud: Server;
  readonly edge: Server;
  readonly folder: string;
}

/** What a server tells of a refusal, on a stage. */
export const counted = ({ cloud }: Stage, code: string): Promise<number> => count(cloud, refusal(code));

const honestToken = 'the-token-of-the-honest-one';

/** @param otherTokens lines of the token file besides the honest device's. */
export async function setStage(cloudArgs: readonly string[], otherTokens: readonly string[]): Promise<Stage> {
  const folder = offloadingBundle();
  const files = temporaryFolder();
  const [tokens, own] = [join(files, 'tokens.txt'), join(files, 'own.txt')];
  writeFileSync(tokens, [`honest ${honestToken}`, ...otherTokens, ''].join('\n'));
  writeFileSync(own, honestToken);
  const common = ['--bundle', folder, '--log-level', 'error'];
  const cloud = await startServer('cloud', [...common, '--token-file', tokens, ...cloudArgs]);
  const edge = await startServer('edge', [...common, '--cloud', cloud.wsUrl, '--cloud-token-file', own]);
  await waitUntil(() => connected(edge), 'the honest device to connect');
  return { cloud, edge, folder };
}

/**
 * Runs the attacks one after the other while the honest device keeps asking. Every answer it gets has to be right and whole, it has to
 * keep its connection, and the server's memory may not grow by more than `maxGrowthBytes`.
 */
export async function withstand(
  stage: Stage,
  attacks: Readonly<Record<string, (stage: Stage) => Promise<void>>>,
  maxGrowthBytes: number,
): Promise<void> {
  const { cloud, edge } = stage;
  const images = samples(100);
  const expected = await references(images, (image) => classify(edge, image, { budgetMs }));
  const before = await residentBytes(cloud);
  const honest = honestStream(edge, images, expected);
  let largest = before;
  const watch = setInterval(() => {
    residentBytes(cloud).then(
      (bytes) => {
        largest = Math.max(largest, bytes);
      },
      () => {},
    );
  }, 200);
  try {
    for (const [name, attack] of Object.entries(attacks)) {
      const startedAt = performance.now();
      await attack(stage);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      note(`${name}: ${seconds} s, ${mebibytes(await residentBytes(cloud))}`);
    }
  } finally {
    clearInterval(watch);
  }
  const answers = await honest.stop();
  note(`honest answers: ${JSON.stringify(countWays(answers))}`);
  note(`memory: ${mebibytes(before)} before, ${mebibytes(largest)} at most`);
  assert.ok(answers.length > 100, 'the honest device was served all the while');
  assert.ok(largest - before < maxGrowthBytes, `memory grew by ${mebibytes(largest - before)}`);
  assert.is(await count(cloud, clientsOf('honest')), 1, 'the honest device is connected');
}

/** The metric of a client's connections. */
export function clientsOf(name: string): string {
  return `offramp_cloud_client_connections{client="${name}"}`;
}
