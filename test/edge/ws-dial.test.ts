import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type WebSocket, WebSocketServer } from 'ws';
import type { DialledTransport } from '../../edge/agent/index.ts';
import { type DialOptions, wsDial } from '../../edge/daemon/index.ts';
import type { OfframpError } from '../../shared/errors.ts';
import { subprotocol } from '../../shared/protocol/index.ts';
import { until, within } from '../protocol/expect.ts';

const servers = new Set<WebSocketServer>();
const listeners = new Set<Server>();
const sockets = new Set<Socket>();

interface End {
  readonly code: number;
  readonly reason: string;
}

/** What a dialled connection has come to. */
interface Dialled {
  readonly transport: DialledTransport;
  readonly messages: Uint8Array[];
  readonly ends: End[];
  readonly refusals: OfframpError[];
  /** Of pings. */
  readonly roundTripsMs: readonly number[];
  readonly opened: () => boolean;
  readonly ended: Promise<End>;
}

function dial(port: number, change: Partial<DialOptions> = {}): Dialled {
  const messages: Uint8Array[] = [];
  const roundTripsMs: number[] = [];
  const ends: End[] = [];
  const refusals: OfframpError[] = [];
  let opened = false;
  let settle: (end: End) => void = () => {};
  const ended = new Promise<End>((resolve) => {
    settle = resolve;
  });
  const transport = wsDial({
    url: `ws://127.0.0.1:${port}`,
    heartbeatMs: 60_000,
    connectTimeoutMs: 60_000,
    maxMessageBytes: 1000,
    ...change,
  })({
    onOpen: () => {
      opened = true;
    },
    onMessage: (message) => messages.push(new Uint8Array(message)),
    onRoundTrip: (_bytes, ms) => roundTripsMs.push(ms),
    onRefused: (error) => refusals.push(error),
    onClose: (code, reason) => {
      ends.push({ code, reason });
      settle({ code, reason });
    },
  });
  return { transport, messages, roundTripsMs, ends, refusals, opened: () => opened, ended };
}

function portOf(server: Pick<Server, 'address'> | WebSocketServer): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`listening on ${address}`);
  return address.port;
}

/** A WebSocket server on a free port, and its end of the next connection. */
async function cloud(autoPong: 'pongs' | 'silent' = 'pongs'): Promise<{
  readonly port: number;
  readonly accepted: Promise<WebSocket>;
}> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, autoPong: autoPong === 'pongs' });
  servers.add(server);
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  await once(server, 'listening');
  return { port: portOf(server), accepted };
}

/** A TCP server that takes connections and says nothing. */
async function mute(): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  listeners.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

const Dial = suite('dialling with ws');

Dial.after.each(() => {
  for (const server of servers) {
    for (const client of server.clients) client.terminate();
    server.close();
  }
  for (const socket of sockets) socket.destroy();
  for (const listener of listeners) listener.close();
  for (const all of [servers, sockets, listeners]) all.clear();
});

Dial('opens with our subprotocol, and carries messages both ways', async () => {
  const { port, accepted } = await cloud();
  const dialled = dial(port);
  const peer = await within(2000, accepted);
  await until(dialled.opened);
  assert.is(peer.protocol, subprotocol);
  const heard = once(peer, 'message');
  dialled.transport.send(Uint8Array.of(1, 2, 3));
  const [sent, isBinary] = await within(2000, heard);
  assert.equal([[...sent], isBinary], [[1, 2, 3], true]);
  peer.send(new Uint8Array(1000).fill(7));
  await until(() => dialled.messages.length === 1);
  assert.equal(dialled.messages, [new Uint8Array(1000).fill(7)]);
  dialled.transport.close(1000, 'done');
  const [code] = await within(2000, once(peer, 'close'));
  assert.is(code, 1000);
  await within(2000, dialled.ended);
  assert.is(dialled.ends.length, 1);
});

Dial('a message beyond the limit is not handed on and ends the connection', async () => {
  const { port, accepted } = await cloud();
  const dialled = dial(port);
  const peer = await within(2000, accepted);
  peer.send(new Uint8Array(1001));
  const { reason } = await within(2000, dialled.ended);
  assert.match(reason, 'Max payload size exceeded');
  assert.equal([dialled.messages.length, dialled.ends.length], [0, 1]);
});

/** An HTTP server that answers every request for a WebSocket with this. */
async function refusing(status: string, body: string): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n${body}`));
  });
  listeners.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

Dial('says in the words of the server why it refuses the connection', async () => {
  const body = JSON.stringify({ error: { code: 'UNAUTHORIZED', message: 'no token' } });
  const dialled = dial(await refusing('401 Unauthorized', body));
  await within(2000, dialled.ended);
  assert.equal(
    dialled.refusals.map(({ code, message }) => [code, message]),
    [['UNAUTHORIZED', 'no token']],
  );
  assert.is(dialled.ends.length, 1);
});

Dial('says what came where the words are none of ours, however many there are', async () => {
  const foreign = ['', '<html>', '{"error":{"code":"NO_SUCH_CODE"}}', '{"error":null}', '[', 'x'.repeat(1e6)];
  for (const body of foreign) {
    const dialled = dial(await refusing('502 Bad Gateway', body));
    await within(2000, dialled.ended);
    const [refusal] = dialled.refusals;
    assert.is(refusal?.code, 'CLOUD_UNREACHABLE', body.slice(0, 20));
    assert.match(refusal?.message ?? '', '502');
  }
});

Dial('a text message is not handed on and ends the connection with 1003', async () => {
  const { port, accepted } = await cloud();
  const dialled = dial(port);
  const peer = await within(2000, accepted);
  const closed = once(peer, 'close');
  peer.send('{"welcome": true}');
  const [code] = await within(2000, closed);
  assert.is(code, 1003);
  await within(2000, dialled.ended);
  assert.equal([dialled.messages.length, dialled.ends.length], [0, 1]);
});

Dial('a server that never finishes the WebSocket handshake is given up in time', async () => {
  const startedAtMs = performance.now();
  const dialled = dial(await mute(), { connectTimeoutMs: 200 });
  const { reason } = await within(3000, dialled.ended);
  const tookMs = performance.now() - startedAtMs;
  assert.match(reason, 'handshake has timed out');
  assert.ok(tookMs >= 190, `given up after ${tookMs} ms`);
  assert.not(dialled.opened());
});

Dial('where nobody listens the reason names the problem', async () => {
  const port = await mute();
  for (const listener of listeners) await new Promise((resolve) => listener.close(resolve));
  const dialled = dial(port);
  const { code, reason } = await within(3000, dialled.ended);
  assert.is(code, 1006);
  assert.match(reason, 'ECONNREFUSED');
  assert.is(dialled.ends.length, 1);
});

Dial('the reason that the server gives arrives', async () => {
  const { port, accepted } = await cloud();
  const dialled = dial(port);
  (await within(2000, accepted)).close(4401, 'UNAUTHORIZED');
  assert.equal(await within(2000, dialled.ended), { code: 4401, reason: 'UNAUTHORIZED' });
});

Dial('a server that answers pings stays, one that does not is dropped', async () => {
  const awake = await cloud();
  const asleep = await cloud('silent');
  const [stays, goes] = [awake, asleep].map(({ port }) => dial(port, { heartbeatMs: 100 }));
  if (stays === undefined || goes === undefined) throw new Error('nothing was dialled');
  assert.is((await within(3000, goes.ended)).code, 1006);
  assert.ok(stays.opened());
  assert.is(stays.ends.length, 0);
});

Dial('pings at the pace that it is set to, and drops the server by it', async () => {
  const { port, accepted } = await cloud();
  const dialled = dial(port);
  const peer = await within(2000, accepted);
  await until(dialled.opened);
  let pings = 0;
  peer.on('ping', () => pings++);
  dialled.transport.setHeartbeat?.(50);
  await until(() => pings >= 3 && dialled.roundTripsMs.length >= 2);
  assert.ok(
    dialled.roundTripsMs.every((ms) => ms > 0 && ms < 1000),
    `${dialled.roundTripsMs} ms`,
  );
  assert.is(dialled.ends.length, 0);
  peer.pong = () => {};
  assert.is((await within(3000, dialled.ended)).code, 1006);
});

Dial('a pong that comes after the next ping tells how long the first one took', async () => {
  const { port, accepted } = await cloud('silent');
  const dialled = dial(port);
  const peer = await within(2000, accepted);
  await until(dialled.opened);
  const pings: Buffer[] = [];
  peer.on('ping', (data) => pings.push(data));
  dialled.transport.setHeartbeat?.(100);
  await until(() => pings.length === 1);
  // A sign of life, so that the silence about the ping does not end the connection.
  peer.send(new Uint8Array(1));
  await until(() => pings.length === 2);
  peer.pong();
  await until(() => dialled.roundTripsMs.length === 1);
  assert.ok((dialled.roundTripsMs[0] ?? 0) >= 90, `${dialled.roundTripsMs} ms`);
});

Dial('a pace that is set after the end leaves no timer', async () => {
  const { port, accepted } = await cloud();
  const dialled = dial(port);
  (await within(2000, accepted)).close(1000, '');
  await within(2000, dialled.ended);
  const before = timers();
  dialled.transport.setHeartbeat?.(50);
  assert.is(timers(), before);
});

Dial.run();
