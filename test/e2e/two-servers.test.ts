/** One device and two real servers: what one of them does must not show in the answers while the other is there. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../edge/agent/index.ts';
import { type RunningAgent, startAgent } from '../../edge/daemon/index.ts';
import { drawnImage } from '../runtime/real-bundle.ts';
import { offloadingBundle } from './images.ts';
import { cleanUp, metric, type Server, startServer, waitUntil } from './support.ts';

const budgetMs = 2000;

interface Setting {
  readonly servers: readonly [Server, Server];
  readonly running: RunningAgent;
}

async function start(): Promise<Setting> {
  const bundle = offloadingBundle();
  const [one, other] = [
    await startServer('cloud', ['--bundle', bundle]),
    await startServer('cloud', ['--bundle', bundle]),
  ];
  const running = await startAgent({
    ...{ bundleFolder: bundle, cloudUrls: [one.wsUrl, other.wsUrl], budgetMs, maxInFlight: 64 },
    ...{ workers: 1, threadsPerWorker: 1, version: 'test', onEvent: () => {} },
  });
  await waitUntil(() => running.uplinks.every(({ uplink }) => uplink.connected), 'both connections');
  return { servers: [one, other], running };
}

/** Sends images, so many under way at once, and does something once some of them are answered. */
async function stream(
  { agent }: RunningAgent,
  count: number,
  after: { readonly answers: number; readonly act: () => void } = { answers: count + 1, act: () => {} },
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      answers.push(await agent.classify(drawnImage(next++)));
      if (answers.length === after.answers) after.act();
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return answers;
}

const degraded = (answers: readonly Answer[]) => answers.filter((answer) => answer.degraded);
const reasons = (answers: readonly Answer[]) => degraded(answers).map(({ reason }) => reason ?? '');

const Two = suite('a device with two servers');

Two.after.each(cleanUp);

Two('gives work to both', async () => {
  const { servers, running } = await start();
  try {
    assert.equal(reasons(await stream(running, 200)), []);
    const rows = await Promise.all(
      servers.map(({ url }) => metric(url, 'offramp_cloud_rows_total{bundle="b-lenet-mnist",exit="1"}')),
    );
    assert.ok(Math.min(...rows) > 40, rows.join(' and '));
  } finally {
    await running.stop();
  }
});

Two('answers every image as if nothing had happened when one of them is killed', async () => {
  const { servers, running } = await start();
  try {
    const kill = { answers: 100, act: () => void servers[0].child.kill('SIGKILL') };
    const answers = await stream(running, 400, kill);
    assert.is(answers.length, 400);
    assert.equal(reasons(answers), []);
    assert.equal(
      running.uplinks.map(({ uplink }) => uplink.connected),
      [false, true],
    );
  } finally {
    await running.stop();
  }
});

Two('and when one of them is drained', async () => {
  const { servers, running } = await start();
  try {
    const drain = { answers: 100, act: () => void servers[0].child.kill('SIGTERM') };
    assert.equal(reasons(await stream(running, 400, drain)), []);
  } finally {
    await running.stop();
  }
});

Two('hedges what a frozen one holds up, and soon leaves it alone', async () => {
  const { servers, running } = await start();
  try {
    await stream(running, 100);
    servers[0].child.kill('SIGSTOP');
    const answers = await stream(running, 300);
    // Some were with the frozen one, more than may be hedged at once; the breaker keeps the others from it.
    assert.ok(degraded(answers).length <= 24, `${degraded(answers).length} degraded: ${reasons(answers)}`);
    assert.ok((running.cloud?.hedges ?? 0) > 0, 'nothing was hedged');
    const late = answers.filter(({ latencyMs }) => latencyMs > budgetMs + 200);
    assert.is(late.length, 0);
  } finally {
    servers[0].child.kill('SIGCONT');
    await running.stop();
  }
});

Two.run();
