import { once } from 'node:events';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { CloudServer, defaultCloudLimits } from '../../cloud/index.ts';
import type { TokenEntry } from '../../shared/host/index.ts';
import {
  encodeHello,
  parseError,
  parseResult,
  parseWelcome,
  subprotocol,
} from '../../shared/protocol/index.ts';
import { rejectsCode, within } from '../protocol/expect.ts';
import { HeldRunner } from './engine-source.ts';
import { cleanUp, connect, endClients, greet, inferFrame, served, startServer } from './server-source.ts';

const running = await startServer({ maxConnections: 3, heartbeatMs: 100, helloTimeoutMs: 2000 });
const { server, wsUrl, metric } = running;

/** HTTP status and body of an upgrade that is refused. */
async function refusedUpgrade(protocols: string[]): Promise<{ status: number; body: string }> {
  const socket = new WebSocket(wsUrl, protocols);
  socket.on('error', () => {});
  try {
    const [response] = (await within(2000, once(socket, 'unexpected-response'))).slice(1);
    let body = '';
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode, body };
  } finally {
    socket.terminate();
  }
}

const refusals = (code: string) => metric(`offramp_cloud_refusals_total{code="${code}"}`);

const Http = suite('health and metrics');
Http.after.each(endClients);

Http('/livez says that it lives', async () => {
  const response = await fetch(`${server.url}/livez`);
  assert.is(response.status, 200);
  assert.equal(await response.json(), { live: true });
});

Http('/readyz names the provider and the bundles with their digests', async () => {
  const response = await fetch(`${server.url}/readyz`);
  assert.is(response.status, 200);
  const { id, digest } = served;
  assert.equal(await response.json(), { ready: true, provider: 'cpu', bundles: [{ id, digest }] });
});

Http('/readyz is 503 once no inference thread is left, while /livez still answers', async () => {
  const runner = new HeldRunner();
  const other = await startServer({}, { runner });
  assert.is((await fetch(`${other.server.url}/readyz`)).status, 200);
  runner.parallel = 0;
  const response = await fetch(`${other.server.url}/readyz`);
  assert.is(response.status, 503);
  assert.is((await response.json()).ready, false);
  assert.is((await fetch(`${other.server.url}/livez`)).status, 200);
  await other.stop();
});

Http('anything else is NOT_FOUND in words', async () => {
  for (const method of ['GET', 'POST', 'DELETE']) {
    const response = await fetch(`${server.url}/admin`, { method });
    assert.is(response.status, 404);
    const { error } = await response.json();
    assert.is(error.code, 'NOT_FOUND');
    assert.ok(error.message.includes(`${method} /admin`));
  }
});

Http('/metrics counts rows by exit, batches, bytes and connections', async () => {
  const before = await metric('offramp_cloud_received_bytes_total');
  const client = await greet(wsUrl);
  const message = inferFrame(1, 3);
  client.socket.send(message);
  const result = parseResult(await client.frame(1), served.classes);
  assert.is(result.exits.length, 3);
  const rows = await Promise.all(
    [0, 1].map((exit) => metric(`offramp_cloud_rows_total{bundle="${served.id}",exit="${exit}"}`)),
  );
  assert.is((rows[0] ?? 0) + (rows[1] ?? 0), 3);
  assert.is(await metric(`offramp_cloud_batch_rows_sum{bundle="${served.id}",cut="0"}`), 3);
  assert.is(await metric('offramp_cloud_queue_seconds_count'), 1);
  const answered = `offramp_cloud_request_seconds_count{bundle="${served.id}",by="device"}`;
  assert.is(await metric(answered), 1);
  assert.is(await metric('offramp_cloud_connections'), 1);
  assert.is(await metric('offramp_cloud_queued_rows'), 0);
  assert.is(await metric('offramp_cloud_running_rows'), 0);
  assert.is(await metric('offramp_cloud_provider_info{provider="cpu"}'), 1);
  assert.ok((await metric('offramp_cloud_received_bytes_total')) - before > message.length);
  client.socket.close();
  await within(2000, client.closed);
});

Http.run();

const Connections = suite('connections');
Connections.after.each(endClients);

Connections('without the subprotocol are refused with 426 and say which is expected', async () => {
  for (const protocols of [[], ['offramp.v2'], ['mqtt', 'chat']]) {
    const { status, body } = await refusedUpgrade(protocols);
    assert.is(status, 426);
    const { error } = JSON.parse(body);
    assert.is(error.code, 'PROTOCOL_UNSUPPORTED');
    assert.ok(error.message.includes(subprotocol), error.message);
  }
  assert.is(await refusals('PROTOCOL_UNSUPPORTED'), 3);
});

Connections('with ours among others get ours', async () => {
  const socket = new WebSocket(wsUrl, ['other', subprotocol]);
  await within(2000, once(socket, 'open'));
  const { protocol } = socket;
  socket.close();
  await within(2000, once(socket, 'close'));
  assert.is(protocol, subprotocol);
});

Connections('beyond the limit are refused with 503, until one leaves', async () => {
  const clients = await Promise.all([greet(wsUrl), greet(wsUrl), greet(wsUrl)]);
  const { status, body } = await refusedUpgrade([subprotocol]);
  assert.is(status, 503);
  assert.is(JSON.parse(body).error.code, 'TOO_MANY_CONNECTIONS');
  assert.is(await refusals('TOO_MANY_CONNECTIONS'), 1);
  clients[0]?.socket.close();
  await within(2000, clients[0]?.closed ?? Promise.reject(new Error('no client')));
  const late = await greet(wsUrl);
  for (const client of [...clients, late]) client.socket.close();
  await within(2000, Promise.all([...clients, late].map(({ closed }) => closed)));
});

Connections('that are silent before their hello end with HELLO_TIMEOUT', async () => {
  const client = await connect(wsUrl);
  assert.is(await within(5000, client.closed), 4408);
  const error = client.frames[0];
  assert.ok(error !== undefined && parseError(error).code === 'HELLO_TIMEOUT');
});

Connections('that send text are closed with 1003', async () => {
  const client = await greet(wsUrl);
  client.socket.send('{"hello": true}');
  assert.is(await within(2000, client.closed), 1003);
});

Connections('that send a message beyond the announced limit are closed with 1009, and counted', async () => {
  const client = await greet(wsUrl);
  const { maxFrameBytes } = parseWelcome((await client.frame(0)).header);
  client.socket.send(new Uint8Array(maxFrameBytes + 1));
  assert.is(await within(2000, client.closed), 1009);
  assert.is(await refusals('FRAME_TOO_LARGE'), 1);
});

Connections('may send a message of exactly the limit: it is read, and refused for what it is', async () => {
  const client = await greet(wsUrl);
  const { maxFrameBytes } = parseWelcome((await client.frame(0)).header);
  client.socket.send(new Uint8Array(maxFrameBytes));
  assert.is(await within(2000, client.closed), 4400);
});

Connections('with a wrong token are told so and closed with 4401', async () => {
  const client = await connect(wsUrl);
  const bundles = [{ id: served.id, digest: served.digest }];
  client.socket.send(encodeHello({ agent: 'x', token: 'not-a-token-it-knows', bundles }));
  assert.is(await within(2000, client.closed), 4401);
  assert.is(await refusals('UNAUTHORIZED'), 1);
});

Connections('that answer pings stay; the one that does not is dropped', async () => {
  const awake = await greet(wsUrl);
  const asleep = await greet(wsUrl);
  // ws answers pings by itself; a peer that hangs does not.
  asleep.socket.pong = () => {};
  assert.is(await within(3000, asleep.closed), 1006);
  assert.is(awake.socket.readyState, WebSocket.OPEN);
  awake.socket.close();
  await within(2000, awake.closed);
});

Connections('that end with work under way leave nothing behind', async () => {
  const client = await greet(wsUrl);
  for (let id = 1; id <= 20; id++) client.socket.send(inferFrame(id, 8));
  client.socket.terminate();
  await within(2000, client.closed);
  const other = await greet(wsUrl);
  other.socket.send(inferFrame(1));
  parseResult(await other.frame(1), served.classes);
  other.socket.close();
  await within(2000, other.closed);
  assert.is(await metric('offramp_cloud_queued_rows'), 0);
});

Connections.run();

const Start = suite('start');
Start.after.each(endClients);
Start.after(async () => {
  await unwanted?.drain();
  await cleanUp();
});
/** A server that started although it should not have. */
let unwanted: CloudServer | undefined;

Start('on a port that is taken is PORT_IN_USE', async () => {
  const port = Number(new URL(server.url).port);
  await rejectsCode(startOn({ port }), 'PORT_IN_USE', String(port));
});

Start('without a token, where others could reach it, is CONFIG_INVALID', async () => {
  await rejectsCode(startOn({ host: '0.0.0.0', tokens: [] }), 'CONFIG_INVALID', '--token-file');
});

Start('the server goes away at the end', async () => {
  await within(5000, running.stop());
  const reached = await fetch(`${server.url}/livez`).then(
    () => true,
    () => false,
  );
  assert.not(reached, 'it still listens');
});

async function startOn(change: {
  port?: number;
  host?: string;
  tokens?: TokenEntry[];
}): Promise<CloudServer> {
  unwanted = await CloudServer.start({
    host: '127.0.0.1',
    port: 0,
    tokens: [],
    bundles: [served],
    runner: running.pool,
    limits: defaultCloudLimits,
    version: 'test',
    logger: pino({ level: 'silent' }),
    ...change,
  });
  return unwanted;
}

Start.run();
