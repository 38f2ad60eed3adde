/** The cloud dies in the middle of a stream and comes back: every image still gets exactly one answer. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startAgent } from '../../edge/daemon/index.ts';
import {
  classifyNamed,
  countWays,
  inLanes,
  type Outcome,
  offloadingBundle,
  pictures,
  type Reference,
  references,
  samples,
} from './images.ts';
import { cleanUp, connected, metrics, note, type Server, sleep, startServer, waitUntil } from './support.ts';

const imageCount = 2000;
const killedAt = 500;
/** From here on images are held back until the cloud is there again. */
const heldAt = 1500;
const lanes = 32;
const budgetMs = 2000;
const outageMs = 300;
const reasons = ['CONNECTION_LOST', 'CLOUD_UNREACHABLE', 'BUDGET_SPENT', 'LINK_SLOW'];
/** Spreads the images of the outage over the time the cloud needs to come back. */
const outagePaceMs = 80;

/** The device under test: the daemon over HTTP, or the agent in this process. */
interface Device {
  /** Has image `index` of the stream answered. */
  ask(index: number): Promise<Outcome>;
  connected(): boolean | Promise<boolean>;
}

const images = samples(100);

/** Streams all images while the cloud is killed and started again; gives the answers by image. */
async function streamThroughAnOutage(device: Device, cloud: Server, bundle: string): Promise<Outcome[]> {
  const answers: Outcome[] = [];
  let answered = 0;
  let outage: Promise<unknown> | undefined;
  const killAndRestart = async () => {
    cloud.child.kill('SIGKILL');
    assert.is(await cloud.ended, 'SIGKILL');
    await sleep(outageMs);
    await startServer('cloud', ['--bundle', bundle, '--port', String(cloud.port)]);
    await waitUntil(() => device.connected(), 'the device to find the cloud again', { everyMs: 50 });
  };
  await inLanes(lanes, imageCount, async (index) => {
    if (index >= heldAt) await outage;
    else if (outage !== undefined) await sleep(outagePaceMs);
    answers[index] = await device.ask(index);
    answered++;
    if (answered === killedAt) outage = killAndRestart();
  });
  return answers;
}

function checkAnswers(answers: readonly Outcome[], expected: readonly Reference[]): void {
  for (let index = 0; index < imageCount; index++) {
    const answer = answers[index];
    if (answer === undefined) throw new Error(`image ${index} got no answer`);
    const { label, deviceLabel } = expected[index % images.count] ?? {};
    if (answer.degraded) {
      assert.ok(reasons.includes(answer.reason ?? ''), `image ${index}: ${answer.reason}`);
      assert.is(answer.label, deviceLabel, `image ${index} is answered as the device sees it`);
    } else {
      assert.is(answer.route, 'features', `image ${index}`);
      assert.is(answer.label, label, `image ${index} has its own answer`);
    }
    assert.ok(answer.latencyMs <= budgetMs + 20 + 200, `image ${index} took ${answer.latencyMs} ms`);
  }
}

/** Gives all answers, those before the outage too. */
async function surviveTheOutage(
  name: string,
  device: Device,
  cloud: Server,
  bundle: string,
): Promise<Outcome[]> {
  const before: Outcome[] = [];
  const expected = await references(images, async (_image, index) => {
    const answer = await device.ask(index);
    before.push(answer);
    return answer;
  });
  const answers = await streamThroughAnOutage(device, cloud, bundle);
  note(`${name}: ${answers.length} answers: ${JSON.stringify(countWays(answers))}`);
  checkAnswers(answers, expected);
  assert.ok(
    answers.some(({ degraded }) => degraded),
    'the outage was felt',
  );
  const resumed = answers.slice(heldAt);
  assert.ok(
    resumed.every(({ degraded, route }) => !degraded && route === 'features'),
    `after the restart the cloud answers again: ${JSON.stringify(countWays(resumed))}`,
  );
  return [...before, ...answers];
}

/** Answers that a daemon has given, by route or reason, as its own metrics count them. */
async function countedWays(edge: Server): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [key, value] of await metrics(edge.url)) {
    const [, route = '', reason = ''] =
      /^offramp_edge_answers_total\{route="(.*)",exit=".*",reason="(.*)"\}$/.exec(key) ?? [];
    if (route === '') continue;
    const way = reason || route;
    counts[way] = (counts[way] ?? 0) + value;
  }
  return counts;
}

const killCloud = suite('a killed cloud');
killCloud.after.each(cleanUp);

killCloud('loses no image of the edge daemon, which offloads again by itself', async () => {
  const bundle = offloadingBundle();
  const cloud = await startServer('cloud', ['--bundle', bundle]);
  const edge = await startServer('edge', [
    ...['--bundle', bundle, '--cloud', cloud.wsUrl, '--budget-ms', String(budgetMs)],
  ]);
  await waitUntil(() => connected(edge), 'the edge to connect');
  const files = await pictures(images);
  const ask = (index: number) =>
    classifyNamed(edge, `image ${index}`, files[index % files.length] ?? new Uint8Array(0));
  const answers = await surviveTheOutage('daemon', { ask, connected: () => connected(edge) }, cloud, bundle);
  // Each caller has had one answer under its own name: had the daemon given one twice, it would count more than came.
  assert.is(answers.length, images.count + imageCount);
  assert.equal(await countedWays(edge), countWays(answers), 'the daemon has given other answers than came');
  assert.is(await edge.stop(), 0);
});

killCloud('loses no image of an agent in this process, which offloads again by itself', async () => {
  const bundle = offloadingBundle();
  const cloud = await startServer('cloud', ['--bundle', bundle]);
  const running = await startAgent({
    bundleFolder: bundle,
    cloudUrls: [cloud.wsUrl],
    budgetMs,
    maxInFlight: 256,
    workers: 1,
    threadsPerWorker: 1,
    version: 'test',
    onEvent: () => {},
  });
  try {
    const isConnected = () => running.cloud?.connected === true;
    await waitUntil(isConnected, 'the agent to connect');
    const ask = (index: number) => running.agent.classify(images.image(index % images.count));
    await surviveTheOutage('agent', { ask, connected: isConnected }, cloud, bundle);
    assert.is(running.agent.inFlight, 0, 'an image is still under way after its answer');
  } finally {
    await running.stop();
  }
});

killCloud.run();
