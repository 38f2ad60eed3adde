/** What is wrong is said by its code, at start or in the answer, and the device goes on answering. */

import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  classify,
  countWays,
  editedBundle,
  inLanes,
  type JsonAnswer,
  offloadingBundle,
  postRaw,
  samples,
  temporaryFolder,
} from './images.ts';
import {
  cleanUp,
  committedBundle,
  connected,
  note,
  runCommand,
  type Server,
  startPair,
  startServer,
  waitUntil,
} from './support.ts';

const images = samples(64);
/** How late a timer may be on a busy machine, beyond the margin that the agent promises. */
const slackMs = 250;
const marginMs = 20;

const refusals = suite('refusals');
refusals.after.each(cleanUp);

interface Status {
  readonly cloud: { readonly connected: boolean; readonly problem?: { code: string; message: string } };
}

async function status(edge: Server): Promise<Status> {
  return (await fetch(`${edge.url}/v1/status`)).json() as Promise<Status>;
}

/** Waits until the daemon names the problem, then has one image answered because of it. */
async function assertDegradedBy(code: string, edge: Server): Promise<void> {
  await waitUntil(async () => (await status(edge)).cloud.problem?.code === code, `the daemon to say ${code}`);
  const { cloud } = await status(edge);
  assert.not(cloud.connected);
  assert.ok((cloud.problem?.message ?? '').length > 10, 'the problem is said in words');
  const answer = await classify(edge, images.image(0));
  assert.equal([answer.degraded, answer.reason, answer.route], [true, code, 'exit']);
}

refusals('a device with another bundle than the server is told so and answers by itself', async () => {
  const cloud = await startServer('cloud', ['--bundle', committedBundle]);
  const edge = await startServer('edge', ['--bundle', offloadingBundle(), '--cloud', cloud.wsUrl]);
  await assertDegradedBy('BUNDLE_DIGEST_MISMATCH', edge);
  const { cloud: link } = await status(edge);
  assert.match(link.problem?.message ?? '', /digest [0-9a-f]{64} .*digest|digest [0-9a-f]{64} on the device/);
});

refusals('a wrong token is refused, the right one is taken, and none at all only on loopback', async () => {
  const bundle = offloadingBundle();
  const folder = temporaryFolder();
  const file = (name: string, token: string) => {
    writeFileSync(join(folder, name), `# a comment\n${token}\n`);
    return join(folder, name);
  };
  const right = file('right', 'a-token-of-sufficient-length');
  const wrong = file('wrong', 'another-token-of-some-length');
  const cloud = await startServer('cloud', ['--bundle', bundle, '--token-file', right]);
  const link = ['--bundle', bundle, '--cloud', cloud.wsUrl];
  const [other, good] = await Promise.all([
    startServer('edge', [...link, '--cloud-token-file', wrong]),
    startServer('edge', [...link, '--cloud-token-file', right]),
  ]);
  await assertDegradedBy('UNAUTHORIZED', other);
  await waitUntil(() => connected(good), 'the right token to be taken');
  const answer = await classify(good, images.image(0));
  assert.equal([answer.degraded, answer.route], [false, 'features']);
});

refusals("the daemon's own API asks for its token", async () => {
  const token = 'a-token-of-sufficient-length';
  const edge = await startServer('edge', [], { OFFRAMP_EDGE_TOKEN: token });
  const without = await postRaw(edge, images.image(0));
  assert.is(without.status, 401);
  assert.match(await without.text(), 'UNAUTHORIZED');
  assert.is((await postRaw(edge, images.image(0), { token: `${token}x` })).status, 401);
  assert.is((await fetch(`${edge.url}/v1/status`)).status, 401);
  assert.is((await fetch(`${edge.url}/livez`)).status, 200, 'health is open');
  await classify(edge, images.image(0), { token });
});

interface FailedStart {
  readonly name: string;
  readonly args: readonly string[];
  readonly code: string;
  /** Must appear in the message. */
  readonly names: string;
}

async function assertFailsToStart({ name, args, code, names }: FailedStart): Promise<void> {
  const { ending, stdout, stderr } = await runCommand([...args, '--json', '--log-level', 'warn']);
  assert.is(ending, 1, `${name}: ${stderr}`);
  assert.is(stdout, '', `${name}: nothing on stdout`);
  assert.ok(stderr.startsWith(`${code}: `), `${name}: ${stderr}`);
  assert.ok(stderr.includes(names), `${name}: the message names ${names}: ${stderr}`);
  assert.not(/\n\s+at /.test(stderr), `${name}: no stack trace: ${stderr}`);
}

async function assertAllFailToStart(cases: readonly FailedStart[]): Promise<void> {
  await inLanes(2, cases.length, async (index) => {
    const one = cases[index];
    if (one !== undefined) await assertFailsToStart(one);
  });
}

refusals('a server that others could reach does not start without a token', async () => {
  const open = ['--port', '0', '--host', '0.0.0.0'];
  const code = 'CONFIG_INVALID';
  await assertAllFailToStart([
    { name: 'cloud', args: ['cloud', ...open], code, names: '--token-file' },
    { name: 'edge', args: ['edge', ...open], code, names: '--token-file' },
  ]);
});

refusals('a damaged bundle keeps a server from starting, and the message names the file', async () => {
  const wrongHash = editedBundle(({ segments: [first] }) => {
    if (first !== undefined) first.sha256 = '0'.repeat(64);
  });
  const missing = editedBundle(() => {});
  rmSync(join(missing, 's0.onnx'));
  const noJson = editedBundle(() => {});
  writeFileSync(join(noJson, 'manifest.json'), 'not JSON {');
  const start = (command: string, bundle: string) => [command, '--port', '0', '--bundle', bundle];
  const cases: FailedStart[] = [
    { name: 'wrong hash', args: start('cloud', wrongHash), code: 'BUNDLE_FILE_CORRUPT', names: 's0.onnx' },
    { name: 'no file', args: start('edge', missing), code: 'BUNDLE_FILE_MISSING', names: 's0.onnx' },
    {
      name: 'no JSON',
      args: start('cloud', noJson),
      code: 'BUNDLE_MANIFEST_INVALID',
      names: 'manifest.json',
    },
  ];
  await assertAllFailToStart(cases);
});

refusals('a port that is taken is named', async () => {
  const taken = await listen(createServer());
  const args = ['--port', String(portOf(taken))];
  const names = String(portOf(taken));
  try {
    await assertAllFailToStart([
      { name: 'cloud', args: ['cloud', ...args], code: 'PORT_IN_USE', names },
      { name: 'edge', args: ['edge', ...args], code: 'PORT_IN_USE', names },
    ]);
  } finally {
    taken.close();
  }
});

refusals('an edge whose cloud is not there starts and answers, degraded', async () => {
  const taken = await listen(createServer());
  const port = portOf(taken);
  await new Promise((resolve) => taken.close(resolve));
  const edge = await startServer('edge', [
    '--bundle',
    offloadingBundle(),
    '--cloud',
    `ws://127.0.0.1:${port}`,
  ]);
  await assertDegradedBy('CLOUD_UNREACHABLE', edge);
});

refusals('a text sent as an image is refused, and the images beside it are answered', async () => {
  const edge = await startServer('edge', ['--bundle', committedBundle]);
  const raw = { width: 28, height: 28, channels: 1 as const };
  const good = await sharp(images.image(1), { raw }).png().toBuffer();
  const text = Buffer.from('this is a text and no picture');
  const post = (body: Uint8Array, type = 'image/png') =>
    fetch(`${edge.url}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: new Uint8Array(body),
    });
  const form = new FormData();
  form.append('image', new Blob([text]), 'text.png');
  form.append('image', new Blob([new Uint8Array(good)]), 'good.png');
  const [mixed, alone, ...others] = await Promise.all([
    fetch(`${edge.url}/v1/classify`, { method: 'POST', body: form }),
    post(text),
    ...Array.from({ length: 8 }, () => post(good)),
  ]);
  assert.is(alone.status, 400);
  assert.match(await alone.text(), /"code":"IMAGE_INVALID"/);
  assert.equal(
    others.map(({ status }) => status),
    others.map(() => 200),
  );
  assert.is(mixed.status, 200);
  const { answers } = (await mixed.json()) as {
    answers: { id: string; label?: number; error?: { code: string } }[];
  };
  assert.equal(
    answers.map(({ id, error }) => [id, error?.code]),
    [
      ['text.png', 'IMAGE_INVALID'],
      ['good.png', undefined],
    ],
  );
  const { label } = await classify(edge, images.image(1));
  assert.is(answers[1]?.label, label, 'the picture is answered as its pixels are');
});

/** Sends images for a while; every answer must keep the budget and say why it is degraded. */
async function assertBudgetKept(edge: Server, budgetMs: number, reasons: readonly string[]): Promise<void> {
  const answers: JsonAnswer[] = [];
  let slowestMs = 0;
  await inLanes(16, 96, async (index) => {
    const startedAt = performance.now();
    answers.push(await classify(edge, images.image(index % images.count), { budgetMs }));
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  });
  const latencies = answers.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const [median = 0, slowest = 0] = [latencies[latencies.length / 2], latencies.at(-1)];
  note(
    `budget ${budgetMs} ms: median ${median.toFixed(1)}, slowest ${slowest.toFixed(1)} ms on the device's clock, ` +
      `${slowestMs.toFixed(1)} ms with HTTP: ${JSON.stringify(countWays(answers))}`,
  );
  for (const { degraded, reason, latencyMs } of answers) {
    assert.ok(degraded && reasons.includes(reason ?? ''), reason);
    // Nobody waits to be told that the way is slow.
    if (reason === 'LINK_SLOW') assert.ok(latencyMs <= budgetMs / 2, `LINK_SLOW after ${latencyMs} ms`);
  }
  assert.ok(median <= budgetMs + marginMs, `half of the answers within ${median} ms`);
  assert.ok(slowest <= budgetMs + marginMs + slackMs, `the slowest after ${slowest} ms`);
}

refusals('a cloud that takes connections and says nothing costs no more than the budget', async () => {
  const silent = await listen(createServer(() => {}));
  const sockets = new Set<{ destroy(): void }>();
  silent.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  const url = `ws://127.0.0.1:${portOf(silent)}`;
  try {
    const edge = await startServer('edge', ['--bundle', offloadingBundle(), '--cloud', url]);
    await waitUntil(() => sockets.size > 0, 'the daemon to connect');
    await assertBudgetKept(edge, 200, ['CLOUD_UNREACHABLE', 'BUDGET_SPENT', 'LINK_SLOW']);
  } finally {
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});

refusals(
  'a cloud that stands still costs no more than the budget, and is used again when it goes on',
  async () => {
    const { cloud, edge } = await startPair(offloadingBundle());
    const before = await classify(edge, images.image(0), { budgetMs: 5000 });
    assert.not(before.degraded, before.reason);
    cloud.child.kill('SIGSTOP');
    await assertBudgetKept(edge, 200, ['BUDGET_SPENT', 'LINK_SLOW', 'CLOUD_UNREACHABLE', 'CONNECTION_LOST']);
    cloud.child.kill('SIGCONT');
    await waitUntil(
      async () => !(await classify(edge, images.image(0))).degraded,
      'the cloud to answer again',
      { everyMs: 50 },
    );
  },
);

function listen(server: TcpServer): Promise<TcpServer> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function portOf(server: TcpServer): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a server without a port');
  return address.port;
}

refusals.run();
