/** The console of a real server, over real HTTP and WebSockets. */
import { request } from 'node:http';
import { Compile } from 'typebox/compile';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DeviceState, makeSnapshot, type StandingAlarm } from '../../cloud/console/index.ts';
import { Recorder } from '../../cloud/console/recorder.ts';
import { consoleSnapshot } from '../../cloud/console/snapshot-schema.ts';
import {
  assetNames,
  type CloudOptions,
  type ConsoleSnapshot,
  DeviceTally,
  defaultCloudLimits,
  type LaneState,
} from '../../cloud/index.ts';
import { parseTokens } from '../../shared/host/index.ts';
import { encodeInfer } from '../../shared/protocol/index.ts';
import { drawnImage } from '../runtime/real-bundle.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import {
  cleanUp,
  endClients,
  greet,
  type IdleServer,
  inferFrame,
  served,
  startIdleServer,
  startServer,
  token,
} from './server-source.ts';

const readerToken = 'the-token-of-a-reader';
const adminToken = 'the-token-of-an-operator';
const tokens = parseTokens(
  `camera-7 ${token}\nreader ${readerToken} scope read\noperator ${adminToken} scope admin`,
  'the test',
);
const files = new Map(assetNames.map((name) => [name, new TextEncoder().encode(`content of ${name}`)]));
const consoleFiles = async () => files;
const fits = Compile(consoleSnapshot);

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly json: ConsoleSnapshot & { readonly code?: string };
}

async function ask(
  { server }: IdleServer,
  { bearer = readerToken, path = '/v1/console', method = 'GET', headers = {} } = {},
): Promise<Asked> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { ...(bearer !== '' && { authorization: `Bearer ${bearer}` }), ...headers },
  });
  return { status: response.status, headers: response.headers, json: await response.json() };
}

/** Asks until it holds. */
async function eventually(running: IdleServer, holds: (snapshot: ConsoleSnapshot) => boolean): Promise<void> {
  for (let tries = 0; tries < 250; tries++) {
    if (holds((await ask(running)).json)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come to hold within five seconds');
}

function startIdle(options: Partial<CloudOptions> = {}): Promise<IdleServer> {
  return startIdleServer({}, { tokens, consoleFiles, ...options });
}

const Console = suite('GET /v1/console');

Console.after.each(endClients);
Console.after(cleanUp);

Console('shows a device that connects and sends images, and what became of them', async () => {
  const running = await startServer({}, { tokens, consoleFiles });
  const device = await greet(running.wsUrl);
  device.socket.send(inferFrame(1, 3));
  device.socket.send(inferFrame(2, 2));
  assert.equal([(await device.frame(1)).type, (await device.frame(2)).type], ['result', 'result']);
  await eventually(running, ({ history }) => history.rows.reduce((sum, rows) => sum + rows, 0) === 5);
  const { status, headers, json } = await ask(running);
  assert.is(status, 200);
  assert.ok(fits.Check(json), JSON.stringify([...fits.Errors(json)].slice(0, 3)));
  assert.is(headers.get('cache-control'), 'no-store');
  assert.is(headers.get('x-content-type-options'), 'nosniff');
  const [shown] = json.devices.busiest;
  assert.equal([json.devices.count, shown?.agent, shown?.client], [1, 'test', 'camera-7']);
  assert.equal([shown?.address, shown?.bundles, shown?.credits], ['127.0.0.1', [served.id], 64]);
  assert.equal([shown?.cutRows, shown?.inFlight], [[5], 0]);
  assert.is(
    (shown?.exitRows ?? []).reduce((sum, rows) => sum + rows, 0),
    5,
  );
  assert.equal(json.minute.exits, shown?.exitRows);
  assert.is(json.total.rows, 5);
  assert.equal(
    json.minute.batchRows.reduce((sum, { batches }) => sum + batches, 0),
    json.history.batches.reduce((sum, batches) => sum + batches, 0),
  );
  assert.ok((json.minute.stages.run.p95Ms ?? 0) > 0);
  assert.equal(
    json.bundles.map(({ id, digest, state, devices }) => ({ id, digest, state, devices })),
    [{ id: served.id, digest: served.digest, state: 'serving', devices: 1 }],
  );
  assert.equal([json.state, json.provider, json.executors], ['serving', running.pool.provider, 1]);
  assert.is(json.total.rows, await running.metric(`offramp_cloud_client_rows_total{client="camera-7"}`));
});

Console('counts refusals as the metrics do, by their code', async () => {
  const running = await startIdle();
  const device = await greet(running.wsUrl);
  const rows = [drawnImage(1)];
  device.socket.send(encodeInfer({ id: 1, bundleTag: 1, cut: 0, budgetMs: 1000, rows }));
  assert.is((await device.frame(1)).type, 'error');
  assert.is((await ask(running, { bearer: 'a-token-that-is-unknown' })).status, 401);
  await eventually(running, ({ minute }) => minute.refusals.length === 2);
  const { json } = await ask(running);
  assert.equal(
    [...json.minute.refusals].sort((one, other) => (one.code < other.code ? -1 : 1)),
    [
      { code: 'BUNDLE_NOT_FOUND', count: 1 },
      { code: 'UNAUTHORIZED', count: 1 },
    ],
  );
  assert.is(await running.metric('offramp_cloud_refusals_total{code="UNAUTHORIZED"}'), 1);
});

Console('shows what waits, lane by lane and by priority', async () => {
  const running = await startIdle();
  const device = await greet(running.wsUrl);
  // The first one is taken by the executor, which never answers.
  for (const id of [1, 2, 3]) device.socket.send(inferFrame(id, 2));
  await eventually(running, ({ lanes }) => lanes.busiest[0]?.waitingRequests === 2);
  const { json } = await ask(running);
  const [lane] = json.lanes.busiest;
  assert.equal([lane?.bundle, lane?.cut, lane?.waitingRows, lane?.underWay], [served.id, 0, 4, 3]);
  assert.equal(lane?.priorities, [{ priority: 1, rows: 4 }]);
  assert.ok((lane?.oldestWaitMs ?? -1) >= 0);
  assert.equal([json.load.queuedRows, json.load.runningRows], [4, 2]);
  assert.is(json.devices.busiest[0]?.inFlight, 3);
});

Console('is for tokens that may read, and says who may change something', async () => {
  const running = await startIdle();
  const answers = await Promise.all(
    ['', 'a-token-that-is-unknown', token, readerToken, adminToken].map((bearer) => ask(running, { bearer })),
  );
  assert.equal(
    answers.map(({ status }) => status),
    [401, 401, 403, 200, 200],
  );
  assert.equal(
    answers.map(({ json }) => json.code ?? json.mayChange),
    ['UNAUTHORIZED', 'UNAUTHORIZED', 'FORBIDDEN', false, true],
  );
  assert.is(answers[0]?.headers.get('www-authenticate'), 'Bearer');
  for (const { headers } of answers) assert.is(headers.get('cache-control'), 'no-store');
});

Console('is not for pages of strangers', async () => {
  const running = await startIdle();
  const own = { origin: running.server.url };
  assert.is((await ask(running, { headers: own })).status, 200);
  const foreign = await ask(running, { headers: { origin: 'https://elsewhere.example' } });
  assert.equal([foreign.status, foreign.json.code], [403, 'ORIGIN_REFUSED']);
});

Console(
  'needs no token on loopback where there are none, and then refuses other names of the host',
  async () => {
    const running = await startIdle({ tokens: [] });
    const { status, json } = await ask(running, { bearer: '' });
    assert.equal([status, json.mayChange], [200, true]);
    // fetch lets nobody choose the Host.
    const code = await new Promise((resolve, reject) => {
      const options = { headers: { host: 'rebound.example' } };
      request(`${running.server.url}/v1/console`, options, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    assert.is(code, 401);
  },
);

Console('gives only what is new of the history, and refuses what is no number', async () => {
  const running = await startIdle();
  await eventually(running, ({ history }) => history.rows.length > 0);
  const { json } = await ask(running);
  const next = json.history.firstSecond + json.history.rows.length;
  assert.ok((await ask(running, { path: `/v1/console?since=${next}` })).json.history.firstSecond >= next);
  for (const since of ['-1', '1.5', 'x', '1&since=2', '9'.repeat(13)]) {
    const { status, json: refused } = await ask(running, { path: `/v1/console?since=${since}` });
    assert.equal([status, refused.code], [400, 'REQUEST_INVALID'], since);
  }
});

Console('stops the server for administrators alone, where whoever runs it agreed', async () => {
  let asked = 0;
  const running = await startIdle({ onDrainAsked: () => asked++ });
  const drain = { path: '/v1/drain', method: 'POST' };
  const foreign = { origin: 'https://elsewhere.example' };
  assert.is((await ask(running, { ...drain, bearer: '' })).status, 401);
  assert.is((await ask(running, drain)).status, 403);
  assert.is((await ask(running, { ...drain, bearer: adminToken, headers: foreign })).status, 403);
  assert.is(asked, 0);
  assert.is((await ask(running, { ...drain, bearer: adminToken })).status, 202);
  assert.is(asked, 1);
  const other = await startIdle();
  assert.is((await ask(other, { ...drain, bearer: adminToken })).status, 501);
});

Console('is nowhere when it is switched off', async () => {
  const running = await startIdleServer({}, { tokens });
  for (const path of ['/console', '/console/', '/v1/console']) {
    assert.is((await ask(running, { path })).status, 404, path);
  }
});

Console.run();

const Page = suite('the page at /console/');

Page.after(cleanUp);

Page('is served to anybody, with strict headers', async () => {
  const running = await startIdle();
  const page = await fetch(`${running.server.url}/console`);
  assert.is(page.url, `${running.server.url}/console/`);
  assert.is(await page.text(), 'content of index.html');
  assert.is(page.headers.get('content-type'), 'text/html; charset=utf-8');
  const policy = page.headers.get('content-security-policy') ?? '';
  for (const part of [
    "default-src 'none'",
    "script-src 'self'",
    "frame-ancestors 'none'",
    "form-action 'none'",
  ]) {
    assert.ok(policy.split('; ').includes(part), part);
  }
  assert.not.match(policy, 'unsafe');
  assert.equal(
    ['x-content-type-options', 'referrer-policy'].map((name) => page.headers.get(name)),
    ['nosniff', 'no-referrer'],
  );
  const script = await fetch(`${running.server.url}/console/console.js`);
  assert.is(script.headers.get('content-encoding'), 'gzip');
  const etag = script.headers.get('etag') ?? '';
  await script.arrayBuffer();
  const again = await fetch(script.url, { headers: { 'if-none-match': etag } });
  assert.equal([again.status, await again.text()], [304, '']);
  for (const path of ['package.json', '..%2fpackage.json', 'index.html%00', 'constructor']) {
    assert.is((await fetch(`${running.server.url}/console/${path}`)).status, 404, path);
  }
});

Page('says how it comes to be when it was not built', async () => {
  const missing = async () => new Map([['index.html', new Uint8Array(0)]]);
  const running = await startIdle({ consoleFiles: missing });
  const { status, json } = await ask(running, { path: '/console/' });
  assert.is(status, 503);
  assert.match(JSON.stringify(json), 'CONFIG_INVALID');
});

Page.run();

const Bounds = suite('what a snapshot is bounded to');

/** More than any device of ours can raise. */
const manyAlarms = Array.from(
  { length: 64 },
  (): StandingAlarm => ({
    ...{ bundle: served.id, watch: 'exit-share', seen: 0.25, expected: 0.97, thresholdScale: 1 },
  }),
);

/** Six hundred devices, of which the last ones do the most and the fourth has alarms. */
function crowd(clock: VirtualClock): DeviceState[] {
  return Array.from({ length: 600 }, (_, index) => {
    const tally = new DeviceTally(clock);
    for (let request = 0; request < index; request++) tally.onRequest();
    const bundles = Array.from({ length: 64 }, () => ({ id: served.id, digest: served.digest }));
    return {
      agent: `device ${index}`,
      client: 'x',
      address: '::1',
      bundles,
      inFlight: 0,
      credits: 64,
      alarms: index === 3 ? manyAlarms : [],
      tally,
    };
  });
}

Bounds('lists the 500 busiest of 600 devices, and 256 lanes, with counts of all', () => {
  const clock = new VirtualClock();
  const devices = crowd(clock);
  const recorder = new Recorder(clock);
  clock.advance(30_000);
  const lane = {
    served,
    cut: 0,
    way: 'cascade',
    waitingRequests: 1,
    oldestWaitMs: 1.5,
    underWay: 1,
  } as const;
  const lanes: LaneState[] = Array.from({ length: 300 }, (_, waitingRows) => ({
    ...lane,
    waitingRows,
    priorities: [],
  }));
  const snapshot = makeSnapshot(
    {
      ...{ recorder, version: 'test', limits: defaultCloudLimits },
      runner: { provider: 'cpu', parallel: 1 },
      draining: () => true,
      load: () => ({ queuedRows: 0, runningRows: 0 }),
      undecodedRows: () => 0,
      connections: () => 600,
      devices: () => devices,
      lanes: () => lanes,
      bundles: () => [{ served, state: 'leaving' }],
    },
    { epochMs: 0, sinceSecond: 0, mayChange: false },
  );
  assert.ok(fits.Check(snapshot), JSON.stringify([...fits.Errors(snapshot)].slice(0, 3)));
  assert.equal([snapshot.devices.count, snapshot.devices.busiest.length], [600, 500]);
  assert.is(snapshot.devices.busiest[1]?.agent, 'device 599');
  assert.equal(
    [snapshot.devices.busiest[0]?.bundleCount, snapshot.devices.busiest[0]?.bundles.length],
    [64, 8],
  );
  assert.equal([snapshot.lanes.count, snapshot.lanes.busiest.length], [300, 256]);
  assert.is(snapshot.lanes.busiest[0]?.waitingRows, 299);
  assert.is(snapshot.devices.alarmed, 1);
  const [alarmed] = snapshot.devices.busiest;
  assert.equal([alarmed?.agent, alarmed?.alarms.length], ['device 3', 16], 'before those that do more');
  assert.is(snapshot.state, 'draining');
  assert.ok(JSON.stringify(snapshot).length < 250_000);
});

Bounds.run();
