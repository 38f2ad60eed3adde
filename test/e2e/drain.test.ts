/** Servers that are told to stop: they finish what they took, say so, and end with 0. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  classify,
  countWays,
  inLanes,
  type JsonAnswer,
  offloadingBundle,
  postRaw,
  references,
  samples,
} from './images.ts';
import { describe, RawClient } from './raw-client.ts';
import {
  cleanUp,
  connected,
  metric,
  note,
  type Server,
  sleep,
  startPair,
  startServer,
  waitUntil,
} from './support.ts';

const signals = ['SIGTERM', 'SIGINT'] as const;
const images = samples(100);
const budgetMs = 5000;
const cloudRefusals = ['DRAINING', 'CLOUD_UNREACHABLE'];

const drain = suite('a drain');
drain.after.each(cleanUp);

/** Streams images until `stop` is called; gives all answers. */
function stream(edge: Server, lanes: number): { stop(): Promise<JsonAnswer[]>; answers: JsonAnswer[] } {
  const answers: JsonAnswer[] = [];
  let stopped = false;
  let next = 0;
  const running = inLanes(lanes, lanes, async () => {
    while (!stopped) {
      const answer = await classify(edge, images.image(next++ % images.count), { budgetMs });
      answers.push(answer);
      // Without a cloud the device answers at once; the outage would be a flood.
      if (answer.degraded) await sleep(50);
    }
  });
  const stop = async () => {
    stopped = true;
    await running;
    return answers;
  };
  return { stop, answers };
}

drain(
  'SIGTERM to the cloud under load loses no request, and another cloud on its port takes over',
  async () => {
    const bundle = offloadingBundle();
    const { cloud, edge } = await startPair(bundle);
    const expected = await references(images, (image) => classify(edge, image, { budgetMs }));
    const load = stream(edge, 32);
    await waitUntil(() => load.answers.length > 100, 'the load to run');
    assert.is(await cloud.stop(), 0, cloud.stderr());
    const atEnd = load.answers.length;
    await waitUntil(() => load.answers.length > atEnd + 50, 'answers without a cloud');
    await startServer('cloud', ['--bundle', bundle, '--port', String(cloud.port)]);
    await waitUntil(() => connected(edge), 'the edge to find the second cloud', { everyMs: 50 });
    const atReconnect = load.answers.length + 32;
    await waitUntil(() => load.answers.length > atReconnect + 50, 'answers with the second cloud');
    const answers = await load.stop();
    note(`takeover: ${answers.length} answers: ${JSON.stringify(countWays(answers))}`);
    for (const [index, answer] of answers.entries()) {
      const { label, degraded, reason, device } = answer;
      if (degraded) assert.ok(cloudRefusals.includes(reason ?? ''), `answer ${index}: ${reason}`);
      else assert.ok(expected.some((one) => one.label === label && one.deviceLabel === device?.label));
    }
    assert.not(
      answers.slice(atReconnect).some(({ degraded }) => degraded),
      'the second cloud has taken over',
    );
    assert.ok(
      answers.some(({ degraded }) => degraded),
      'the drain was felt',
    );
  },
);

drain('SIGINT to the cloud answers all that is in flight, and readiness turns false at once', async () => {
  const bundle = offloadingBundle();
  const cloud = await startServer('cloud', ['--bundle', bundle, '--drain-ms', '20000']);
  const client = await RawClient.greet(cloud.wsUrl, bundle);
  const rows = Array.from({ length: 64 }, (_, row) => images.image(row));
  const requests = 48;
  for (let request = 0; request < requests; request++) client.send(client.infer(0, rows, 60_000));
  await waitUntil(async () => (await metric(cloud.url, 'offramp_cloud_queued_rows')) > 0, 'rows to queue');
  const ready = await fetch(`${cloud.url}/readyz`);
  assert.is(ready.status, 200, 'ready before the signal');
  cloud.child.kill('SIGINT');
  await waitUntil(async () => (await fetch(`${cloud.url}/readyz`)).status === 503, 'readyz to turn 503');
  assert.is((await fetch(`${cloud.url}/livez`)).status, 200, 'alive while draining');
  await assertRefused(cloud.wsUrl, bundle);
  const answered = await answersUntilGoaway(client, requests);
  note(`drain: ${answered} of ${requests} requests in flight answered`);
  assert.is(answered, requests);
  assert.is(cloud.child.exitCode, null, 'the server waits for its device to leave');
  await client.close();
  assert.is(await cloud.ended, 0, cloud.stderr());
});

drain('a signal to the edge under load: what is under way is answered, and it ends with 0', async () => {
  const bundle = offloadingBundle();
  const cloud = await startServer('cloud', ['--bundle', bundle]);
  for (const signal of signals) await stopEdgeUnderLoad(signal, cloud, bundle);
});

async function stopEdgeUnderLoad(signal: NodeJS.Signals, cloud: Server, bundle: string): Promise<void> {
  const edge = await startServer('edge', ['--bundle', bundle, '--cloud', cloud.wsUrl]);
  await waitUntil(() => connected(edge), 'the edge to connect');
  const expected = await references(images, (image) => classify(edge, image, { budgetMs }));
  // A cloud that stands still keeps the images under way for certain.
  cloud.child.kill('SIGSTOP');
  const count = 48;
  const underWay = Array.from({ length: count }, (_, index) =>
    classify(edge, images.image(index), { budgetMs }),
  );
  await waitUntil(
    async () => (await metric(edge.url, 'offramp_edge_in_flight')) === count,
    'images under way',
  );
  edge.child.kill(signal);
  const turnedAway = () =>
    fetch(`${edge.url}/livez`).then(
      ({ status }) => status === 503,
      () => true,
    );
  await waitUntil(turnedAway, 'the edge to take nothing new');
  const late = await postRaw(edge, images.image(0)).then(
    ({ status }) => status,
    () => 'connection refused',
  );
  assert.ok(late === 503 || late === 'connection refused', `an image after the signal: ${late}`);
  cloud.child.kill('SIGCONT');
  const answers = await Promise.all(underWay);
  note(
    `${signal}: ${answers.length} images under way: ${JSON.stringify(countWays(answers))}; after it: ${late}`,
  );
  for (const [index, { degraded, label, reason }] of answers.entries()) {
    assert.not(degraded, `image ${index} is degraded: ${reason}`);
    assert.is(label, expected[index]?.label, `image ${index} has its own answer`);
  }
  assert.is(await edge.ended, 0, edge.stderr());
}

async function assertRefused(url: string, bundle: string): Promise<void> {
  try {
    await RawClient.connect(url, bundle);
  } catch (thrown) {
    assert.match(String(thrown), '503');
    return;
  }
  assert.unreachable('a draining server took a new connection');
}

async function answersUntilGoaway(client: RawClient, requests: number): Promise<number> {
  let answered = 0;
  let goaway = false;
  while (answered < requests || !goaway) {
    const frame = await client.next();
    if (frame?.type === 'goaway') goaway = true;
    else if (frame?.type === 'result') answered++;
    else assert.unreachable(`expected results and a goaway, got ${describe(frame)} after ${answered}`);
  }
  return answered;
}

drain.run();
