import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../../shared/errors.ts';
import { until, within } from '../../protocol/expect.ts';
import { HeldRunner } from '../engine-source.ts';
import { bundle, policy, post, rawSocket, served, startApi, stopAll, tokenIdentify } from './api-source.ts';

const runner = new HeldRunner();
const { url, port, refusals } = await startApi({ runner });
const model = `${url}/v2/models/${served.id}`;

async function get(place: string, init: RequestInit = {}) {
  const response = await fetch(place, init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: text === '' ? undefined : JSON.parse(text),
  };
}

const Tell = suite('what the server tells of itself');

Tell('has name, version and extensions', async () => {
  const { status, json } = await get(`${url}/v2`);
  assert.is(status, 200);
  assert.equal([json.name, json.version], ['offramp', 'test']);
  for (const extension of ['binary_tensor_data', 'statistics', 'model_repository', 'schedule_policy']) {
    assert.ok(json.extensions.includes(extension), extension);
  }
});

Tell('has the tensors of a model, rows as -1, with and without the version', async () => {
  for (const place of [model, `${model}/versions/1`]) {
    const { status, json } = await get(place);
    assert.is(status, 200);
    assert.equal(json, {
      name: served.id,
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'image', datatype: 'UINT8', shape: [-1, 28, 28, 1] }],
      outputs: [
        { name: 'logits', datatype: 'FP32', shape: [-1, 10] },
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'exit', datatype: 'INT64', shape: [-1] },
      ],
    });
  }
});

Tell('has the configuration of a model: batches, tensors without rows, classes and exits', async () => {
  const { json } = await get(`${model}/config`);
  assert.equal([json.name, json.max_batch_size], [served.id, policy.maxBatchRows]);
  assert.equal(json.input, [{ name: 'image', data_type: 'TYPE_UINT8', dims: [28, 28, 1] }]);
  assert.equal(json.output[1], { name: 'label', data_type: 'TYPE_INT64', dims: [1], reshape: { shape: [] } });
  assert.equal(json.instance_group, [{ name: served.id, kind: 'KIND_CPU', count: 1 }]);
  assert.is(json.dynamic_batching.priority_queue_policy['1'].timeout_action, 'REJECT');
  assert.equal(JSON.parse(json.parameters.classes.string_value), bundle.manifest.classes);
  assert.equal(JSON.parse(json.parameters.exits.string_value), ['branch', 'final']);
  assert.is(json.parameters.digest.string_value, bundle.digest);
  const segment = (await get(`${model}-s1/config`)).json;
  assert.equal(JSON.parse(segment.parameters.exits.string_value), ['final']);
  assert.is(segment.parameters.sha256.string_value, bundle.manifest.segments[1]?.sha256);
});

Tell('has the counters of one model and of all', async () => {
  const one = (await get(`${model}/stats`)).json;
  assert.equal(
    one.model_stats.map(({ name, version }: Record<string, unknown>) => [name, version]),
    [[served.id, '1']],
  );
  const all = (await get(`${url}/v2/models/stats`)).json;
  assert.is(all.model_stats.length, 3);
});

Tell('has an index of its models, by an empty body too', async () => {
  for (const body of ['', '{}', '{"ready":true}', '{"ready":false}']) {
    const { status, bytes } = await post(`${url}/v2/repository/index`, body);
    assert.is(status, 200);
    const index = JSON.parse(bytes.toString());
    assert.equal(
      index.map(({ name, state }: Record<string, unknown>) => [name, state]),
      [served.id, `${served.id}-s0`, `${served.id}-s1`].map((name) => [name, 'READY']),
    );
  }
  for (const body of ['{"ready":1}', '[]', 'x']) {
    const { status, json } = await post(`${url}/v2/repository/index`, body);
    assert.equal([status, json().code], [400, 'INFERENCE_INVALID']);
  }
  const { status } = await post(`${url}/v2/repository/index`, ' '.repeat(5000));
  assert.is(status, 413);
});

Tell.run();

const Health = suite('health');

Health('is told without a token, and everything else only with one', async () => {
  const own = await startApi({
    runner: new HeldRunner(),
    identify: tokenIdentify('a-token', 'an-admin-token'),
  });
  for (const path of ['/v2/health/live', '/v2/health/ready']) {
    assert.is((await get(`${own.url}${path}`)).status, 200);
  }
  for (const path of ['/v2', `/v2/models/${served.id}`, '/v2/models/stats', '/v2/logging', '/v2/nothing']) {
    const { status, headers, json } = await get(`${own.url}${path}`);
    assert.equal([status, json.code, headers.get('www-authenticate')], [401, 'UNAUTHORIZED', 'Bearer'], path);
  }
  const infer = await post(`${own.url}/v2/models/${served.id}/infer`, '{}');
  assert.is(infer.status, 401);
  const authorization = 'Bearer a-token';
  assert.is((await get(`${own.url}/v2`, { headers: { authorization } })).status, 200);
  assert.is((await get(`${own.url}/v2/nothing`, { headers: { authorization } })).status, 404);
});

Health('of a server that stops is live and not ready; it takes no inference and says so', async () => {
  let draining = false;
  const own = await startApi({ runner: new HeldRunner(), draining: () => draining, ready: () => !draining });
  assert.equal((await get(`${own.url}/v2/health/ready`)).json, { live: true, ready: true });
  draining = true;
  assert.is((await get(`${own.url}/v2/health/live`)).status, 200);
  const { status, json } = await get(`${own.url}/v2/health/ready`);
  assert.equal([status, json], [503, { live: true, ready: false }]);
  assert.equal((await get(`${own.url}/v2/models/${served.id}/ready`)).status, 503);
  const infer = await post(`${own.url}/v2/models/${served.id}/infer`, '{}');
  assert.equal(
    [infer.status, infer.json().code, infer.headers.get('connection')],
    [503, 'DRAINING', 'close'],
  );
  const index = JSON.parse((await post(`${own.url}/v2/repository/index`, '')).bytes.toString());
  assert.is(index[0].state, 'UNAVAILABLE');
  assert.equal(
    JSON.parse((await post(`${own.url}/v2/repository/index`, '{"ready":true}')).bytes.toString()),
    [],
  );
});

Health('without an inference thread is not ready', async () => {
  const dead = new HeldRunner();
  const own = await startApi({ runner: dead });
  dead.parallel = 0;
  assert.is((await get(`${own.url}/v2/health/ready`)).status, 503);
  assert.is((await get(`${own.url}/v2/health/live`)).status, 200);
});

Health('of a model is told with its name', async () => {
  const { status, json } = await get(`${model}/versions/1/ready`);
  assert.equal([status, json], [200, { name: served.id, ready: true }]);
});

Health.run();

const Wrong = suite('wrong paths and methods');

Wrong('are told apart: 404 for the one, 405 with what is allowed for the other', async () => {
  for (const path of [
    '/v2/',
    '/v2/models',
    '/v2/models/',
    '/V2',
    `/v2/models/${served.id}/`,
    '/v2/model/x',
    '/v2/health',
  ]) {
    const { status, json } = await get(`${url}${path}`);
    // What is not under /v2 is not answered here.
    if (path === '/V2') assert.is(status, 404);
    else assert.equal([status, json.code, typeof json.error], [404, 'NOT_FOUND', 'string'], path);
  }
  for (const [method, path, allowed] of [
    ['GET', `/v2/models/${served.id}/infer`, 'POST'],
    ['DELETE', `/v2/models/${served.id}`, 'GET, HEAD'],
    ['POST', '/v2/health/live', 'GET, HEAD'],
    ['PUT', '/v2/logging', 'GET, HEAD, POST'],
    ['GET', '/v2/repository/index', 'POST'],
    ['POST', `/v2?x=${'y'.repeat(50)}`, 'GET, HEAD'],
  ] as const) {
    const { status, json, headers } = await get(`${url}${path}`, { method });
    assert.equal([status, json.code, headers.get('allow')], [405, 'METHOD_NOT_ALLOWED', allowed], path);
  }
});

Wrong('and models that are not there have the form of the protocol', async () => {
  for (const path of [
    'nope',
    'nope/ready',
    'nope/stats',
    'nope/config',
    `${served.id}/versions/2`,
    `${served.id}/versions/x`,
  ]) {
    const { status, json } = await get(`${url}/v2/models/${path}`);
    assert.equal([status, json.code], [404, 'NOT_FOUND'], path);
    assert.match(json.error, /expected/);
  }
  const { status, json } = await post(`${url}/v2/models/nope/infer`, '{}');
  assert.equal([status, json().code], [404, 'NOT_FOUND']);
});

Wrong('do not come near files or prototypes', async () => {
  for (const name of ['..%2f..%2fetc%2fpasswd', '__proto__', 'constructor', '%00', 'x'.repeat(90)]) {
    const { status } = await get(`${url}/v2/models/${name}`);
    assert.is(status, 404, name);
  }
  const { status } = await get(`${url}/v2/models/%ff`);
  assert.ok(status >= 400 && status < 500);
});

Wrong('of extensions that are not there are 501', async () => {
  for (const [method, path] of [
    ['GET', '/v2/systemsharedmemory/status'],
    ['POST', '/v2/systemsharedmemory/region/r/register'],
    ['POST', '/v2/cudasharedmemory/unregister'],
    ['GET', '/v2/trace/setting'],
    ['POST', `/v2/models/${served.id}/trace/setting`],
    ['GET', '/v2/logging'],
    ['POST', `/v2/models/${served.id}/generate`],
    ['POST', `/v2/models/${served.id}/versions/1/generate_stream`],
    ['POST', '/v2/repository/other/index'],
    ['POST', `/v2/repository/models/${served.id}/load`],
    ['POST', `/v2/repository/models/${served.id}/unload`],
  ] as const) {
    const { status, json } = await get(`${url}${path}`, { method, ...(method === 'POST' && { body: '{}' }) });
    assert.equal([status, json.code], [501, 'NOT_SUPPORTED'], path);
  }
  assert.ok(refusals.includes('NOT_SUPPORTED'));
});

Wrong.run();

const Admin = suite('loading and unloading');

Admin('is left to the hook, for those who may', async () => {
  const calls: string[] = [];
  const admin = {
    available: async () => ['other', served.id],
    load: async (name: string) => void calls.push(`load ${name}`),
    unload: async (name: string) => {
      throw new OfframpError('BUNDLE_NOT_FOUND', `no ${name}`);
    },
  };
  const own = await startApi({
    runner: new HeldRunner(),
    admin,
    identify: tokenIdentify('a-token', 'an-admin-token'),
  });
  const place = `${own.url}/v2/repository/models/other`;
  const refused = await post(`${place}/load`, '', { authorization: 'Bearer a-token' });
  assert.equal([refused.status, calls], [401, []]);
  const headers = { authorization: 'Bearer an-admin-token' };
  assert.is((await post(`${place}/load`, '', headers)).status, 200);
  assert.equal(calls, ['load other']);
  const failed = await post(`${place}/unload`, '{}', headers);
  assert.equal([failed.status, failed.json().code], [404, 'BUNDLE_NOT_FOUND']);
});

Admin.run();

const Connection = suite('a connection');

Connection('goes on after a refusal, the body read or not', async () => {
  const socket = await rawSocket(port);
  let answers = '';
  socket.on('data', (chunk) => {
    answers += chunk.toString('latin1');
  });
  const body = JSON.stringify({ inputs: [] });
  for (const name of [served.id, 'nope', served.id]) {
    socket.write(
      `POST /v2/models/${name}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  }
  await within(
    5000,
    until(() => answers.split('HTTP/1.1 ').length === 4).then(() => undefined),
  );
  assert.equal(
    [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['400', '404', '400'],
  );
  socket.destroy();
});

Connection.after(stopAll);
Connection.run();
