/** The cloud dies in the middle of a stream and comes back: every image still gets exactly one answer. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startAgent } from '../../edge/daemon/index.ts';
import {
  classify,
  countWays,
  inLanes,
  type Outcome,
  offloadingBundle,
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
const reasons = ['CONNECTION_LOST', 'CLOUD_UNREACHABLE', 'BUDGET_SPENT'];
/** Spreads the images of the outage over the time the cloud needs to come back. */
const outagePaceMs = 80;

/** The device under test: the daemon over HTTP, or the agent in this process. */
interface Device {
  ask(image: Uint8Array): Promise<Outcome>;
  connected(): boolean | Promise<boolean>;
}

const images = samples(100);

/** Streams all images while the cloud is killed and started again; gives the answers by image. */
async function streamThroughAnOutage(device: Device, cloud: Server, bundle: string): Promise<Outcome[][]> {
  const answers: Outcome[][] = Array.from({ length: imageCount }, () => []);
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
    const answer = await device.ask(images.image(index % images.count));
    answers[index]?.push(answer);
    answered++;
    if (answered === killedAt) outage = killAndRestart();
  });
  return answers;
}

function checkAnswers(answers: readonly Outcome[][], expected: readonly Reference[]): void {
  for (const [index, [answer, ...more]] of answers.entries()) {
    if (answer === undefined) throw new Error(`image ${index} got no answer`);
    assert.is(more.length, 0, `image ${index} got more than one answer`);
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

async function surviveTheOutage(name: string, device: Device, cloud: Server, bundle: string): Promise<void> {
  const expected = await references(images, device.ask);
  const answers = await streamThroughAnOutage(device, cloud, bundle);
  const flat = answers.flat();
  const counts = countWays(flat);
  note(`${name}: ${flat.length} answers for ${imageCount} images: ${JSON.stringify(counts)}`);
  checkAnswers(answers, expected);
  assert.ok(
    flat.some(({ degraded }) => degraded),
    'the outage was felt',
  );
  const resumed = flat.slice(heldAt);
  assert.ok(
    resumed.every(({ degraded, route }) => !degraded && route === 'features'),
    `after the restart the cloud answers again: ${JSON.stringify(countWays(resumed))}`,
  );
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
  const device: Device = { ask: (image) => classify(edge, image), connected: () => connected(edge) };
  await surviveTheOutage('daemon', device, cloud, bundle);
  const counted = [...(await metrics(edge.url))].filter(([key]) =>
    key.startsWith('offramp_edge_answers_total'),
  );
  const total = counted.reduce((sum, [, value]) => sum + value, 0);
  assert.is(total, images.count + imageCount, 'the daemon counts as many answers as images came');
  assert.is(await edge.stop(), 0);
});

killCloud('loses no image of an agent in this process, which offloads again by itself', async () => {
  const bundle = offloadingBundle();
  const cloud = await startServer('cloud', ['--bundle', bundle]);
  const running = await startAgent({
    bundleFolder: bundle,
    cloudUrl: cloud.wsUrl,
    budgetMs,
    maxInFlight: 256,
    workers: 1,
    threadsPerWorker: 1,
    version: 'test',
    onEvent: () => {},
  });
  try {
    const isConnected = () => running.uplink?.connected === true;
    await waitUntil(isConnected, 'the agent to connect');
    const device: Device = { ask: (image) => running.agent.classify(image), connected: isConnected };
    await surviveTheOutage('agent', device, cloud, bundle);
  } finally {
    await running.stop();
  }
});

killCloud.run();
