/** Segments on another server: the same answers, or a coded error, never another tensor. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { modelNameOf, type RemoteRunner } from '../../../cloud/executors/index.ts';
import type { ErrorCode } from '../../../shared/errors.ts';
import type { RunOutput } from '../../../shared/runtime/index.ts';
import { rejectsCode, until, within } from '../../protocol/expect.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { cleanUp, serveTcp } from '../oip-client/servers.ts';
import {
  bundle,
  type Edit,
  graphs,
  images,
  type SegmentServer,
  s0,
  s1,
  serveSegments,
  startRunner,
  startSegmentPool,
} from './segment-server.ts';

const pool = await startSegmentPool();
const runners = new Set<RemoteRunner>();

async function start(...args: Parameters<typeof startRunner>): Promise<RemoteRunner> {
  const runner = await startRunner(...args);
  runners.add(runner);
  return runner;
}

async function tidy(): Promise<void> {
  await Promise.all([...runners].map((runner) => runner.close()));
  runners.clear();
  await cleanUp();
}

/** Both segments of a run, one after the other. */
async function both(
  run: (key: string, input: Uint8Array<ArrayBuffer>, rows: number) => Promise<RunOutput>,
  rows: number,
) {
  const first = await run(s0, images(rows), rows);
  const codes = first.outputs[1];
  if (!(codes instanceof Uint8Array)) throw new Error('no codes');
  const second = await run(s1, new Uint8Array(codes), rows);
  return [...first.outputs, ...second.outputs];
}

const Runs = suite('runs on another server');
Runs.after.each(tidy);

Runs('give bit by bit what they give here, whatever the rows and the encoding', async () => {
  const server = await serveSegments({ pool });
  for (const encoding of ['binary', 'json'] as const) {
    const runner = await start(server, { encoding });
    assert.is(runner.encoding, encoding);
    for (const rows of [1, 3, 64]) {
      const remote = await both((...args) => runner.run(...args), rows);
      const local = await both((...args) => pool.run(...args), rows);
      assert.equal(remote, local);
    }
  }
});

Runs('say where they ran and how long the way took', async () => {
  const runner = await start(await serveSegments({ pool }));
  assert.is(runner.provider, 'remote');
  assert.is(runner.problem, undefined);
  const { runMicros } = await runner.run(s0, images(1), 1);
  assert.ok(runMicros > 0 && runMicros < 5e6);
});

Runs('name the model, the tensors that are wanted and the time', async () => {
  const server = await serveSegments({ pool });
  const runner = await start(server, { runTimeoutMs: 1234 });
  await runner.run(s0, images(2), 2);
  const { path, body } = server.inferences.at(-1) ?? { path: '', body: Buffer.alloc(0) };
  assert.is(path, '/v2/models/b-lenet-mnist-s0/infer');
  const json = body.subarray(0, body.length - 2 * 784).toString();
  assert.equal(JSON.parse(json), {
    parameters: { timeout: 1_234_000 },
    inputs: [
      { name: 'image', shape: [2, 28, 28, 1], datatype: 'UINT8', parameters: { binary_data_size: 1568 } },
    ],
    outputs: [
      { name: 'logits', parameters: { binary_data: true } },
      { name: 'codes', parameters: { binary_data: true } },
    ],
  });
});

Runs('go to the models that the caller names', async () => {
  const modelName = (key: string) => `team.${key.replace('/', '_')}`;
  const server = await serveSegments({ pool, nameOf: modelName });
  const runner = await start(server, { modelName });
  await runner.run(s1, new Uint8Array(96), 1);
  assert.is(server.inferences.at(-1)?.path, '/v2/models/team.b-lenet-mnist_s1/infer');
});

Runs('are JSON for a server that does not speak the binary extension', async () => {
  const edit: Edit = (path, document) =>
    path === '/v2' ? { name: 'x', version: '1', extensions: [] } : document;
  const server = await serveSegments({ pool, edit });
  const runner = await start(server);
  assert.is(runner.encoding, 'json');
  assert.ok(
    server.inferences.every(({ headers }) => headers['inference-header-content-length'] === undefined),
  );
});

Runs('were made once at start for every size that is asked for, the second time measured', async () => {
  const server = await serveSegments({ pool });
  const runner = await start(server, { warmUpRows: [1, 8] });
  assert.equal(
    runner.warmRuns.map(({ key, rows }) => [key, rows]),
    [
      [s0, 1],
      [s0, 8],
      [s1, 1],
      [s1, 8],
    ],
  );
  assert.is(server.inferences.length, 8);
});

Runs('are no more at once than they may be, and no more wait than may', async () => {
  let now = 0;
  let most = 0;
  const release: (() => void)[] = [];
  let hold = false;
  const server = await serveSegments({
    pool,
    async before({ path }) {
      if (!hold || !path.endsWith('/infer')) return false;
      most = Math.max(most, ++now);
      await new Promise<void>((resolve) => release.push(resolve));
      now--;
      return false;
    },
  });
  const runner = await start(server);
  hold = true;
  const runs = Array.from({ length: 4 }, () => runner.run(s0, images(1), 1));
  await rejectsCode(runner.run(s0, images(1), 1), 'BUSY', '2 runs already wait behind 2 others');
  await until(() => release.length === 2);
  hold = false;
  for (const one of release) one();
  await Promise.all(runs);
  assert.is(most, 2);
});

Runs.run();

const Checks = suite('checks at the start of a remote runner');
Checks.after.each(tidy);

function edited(
  change: (path: string, document: Record<string, unknown>) => Record<string, unknown> | undefined,
): Edit {
  // Every document that is edited here is an object.
  return (path, document) => change(path, document as Record<string, unknown>);
}

const model = '/v2/models/b-lenet-mnist-s1';
const tensor = (name: string, datatype: string, shape: readonly number[]) => ({ name, datatype, shape });
const codes = tensor('codes', 'UINT8', [-1, 6, 4, 4]);
const mismatches: readonly [string, Record<string, unknown>, string][] = [
  [
    'an input of another name',
    { inputs: [tensor('features', 'UINT8', [-1, 6, 4, 4])] },
    "input 'codes': got no such tensor, expected UINT8 [-1, 6, 4, 4]",
  ],
  [
    'an input of another type',
    { inputs: [tensor('codes', 'FP32', [-1, 6, 4, 4])] },
    "input 'codes': got FP32 [-1, 6, 4, 4], expected UINT8 [-1, 6, 4, 4]",
  ],
  [
    'an input of another shape',
    { inputs: [tensor('codes', 'UINT8', [-1, 6, 16])] },
    'got UINT8 [-1, 6, 16], expected UINT8 [-1, 6, 4, 4]',
  ],
  ['a fixed number of rows', { inputs: [tensor('codes', 'UINT8', [1, 6, 4, 4])] }, 'got UINT8 [1, 6, 4, 4]'],
  ['one input more', { inputs: [codes, tensor('mask', 'BOOL', [-1])] }, "also asks for the input 'mask'"],
  ['no outputs', { outputs: [] }, "output 'logits': got no such tensor, expected FP32 [-1, 10]"],
  [
    'another number of classes',
    { outputs: [tensor('logits', 'FP32', [-1, 1000])] },
    "output 'logits': got FP32 [-1, 1000], expected FP32 [-1, 10]",
  ],
];
for (const [what, change, words] of mismatches) {
  Checks(`refuse a model with ${what}, and name it with what was got and expected`, async () => {
    const edit = edited((path, document) => (path === model ? { ...document, ...change } : document));
    const error = await rejectsCode(
      start(await serveSegments({ pool, edit })),
      'BUNDLE_GRAPH_MISMATCH',
      words,
    );
    assert.match(error.message, "Model 'b-lenet-mnist-s1'");
  });
}

Checks('refuse another version of the graph, of the same form', async () => {
  const edit = edited((path, document) =>
    path === `${model}/config`
      ? { ...document, parameters: { sha256: { string_value: 'ab'.repeat(32) } } }
      : document,
  );
  const error = await rejectsCode(
    start(await serveSegments({ pool, edit })),
    'BUNDLE_GRAPH_MISMATCH',
    'ab'.repeat(32),
  );
  assert.match(error.message, bundle.manifest.segments[1]?.sha256 ?? 'no segment');
});

Checks('tell of graphs whose server cannot say which they are', async () => {
  const unknown: string[] = [];
  const onUnknownGraph = (name: string) => unknown.push(name);
  await start(await serveSegments({ pool }), { onUnknownGraph });
  assert.equal(unknown, []);
  const edit = edited((path, document) => (path.endsWith('/config') ? undefined : document));
  await start(await serveSegments({ pool, edit }), { onUnknownGraph });
  assert.equal(unknown, ['b-lenet-mnist-s0', 'b-lenet-mnist-s1']);
});

Checks(
  'refuse a server that takes smaller batches, and take one that says that it takes larger requests',
  async () => {
    const edit = edited((path, document) =>
      path.endsWith('/config') ? { ...document, max_batch_size: 8, parameters: {} } : document,
    );
    await rejectsCode(
      start(await serveSegments({ pool, edit })),
      'CONFIG_INVALID',
      'takes 8 rows, expected the 64',
    );
    const splitting = edited((path, document) =>
      path.endsWith('/config')
        ? { ...document, max_batch_size: 8, parameters: { max_request_rows: { string_value: '1024' } } }
        : document,
    );
    await start(await serveSegments({ pool, edit: splitting }));
  },
);

Checks('refuse a model that is not there or not ready, and a server that is not there', async () => {
  for (const edit of [
    edited((path, document) => (path.startsWith(model) ? undefined : document)),
    edited((path, document) => (path === `${model}/ready` ? { ready: false } : document)),
  ]) {
    await rejectsCode(
      start(await serveSegments({ pool, edit })),
      'RUNTIME_FAILED',
      "no model 'b-lenet-mnist-s1' that is ready",
    );
  }
  const gone = await serveSegments({ pool });
  await gone.close();
  await rejectsCode(start(gone), 'CLOUD_UNREACHABLE');
});

Checks('find a model that answers unlike its metadata', async () => {
  const server = await serveSegments({
    pool,
    before({ path }, response) {
      if (path !== `${model}/infer`) return false;
      const outputs = [{ name: 'logits', datatype: 'FP32', shape: [1, 9], data: new Array(9).fill(0) }];
      response.end(JSON.stringify({ model_name: 'b-lenet-mnist-s1', outputs }));
      return true;
    },
  });
  await rejectsCode(start(server), 'RESPONSE_INVALID', 'FP32 [1, 9], expected FP32 [1, 10]');
});

Checks.run();

const Trouble = suite('a remote runner in trouble');
Trouble.after.each(tidy);

/** A runner that started well on a server whose next inferences `trouble` deals with. */
async function troubled(
  trouble: NonNullable<Parameters<typeof serveSegments>[0]['before']>,
  change: Parameters<typeof startRunner>[1] = {},
): Promise<{
  readonly runner: RemoteRunner;
  readonly server: SegmentServer;
  readonly inferences: () => number;
}> {
  let started = false;
  const before: typeof trouble = (request, response) =>
    started && request.path.endsWith('/infer') ? trouble(request, response) : false;
  const server = await serveSegments({ pool, before });
  const runner = await start(server, change);
  started = true;
  const made = server.inferences.length;
  return { runner, server, inferences: () => server.inferences.length - made };
}

Trouble('asks once more when the connection breaks before the answer', async () => {
  let broken = 0;
  const { runner, inferences } = await troubled((_request, response) => {
    if (broken++ > 0) return false;
    response.destroy();
    return true;
  });
  const { outputs } = await runner.run(s0, images(1), 1);
  assert.equal(outputs, (await pool.run(s0, images(1), 1)).outputs);
  assert.is(inferences(), 2);
});

Trouble('gives up when it breaks again', async () => {
  const { runner, inferences } = await troubled((_request, response) => {
    response.destroy();
    return true;
  });
  const error = await rejectsCode(runner.run(s0, images(1), 1), 'RUNTIME_FAILED', "Model 'b-lenet-mnist-s0'");
  assert.ok((error.retryAfterMs ?? 0) > 0);
  assert.is(inferences(), 2);
});

const answers: readonly [string, number, string, ErrorCode][] = [
  ['busy', 503, '{"error":"full"}', 'BUSY'],
  ['draining', 503, '{"error":"soon gone","code":"DRAINING"}', 'BUSY'],
  ['asked too often', 429, '{"error":"slower"}', 'BUSY'],
  ['failing', 500, '{"error":"out of memory"}', 'RUNTIME_FAILED'],
  ['refusing', 400, '{"error":"unexpected shape"}', 'RUNTIME_FAILED'],
  ['without the model', 404, '{"error":"unknown model"}', 'RUNTIME_FAILED'],
  ['lying', 200, '{"model_name":"b-lenet-mnist-s0","outputs":[]}', 'RUNTIME_FAILED'],
  ['no server of this protocol', 200, 'hello', 'RUNTIME_FAILED'],
];
for (const [what, status, body, code] of answers) {
  Trouble(`says ${code} of a server that is ${what}, and asks it once`, async () => {
    const { runner, inferences } = await troubled((_request, response) => {
      response.writeHead(status, { 'Retry-After': '7' }).end(body);
      return true;
    });
    const error = await rejectsCode(runner.run(s0, images(1), 1), code);
    if (code === 'BUSY') assert.is(error.retryAfterMs, 7000);
    assert.is(inferences(), 1);
    assert.is(runner.problem, undefined);
  });
}

Trouble('gives up a run that takes too long, and frees its place', async () => {
  const { runner } = await troubled(() => true, { runTimeoutMs: 1000, parallel: 1 });
  const runs = [runner.run(s0, images(1), 1), runner.run(s0, images(1), 1)];
  for (const run of runs) await within(8000, rejectsCode(run, 'RUNTIME_FAILED', 'no answer within 1000 ms'));
});

Trouble('refuses at once while the server is away, and goes on when it is back', async () => {
  const changes: (ErrorCode | undefined)[] = [];
  const server = await serveSegments({ pool });
  const runner = await start(server, { pollMs: 30, onChange: (problem) => changes.push(problem?.code) });
  await server.close();
  await until(() => runner.problem !== undefined);
  const startedAtMs = performance.now();
  const error = await rejectsCode(runner.run(s0, images(1), 1), 'RUNTIME_FAILED', 'cannot be used');
  assert.ok(performance.now() - startedAtMs < 500);
  assert.is(error.retryAfterMs, 30);
  await serveSegments({ pool, port: server.port });
  await until(() => runner.problem === undefined);
  assert.equal((await runner.run(s0, images(1), 1)).outputs, (await pool.run(s0, images(1), 1)).outputs);
  assert.is(changes.length, 2);
  assert.is(changes[1], undefined);
});

Trouble('does not wait for the next look when a run finds the server gone', async () => {
  const changes: unknown[] = [];
  const server = await serveSegments({ pool });
  const runner = await start(server, { onChange: (problem) => changes.push(problem?.code) });
  await server.close();
  await rejectsCode(runner.run(s0, images(1), 1), 'RUNTIME_FAILED');
  assert.is(runner.problem?.code, 'CLOUD_UNREACHABLE');
  assert.equal(changes, ['CLOUD_UNREACHABLE']);
});

Trouble('does not use a server that came back with other models', async () => {
  const server = await serveSegments({ pool });
  const runner = await start(server, { pollMs: 30 });
  await server.close();
  await until(() => runner.problem !== undefined);
  const edit = edited((path, document) => (path === model ? { ...document, outputs: [] } : document));
  await serveSegments({ pool, edit, port: server.port });
  await until(() => runner.problem?.code === 'BUNDLE_GRAPH_MISMATCH');
  await rejectsCode(runner.run(s0, images(1), 1), 'RUNTIME_FAILED', "output 'logits'");
});

Trouble('sees a model that is taken from the server', async () => {
  let gone = false;
  const edit = edited((path, document) => (gone && path.startsWith(model) ? undefined : document));
  const runner = await start(await serveSegments({ pool, edit }), { pollMs: 20 });
  gone = true;
  await until(() => runner.problem !== undefined);
  assert.match(runner.problem?.message ?? '', "no model 'b-lenet-mnist-s1'");
  gone = false;
  await until(() => runner.problem === undefined);
});

Trouble('looks at the health every so often, by its clock, and stops with the runner', async () => {
  const clock = new VirtualClock();
  let looks = 0;
  const server = await serveSegments({
    pool,
    before({ path }) {
      if (path === '/v2/health/ready') looks++;
      return false;
    },
  });
  const runner = await start(server, { clock, pollMs: 1000 });
  clock.advance(999);
  assert.is(looks, 0);
  clock.advance(1);
  await until(() => looks === 1 && clock.pending === 1);
  await runner.close();
  assert.is(clock.pending, 0);
});

Trouble('ends the runs under way before it closes, and refuses the rest', async () => {
  const release: (() => void)[] = [];
  const { runner } = await troubled(
    async () => {
      await new Promise<void>((resolve) => release.push(resolve));
      return false;
    },
    { parallel: 1 },
  );
  const running = runner.run(s0, images(1), 1);
  const waiting = rejectsCode(runner.run(s0, images(1), 1), 'RUNTIME_STOPPED');
  await until(() => release.length === 1);
  const closed = runner.close();
  await waiting;
  await rejectsCode(runner.run(s0, images(1), 1), 'RUNTIME_STOPPED');
  for (const one of release) one();
  assert.is((await running).outputs.length, 2);
  await within(2000, closed);
});

Trouble('does not wait for ever at start for a server that takes connections and says nothing', async () => {
  const server = await serveTcp(() => {});
  await within(20_000, rejectsCode(start(server), 'BUDGET_SPENT', 'no answer within 5000 ms'));
});

Trouble.run();

const Loading = suite('graphs that come and go on a remote runner');
Loading.after.each(tidy);

Loading('are checked when they come, and unknown once they have gone', async () => {
  const server = await serveSegments({ pool });
  const runner = await start(server, { graphs: graphs.slice(0, 1) });
  await rejectsCode(runner.run(s1, new Uint8Array(96), 1), 'RUNTIME_FAILED', `No graph '${s1}'`);
  const warmRuns = await runner.load(graphs.slice(1));
  assert.equal(
    warmRuns.map(({ key, rows }) => [key, rows]),
    [[s1, 1]],
  );
  await runner.run(s1, new Uint8Array(96), 1);
  await runner.unload([s1, 'unheard of']);
  await rejectsCode(runner.run(s1, new Uint8Array(96), 1), 'RUNTIME_FAILED', `No graph '${s1}'`);
});

Loading('leave everything as it was when they are refused', async () => {
  const edit = edited((path, document) => (path === model ? { ...document, outputs: [] } : document));
  const runner = await start(await serveSegments({ pool, edit }), { graphs: graphs.slice(0, 1) });
  await rejectsCode(runner.load(graphs.slice(1)), 'BUNDLE_GRAPH_MISMATCH');
  await runner.run(s0, images(1), 1);
  await rejectsCode(runner.run(s1, new Uint8Array(96), 1), 'RUNTIME_FAILED', 'No graph');
});

Loading('are refused when another version of the bundle has their names on the server', async () => {
  const runner = await start(await serveSegments({ pool }));
  const [first] = graphs;
  if (first === undefined) throw new Error('no graph');
  const newer = { ...first, key: 'b-lenet-mnist@01234567/s0' };
  const error = await rejectsCode(runner.load([newer]), 'CONFIG_INVALID', "the model 'b-lenet-mnist-s0'");
  assert.match(error.message, newer.key);
});

Loading('are called as the other server calls them', () => {
  assert.is(modelNameOf('b-lenet-mnist/s0'), 'b-lenet-mnist-s0');
  assert.is(modelNameOf('b-lenet-mnist@4f0f95e3/s12'), 'b-lenet-mnist-s12');
});

Loading.after(() => pool.close());
Loading.run();
