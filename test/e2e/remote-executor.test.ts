/** A cloud server whose segments run on a second one, over the Open Inference Protocol. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startAgent } from '../../edge/daemon/index.ts';
import { cloudAnswers, compareAnswers } from '../interop/cloud-answers.ts';
import { editedBundle, offloadingBundle, samples, temporaryFolder } from './images.ts';
import {
  cleanUp,
  committedBundle,
  metric,
  note,
  runCommand,
  type Server,
  startServer,
  waitUntil,
} from './support.ts';

const imageCount = 200;

function digits(count: number): Uint8Array[] {
  const images = samples(count);
  return Array.from({ length: images.count }, (_, index) => images.image(index));
}

async function readiness(server: Server): Promise<{ readonly status: number; readonly provider: string }> {
  const response = await fetch(`${server.url}/readyz`);
  const { provider }: { provider: string } = JSON.parse(await response.text());
  return { status: response.status, provider };
}

/** A copy of the committed bundle with the same network and other bytes of its last graph. */
function otherGraph(): string {
  // A doc_string, which computes nothing: field 6 of ONNX's ModelProto.
  const graph = Buffer.concat([readFileSync(join(committedBundle, 's1.onnx')), Buffer.of(0x32, 1, 0x78)]);
  const folder = editedBundle((manifest) => {
    const [, last] = manifest.segments;
    if (last === undefined) throw new Error('no second segment');
    Object.assign(last, { sha256: createHash('sha256').update(graph).digest('hex'), bytes: graph.length });
  });
  writeFileSync(join(folder, 's1.onnx'), graph);
  return folder;
}

const Remote = suite('segments on another server');
Remote.after.each(cleanUp);

Remote('give every image the answer that they give here', async () => {
  const bundle = offloadingBundle();
  const token = 'a-token-for-the-other-server';
  const tokenFile = join(temporaryFolder(), 'token.txt');
  writeFileSync(tokenFile, `${token}\n`);
  const behind = await startServer('cloud', ['--bundle', bundle, '--token-file', tokenFile]);
  const front = await startServer('cloud', [
    ...['--bundle', bundle, '--remote', behind.url, '--remote-token-file', tokenFile],
  ]);
  const local = await startServer('cloud', ['--bundle', bundle]);
  assert.equal(await readiness(front), { status: 200, provider: 'remote' });
  assert.is(await metric(front.url, 'offramp_cloud_provider_info{provider="remote"}'), 1);
  const images = digits(imageCount);
  const remoteAnswers = await cloudAnswers(front.wsUrl, bundle, images);
  const localAnswers = await cloudAnswers(local.wsUrl, bundle, images);
  const { differing, worst } = compareAnswers(remoteAnswers, localAnswers);
  note(`${images.length} images, ${differing} labels differ, probabilities by at most ${worst}`);
  assert.is(differing, 0);
  // What segments get is the same bytes, what is computed from it the same code.
  assert.is(worst, 0);
  assert.is(await front.stop(), 0);
  assert.is(await behind.stop(), 0);
});

Remote('are refused at start without the token, or when the other server has another graph', async () => {
  const tokenFile = join(temporaryFolder(), 'token.txt');
  writeFileSync(tokenFile, 'a-token-for-the-other-server\n');
  const behind = await startServer('cloud', ['--bundle', otherGraph(), '--token-file', tokenFile]);
  const start = ['cloud', '--port', '0', '--bundle', committedBundle, '--remote', behind.url];
  const without = await runCommand(start);
  assert.is(without.ending, 1);
  assert.match(without.stderr, 'UNAUTHORIZED');
  const other = await runCommand([...start, '--remote-token-file', tokenFile]);
  assert.is(other.ending, 1);
  assert.match(
    other.stderr,
    /BUNDLE_GRAPH_MISMATCH: Model 'b-lenet-mnist-s1' is the graph [0-9a-f]{64}, expected/,
  );
});

Remote('that go away leave devices with the answers of their branch, until they are back', async () => {
  const bundle = offloadingBundle();
  const behind = await startServer('cloud', ['--bundle', bundle]);
  const front = await startServer('cloud', ['--bundle', bundle, '--remote', behind.url]);
  const device = await startAgent({
    ...{ bundleFolder: bundle, cloudUrls: [front.wsUrl], budgetMs: 5000, maxInFlight: 16 },
    ...{ workers: 1, threadsPerWorker: 1, version: 'test', onEvent: () => {} },
  });
  try {
    await waitUntil(() => device.cloud?.connected === true, 'the device to connect');
    const [image = new Uint8Array(0)] = digits(1);
    const before = await device.agent.classify(image);
    assert.is(`${before.route} ${before.degraded}`, 'features false');

    behind.child.kill('SIGKILL');
    await behind.ended;
    await waitUntil(
      async () => (await readiness(front)).status === 503,
      'the server to say that it is not ready',
    );
    const meanwhile = await device.agent.classify(image);
    assert.is(`${meanwhile.degraded} ${meanwhile.reason}`, 'true RUNTIME_FAILED');
    assert.ok(meanwhile.latencyMs < 2500, `it took ${meanwhile.latencyMs} ms to know`);
    assert.match(front.stderr(), 'CLOUD_UNREACHABLE');

    await startServer('cloud', ['--bundle', bundle, '--port', String(behind.port)]);
    await waitUntil(async () => (await readiness(front)).status === 200, 'the server to be ready again');
    const after = await device.agent.classify(image);
    assert.equal([after.route, after.label], ['features', before.label]);
  } finally {
    await device.stop();
  }
});

Remote.run();
