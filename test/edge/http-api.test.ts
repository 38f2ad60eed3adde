import { connect } from 'node:net';
import { pino } from 'pino';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent, type AgentOptions, type CloudLink, Endpoints, Uplink } from '../../edge/agent/index.ts';
import { httpApi } from '../../edge/daemon/http-api.ts';
import { EdgeMetrics } from '../../edge/daemon/metrics.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { httpAdmission, parseTokens } from '../../shared/host/index.ts';
import type { Runner } from '../../shared/runtime/index.ts';
import {
  drawnImage,
  openRealBundle,
  segmentGraphs,
  stack,
  startPool,
  withThreshold,
} from '../runtime/real-bundle.ts';
import { greyFile } from '../support/pictures.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { TestCloud } from './link-source.ts';

const bundle = await openRealBundle();
const pool = await startPool(segmentGraphs(bundle), { maxQueuedRuns: 100 });
const [confident, unsure] = [withThreshold(bundle, 1), withThreshold(bundle, 0)];
const token = 'a-token-for-this-daemon';
const png = await greyFile(28, 28, 'png');

type Api = ReturnType<typeof httpApi>;

function apiWith(
  change: Partial<AgentOptions> = {},
  options: Partial<Parameters<typeof httpApi>[0]> = {},
): Api {
  const agent = new Agent({
    bundle: confident,
    runner: pool,
    clock: systemClock,
    cut: 1,
    defaultBudgetMs: 1000,
    maxInFlight: 64,
    ...change,
  });
  const metrics = new EdgeMetrics({
    connected: () => false,
    inFlight: () => agent.inFlight,
    hedges: () => 2,
    lateAnswers: () => 3,
  });
  return httpApi({
    agent,
    bundle,
    cloud: undefined,
    uplinks: [],
    metrics,
    admit: httpAdmission([], '127.0.0.1'),
    resize: 'off',
    runner: pool,
    version: '1.2.3',
    logger: pino({ level: 'silent' }),
    ...options,
  });
}

const api = apiWith();

async function post(type: string | undefined, body: Uint8Array | string | undefined, app = api, query = '') {
  const response = await app.inject({
    method: 'POST',
    url: `/v1/classify${query}`,
    headers: type === undefined ? {} : { 'content-type': type },
    ...(body !== undefined && { payload: typeof body === 'string' ? body : Buffer.from(body) }),
  });
  return { status: response.statusCode, json: response.json(), headers: response.headers };
}

async function fails(sent: ReturnType<typeof post>, status: number, code: string, part = ''): Promise<void> {
  const { json, status: got } = await sent;
  assert.is(json.error?.code, code, JSON.stringify(json));
  assert.is(got, status);
  assert.ok(json.error.message.includes(part), json.error.message);
}

const raw = 'application/octet-stream';

const Bodies = suite('bodies');

Bodies('one raw image gets one answer with all its fields', async () => {
  const { status, json } = await post(raw, drawnImage(0));
  assert.is(status, 200);
  const [answer] = json.answers;
  assert.is(json.answers.length, 1);
  assert.equal([answer.id, answer.route, answer.degraded, answer.bytesSent], ['0', 'exit', false, 0]);
  assert.is(answer.className, bundle.manifest.classes[answer.label]);
  assert.is(answer.probabilities.length, bundle.manifest.classes.length);
  const sum = answer.probabilities.reduce((total: number, one: number) => total + one, 0);
  assert.ok(Math.abs(sum - 1) < 1e-9);
  assert.ok(answer.latencyMs > 0 && answer.stagesMs.device > 0);
});

Bodies('several raw images are answered in order, each as alone', async () => {
  const images = [3, 400, 77, 3].map(drawnImage);
  const { json } = await post(raw, stack(images));
  assert.equal(
    json.answers.map(({ id }: { id: string }) => id),
    ['0', '1', '2', '3'],
  );
  for (const [index, image] of images.entries()) {
    const alone = (await post(raw, image)).json.answers[0];
    assert.is(json.answers[index].label, alone.label);
    assert.equal(json.answers[index].probabilities, alone.probabilities);
  }
});

Bodies('a picture is decoded, and gives what its pixels give', async () => {
  for (const format of ['png', 'webp'] as const) {
    const { status, json } = await post(`image/${format}`, await greyFile(28, 28, format));
    assert.is(status, 200);
    const { data } = await rawOf(png);
    assert.equal(json.answers[0].probabilities, (await post(raw, data)).json.answers[0].probabilities);
  }
  assert.is((await post('image/jpeg', await greyFile(28, 28, 'jpeg'))).status, 200);
  assert.is((await post('IMAGE/PNG; charset=x', png)).status, 200);
});

Bodies('multipart files are named by their file names', async () => {
  const { type, body } = form([
    ['one.png', png],
    ['two.png', png],
  ]);
  const { status, json } = await post(type, body);
  assert.is(status, 200);
  assert.equal(
    json.answers.map(({ id }: { id: string }) => id),
    ['one.png', 'two.png'],
  );
});

Bodies('JSON with base64 is named by its ids, or by position', async () => {
  const data = Buffer.from(png).toString('base64');
  const { status, json } = await post(
    'application/json',
    JSON.stringify({ images: [{ id: 'a', data }, { data }] }),
  );
  assert.is(status, 200);
  assert.equal(
    json.answers.map(({ id }: { id: string }) => id),
    ['a', '1'],
  );
});

Bodies('a bad image among good ones takes nothing from them', async () => {
  const { type, body } = form([
    ['good.png', png],
    ['bad.png', new TextEncoder().encode('no picture')],
    ['last.png', png],
  ]);
  const { status, json } = await post(type, body);
  assert.is(status, 200);
  const [good, bad, last] = json.answers;
  assert.is(good.route, 'exit');
  assert.is(last.route, 'exit');
  assert.equal([bad.id, bad.error.code], ['bad.png', 'IMAGE_INVALID']);
  assert.is(bad.label, undefined);
});

Bodies('an empty picture among good ones, too, and it is IMAGE_INVALID', async () => {
  const data = Buffer.from(png).toString('base64');
  const body = JSON.stringify({ images: [{ data }, { data: '' }, { data: '!' }] });
  const { status, json } = await post('application/json', body);
  assert.is(status, 200);
  assert.is(json.answers[0].route, 'exit');
  assert.is(json.answers[1].error.code, 'IMAGE_INVALID');
  assert.is(json.answers[2].error.code, 'IMAGE_INVALID');
});

Bodies.run();

const Refusals = suite('requests that are refused');

Refusals('no body is IMAGE_MISSING', async () => {
  await fails(post(raw, undefined), 400, 'IMAGE_MISSING');
  await fails(post(raw, new Uint8Array(0)), 400, 'IMAGE_MISSING');
  await fails(post('image/png', new Uint8Array(0)), 400, 'IMAGE_MISSING');
  await fails(post(undefined, undefined), 400, 'IMAGE_MISSING');
  const { type, body } = form([]);
  await fails(post(type, body), 400, 'IMAGE_MISSING');
});

Refusals('another content type is IMAGE_INVALID and lists the known ones', async () => {
  await fails(post('text/plain', 'hello'), 400, 'IMAGE_INVALID', 'image/png');
  await fails(post('image/gif', png), 400, 'IMAGE_INVALID', 'image/gif');
  await fails(post('', png), 400, 'IMAGE_INVALID');
});

Refusals('raw bytes that are no whole number of images are IMAGE_INVALID', async () => {
  await fails(post(raw, new Uint8Array(785)), 400, 'IMAGE_INVALID', '785');
});

Refusals('a picture of another size, with resizing off, is IMAGE_INVALID', async () => {
  await fails(post('image/png', await greyFile(30, 28, 'png')), 400, 'IMAGE_INVALID', '30 x 28');
  const resizing = apiWith({}, { resize: 'cover' });
  assert.is((await post('image/png', await greyFile(300, 280, 'png'), resizing)).status, 200);
});

Refusals('JSON that is none, or of another form, is IMAGE_INVALID', async () => {
  const bodies = [
    '{',
    '',
    '[]',
    '{}',
    '{"images": []}',
    '{"images": [{}]}',
    '{"images": [{"data": 1}]}',
    'null',
  ];
  for (const body of bodies) await fails(post('application/json', body), 400, 'IMAGE_INVALID');
  const extra = JSON.stringify({ images: [{ data: '', admin: true }] });
  await fails(post('application/json', extra), 400, 'IMAGE_INVALID');
  const polluted = '{"__proto__": {"x": 1}, "images": [{"data": ""}]}';
  await fails(post('application/json', polluted), 400, 'IMAGE_INVALID');
});

Refusals('multipart that is none is refused', async () => {
  const { status, json } = await post('multipart/form-data', 'no boundary');
  assert.ok(status >= 400 && status < 500, `${status} ${JSON.stringify(json)}`);
  const cut = form([['a.png', png]]);
  const broken = await post(cut.type, cut.body.subarray(0, cut.body.length - 40));
  assert.ok(broken.status >= 400 && broken.status < 500, `${broken.status} ${JSON.stringify(broken.json)}`);
});

Refusals('more than 64 images are refused, in whatever form, and the message says so', async () => {
  const few = apiWith({ maxInFlight: 64 });
  assert.is((await post(raw, new Uint8Array(784 * 64), few)).status, 200);
  await fails(post(raw, new Uint8Array(784 * 65), few), 413, 'IMAGE_TOO_LARGE', '65 images');
  const files = Array.from({ length: 65 }, (_, index): [string, Uint8Array] => [`${index}.png`, png]);
  const { type, body } = form(files);
  await fails(post(type, body, few), 413, 'IMAGE_TOO_LARGE', '64');
  const images = files.map(() => ({ data: 'AA==' }));
  await fails(post('application/json', JSON.stringify({ images }), few), 400, 'IMAGE_INVALID', '64');
});

Refusals('a body beyond the limit is IMAGE_TOO_LARGE', async () => {
  await fails(post(raw, new Uint8Array(8 * 1024 * 1024 + 1)), 413, 'IMAGE_TOO_LARGE');
});

Refusals('JSON beyond its own, smaller limit is IMAGE_TOO_LARGE', async () => {
  const limit = 2 * 1024 * 1024;
  const sized = (bytes: number) => {
    const [head, tail] = ['{"images": [{"data": "', '"}]}'];
    return `${head}${'A'.repeat(bytes - head.length - tail.length)}${tail}`;
  };
  await fails(post('application/json', sized(limit + 1)), 413, 'IMAGE_TOO_LARGE', String(limit));
  await fails(post('application/json', sized(limit)), 400, 'IMAGE_INVALID');
});

Refusals('files of a form that are too large only together are IMAGE_TOO_LARGE', async () => {
  const file = new Uint8Array(3 * 1024 * 1024);
  const files = (count: number) =>
    Array.from({ length: count }, (_, index): [string, Uint8Array] => [`${index}.png`, file]);
  const [two, three] = [form(files(2)), form(files(3))];
  await fails(post(three.type, three.body), 413, 'IMAGE_TOO_LARGE', "The form's files");
  const { status, json } = await post(two.type, two.body);
  assert.is(status, 200);
  assert.is(json.answers.length, 2);
});

Refusals('a budget that is no time is refused and repeated', async () => {
  for (const budget of ['0', '-1', 'NaN', 'soon', '', '600001', 'Infinity', '1e9']) {
    await fails(post(raw, drawnImage(0), api, `?budgetMs=${budget}`), 400, 'BUDGET_INVALID', `'${budget}'`);
  }
  await fails(post(raw, drawnImage(0), api, '?budgetMs=5&budgetMs=6'), 400, 'BUDGET_INVALID');
  assert.is((await post(raw, drawnImage(0), api, '?budgetMs=600000')).status, 200);
});

Refusals('images beyond what the device takes at once are BUSY one by one', async () => {
  const narrow = apiWith({ maxInFlight: 2 });
  const { status, json } = await post(raw, stack([0, 1, 2, 3].map(drawnImage)), narrow);
  assert.is(status, 200);
  const codes = json.answers.map(({ error }: { error?: { code: string } }) => error?.code);
  assert.equal(codes, [undefined, undefined, 'BUSY', 'BUSY']);
  const closed = apiWith({ maxInFlight: 0 });
  await fails(post(raw, drawnImage(0), closed), 503, 'BUSY');
});

Refusals('anything else is NOT_FOUND in words', async () => {
  for (const url of ['/', '/v2/classify', '/v1/classify/1']) {
    const response = await api.inject({ method: 'GET', url });
    assert.equal([response.statusCode, response.json().error.code], [404, 'NOT_FOUND']);
    assert.ok(response.json().error.message.includes(url));
  }
  assert.is((await api.inject({ method: 'GET', url: '/v1/classify' })).statusCode, 404);
});

Refusals.run();

const Offloading = suite('degraded answers');

Offloading('say so, and why', async () => {
  const link: CloudLink = {
    connected: false,
    infer: () => Promise.reject(new OfframpError('DRAINING', 'x')),
  };
  const { status, json } = await post(raw, drawnImage(0), apiWith({ bundle: unsure, cloud: link }));
  assert.is(status, 200);
  const [answer] = json.answers;
  assert.equal([answer.route, answer.degraded, answer.reason], ['exit', true, 'DRAINING']);
});

Offloading.run();

const Auth = suite('tokens');
const guarded = apiWith({}, { admit: httpAdmission(parseTokens(token, 'the test'), '0.0.0.0') });
const bearer = { authorization: `Bearer ${token}` };

Auth('without tokens a page of a stranger is refused by its Origin or its Host, health is not', async () => {
  const foreign = [
    { origin: 'https://pages.example', host: '127.0.0.1:8471' },
    { host: 'rebound.example:8471' },
  ];
  for (const headers of foreign) {
    const response = await api.inject({ method: 'GET', url: '/v1/status', headers });
    assert.equal([response.statusCode, response.json().error.code], [401, 'UNAUTHORIZED']);
    assert.is((await api.inject({ method: 'GET', url: '/livez', headers })).statusCode, 200);
  }
  for (const host of ['127.0.0.1:8471', 'localhost', '[::1]:8471']) {
    const headers = { host, origin: 'http://localhost:3000' };
    assert.is((await api.inject({ method: 'GET', url: '/v1/status', headers })).statusCode, 200, host);
  }
});

Auth('a request without one, or with another, is 401 and asks for Bearer', async () => {
  const headers = [
    {},
    { authorization: 'Bearer wrong' },
    { authorization: token },
    { authorization: `Basic ${token}` },
  ];
  for (const one of headers) {
    const response = await guarded.inject({ method: 'GET', url: '/v1/status', headers: one });
    assert.is(response.statusCode, 401);
    assert.is(response.headers['www-authenticate'], 'Bearer');
    assert.is(response.json().error.code, 'UNAUTHORIZED');
    assert.not(response.body.includes(bundle.digest));
  }
  const classified = await guarded.inject({
    method: 'POST',
    url: '/v1/classify',
    payload: Buffer.from(drawnImage(0)),
  });
  assert.is(classified.statusCode, 401);
});

Auth('with the right one it is answered', async () => {
  const response = await guarded.inject({ method: 'GET', url: '/v1/status', headers: bearer });
  assert.is(response.statusCode, 200);
});

Auth('health and metrics need none', async () => {
  for (const url of ['/livez', '/readyz', '/metrics']) {
    assert.is((await guarded.inject({ method: 'GET', url })).statusCode, 200, url);
  }
});

Auth('no way to write the same path gets around them', async () => {
  const urls = [
    '/%76%31/status',
    '/v%31/status',
    '/%761/status',
    '//v1/status',
    '/./v1/status',
    '/V1/status',
    '/v1/status;x',
    '/v1/status?x',
    '/v1//status',
    '/x/../v1/status',
  ];
  for (const url of urls) {
    const response = await guarded.inject({ method: 'GET', url });
    assert.ok(response.statusCode === 401 || response.statusCode === 404, `${url}: ${response.statusCode}`);
  }
});

Auth('nor does the absolute form of a request line', async () => {
  const app = apiWith({}, { admit: httpAdmission(parseTokens(token, 'the test'), '0.0.0.0') });
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('GET http://daemon/v1/status HTTP/1.1\r\nHost: daemon\r\nConnection: close\r\n\r\n');
  let response = '';
  for await (const part of socket) response += part;
  await app.close();
  assert.ok(/^HTTP\/1\.1 (401|404) /.test(response), response.split('\r\n')[0]);
});

Auth.run();

const Pages = suite('status, health, metrics');

Pages('status names version, provider, bundle and exits, and has no cloud when there is none', async () => {
  const status = (await api.inject({ method: 'GET', url: '/v1/status' })).json();
  assert.equal(
    [status.version, status.provider, status.inFlight, status.cloud],
    ['1.2.3', 'cpu', 0, undefined],
  );
  const { id, version, exits } = bundle.manifest;
  assert.equal(status.bundle, { id, version, digest: bundle.digest, exits });
});

Pages('status says why there is no connection, and to whom there is one', async () => {
  const cloud = new TestCloud();
  const clock = new VirtualClock();
  const hello = { agent: 'x', bundles: [{ id: bundle.manifest.id, digest: bundle.digest }] };
  const uplink = new Uplink({ dial: cloud.dial, hello, clock, random: () => 1 });
  uplink.start();
  const endpoints = new Endpoints({ links: [uplink], clock, random: () => 1 });
  const app = apiWith({}, { cloud: endpoints, uplinks: [{ url: 'ws://a.example', uplink }] });
  const before = (await app.inject({ method: 'GET', url: '/v1/status' })).json();
  assert.equal([before.cloud.connected, before.cloud.problem.code], [false, 'CLOUD_UNREACHABLE']);
  cloud.last.accept({ bundles: hello.bundles });
  const after = (await app.inject({ method: 'GET', url: '/v1/status' })).json();
  const server = { url: 'ws://a.example', connected: true, server: 'cloud/test', lateAnswers: 0 };
  assert.equal(after.cloud, { connected: true, hedges: 0, servers: [server] });
  uplink.close();
});

Pages('livez and readyz answer', async () => {
  assert.equal((await api.inject({ url: '/livez' })).json(), { live: true });
  assert.equal((await api.inject({ url: '/readyz' })).json(), { ready: true, provider: 'cpu' });
});

Pages('readyz is 503 once no inference thread is left', async () => {
  const gone: Runner = {
    provider: 'cpu',
    parallel: 0,
    run: () => Promise.reject(new OfframpError('RUNTIME_STOPPED', 'x')),
    close: async () => {},
  };
  const app = apiWith({}, { runner: gone });
  const readyz = await app.inject({ url: '/readyz' });
  assert.is(readyz.statusCode, 503);
  assert.equal(readyz.json(), { ready: false, provider: 'cpu' });
  assert.is((await app.inject({ url: '/livez' })).statusCode, 200);
});

Pages('metrics count the bytes sent for every answer, degraded ones too', async () => {
  const classes = bundle.manifest.classes.length;
  let asked = 0;
  const link: CloudLink = {
    connected: true,
    async infer({ onSent }) {
      asked++;
      onSent?.(asked * 100);
      if (asked === 2) throw new OfframpError('CONNECTION_LOST', 'x');
      return {
        id: asked,
        exits: [1],
        logits: new Float32Array(classes),
        queueMicros: 1,
        runMicros: 1,
        batchRows: 1,
        queuedRows: 0,
        bytesSent: asked * 100,
      };
    },
  };
  const app = apiWith({ bundle: unsure, cloud: link });
  const sent = async () => {
    const lines = (await app.inject({ url: '/metrics' })).body.split('\n');
    return Number(lines.find((line) => line.startsWith('offramp_edge_sent_bytes_total '))?.split(' ')[1]);
  };
  let sum = 0;
  for (const degraded of [false, true, false]) {
    const [answer] = (await post(raw, drawnImage(0), app)).json.answers;
    assert.is(answer.degraded, degraded);
    sum += answer.bytesSent;
    assert.is(await sent(), sum);
  }
  assert.is(sum, 600);
});

Pages('metrics count answers by route, refusals by code, and latency', async () => {
  const link: CloudLink = {
    connected: false,
    infer: () => Promise.reject(new OfframpError('DRAINING', 'x')),
  };
  const app = apiWith({ bundle: unsure, cloud: link });
  await post(raw, stack([0, 1].map(drawnImage)), app);
  await post('image/png', new Uint8Array(10), app);
  await post('text/plain', 'x', app);
  const text = (await app.inject({ url: '/metrics' })).body;
  const exit = bundle.exit(0).name;
  const lines = [
    `offramp_edge_answers_total{route="exit",exit="${exit}",reason="DRAINING"} 2`,
    'offramp_edge_refusals_total{code="IMAGE_INVALID"} 2',
    'offramp_edge_latency_seconds_count{route="exit"} 2',
    'offramp_edge_sent_bytes_total 0',
    'offramp_edge_cloud_connected 0',
    'offramp_edge_in_flight 0',
    'offramp_edge_late_answers_total 3',
    '# TYPE offramp_edge_late_answers_total counter',
  ];
  for (const line of lines) assert.ok(text.split('\n').includes(line), `no line '${line}'`);
});

Pages('the pool goes away at the end', async () => {
  await pool.close();
  await fails(post(raw, drawnImage(0)), 503, 'RUNTIME_STOPPED');
});

Pages.run();

/** Pixels of a picture, decoded by another way than the daemon's own. */
async function rawOf(file: Uint8Array): Promise<{ data: Uint8Array }> {
  return { data: new Uint8Array(await sharp(file).extractChannel(0).raw().toBuffer()) };
}

/** A multipart/form-data body (RFC 7578). */
function form(files: readonly [name: string, bytes: Uint8Array][]): { type: string; body: Buffer } {
  const boundary = 'a-boundary-of-this-test';
  const parts = files.flatMap(([name, bytes]) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="${name}"\r\nContent-Type: image/png\r\n\r\n`,
    bytes,
    '\r\n',
  ]);
  const body = Buffer.concat([...parts, `--${boundary}--\r\n`].map((part) => Buffer.from(part)));
  return { type: `multipart/form-data; boundary=${boundary}`, body };
}
