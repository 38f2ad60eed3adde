/** A page's way to dial, on ws's sockets, which have the browser's interface, and a real server. */
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket, WebSocketServer } from 'ws';
import { Connection } from '../../edge/agent/index.ts';
import { type BrowserSocket, webDial } from '../../edge/web/web-dial.ts';
import type { OfframpError } from '../../shared/errors.ts';
import { encodeWelcome, subprotocol } from '../../shared/protocol/index.ts';
import { rejectsCode, until, within } from '../protocol/expect.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { hello, offload, welcome } from './link-source.ts';

const servers = new Set<WebSocketServer>();
const maxMessageBytes = 1000;
const heartbeatMs = 5000;

function open(url: string, protocol: string): BrowserSocket {
  const socket = new WebSocket(url, protocol);
  // Where nobody listens, ws throws what a browser only tells.
  socket.on('error', () => {});
  // ws types its events otherwise; those that are used here are the same.
  return socket as unknown as BrowserSocket;
}

interface End {
  readonly code: number;
  readonly reason: string;
}

function dial(url: string, how = open) {
  const clock = new VirtualClock();
  const messages: Uint8Array[] = [];
  const ends: End[] = [];
  let opened = false;
  const transport = webDial({ url, clock, heartbeatMs, maxMessageBytes, open: how })({
    onOpen: () => {
      opened = true;
    },
    onMessage: (message) => messages.push(message),
    onClose: (code, reason) => ends.push({ code, reason }),
  });
  return { transport, clock, messages, ends, opened: () => opened };
}

async function cloud(): Promise<{ readonly url: string; readonly accepted: Promise<WebSocket> }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  servers.add(server);
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`listening on ${address}`);
  return { url: `ws://127.0.0.1:${address.port}`, accepted };
}

const Dial = suite("dialling with a browser's WebSocket");

Dial.after.each(() => {
  for (const server of servers) {
    for (const client of server.clients) client.terminate();
    server.close();
  }
  servers.clear();
});

Dial('opens with our subprotocol, and carries messages both ways', async () => {
  const { url, accepted } = await cloud();
  const dialled = dial(url);
  const peer = await within(2000, accepted);
  await until(dialled.opened);
  assert.is(peer.protocol, subprotocol);
  const heard = once(peer, 'message');
  dialled.transport.send(Uint8Array.of(1, 2, 3));
  const [sent, isBinary] = await within(2000, heard);
  assert.equal([[...sent], isBinary], [[1, 2, 3], true]);
  peer.send(new Uint8Array(maxMessageBytes).fill(7));
  await until(() => dialled.messages.length === 1);
  assert.equal(dialled.messages, [new Uint8Array(maxMessageBytes).fill(7)]);
  dialled.transport.close(1000, 'done');
  const [code] = await within(2000, once(peer, 'close'));
  assert.is(code, 1000);
  await until(() => dialled.ends.length === 1);
});

Dial('closes with a code that a page may say where ours is not', async () => {
  const { url, accepted } = await cloud();
  const dialled = dial(url);
  const peer = await within(2000, accepted);
  await until(dialled.opened);
  dialled.transport.close(1002, 'FRAME_INVALID');
  const [code, reason] = await within(2000, once(peer, 'close'));
  assert.equal([code, reason.toString()], [4400, 'FRAME_INVALID']);
});

for (const [what, message] of [
  ['text', 'hello'],
  ['a message beyond the limit', new Uint8Array(maxMessageBytes + 1)],
] as const) {
  Dial(`${what} is not handed on and ends the connection`, async () => {
    const { url, accepted } = await cloud();
    const dialled = dial(url);
    const peer = await within(2000, accepted);
    peer.send(message);
    await until(() => dialled.ends.length === 1);
    assert.equal([dialled.messages, dialled.ends[0]?.code], [[], 4400]);
  });
}

Dial('what cannot be dialled ends once, after the dialling', async () => {
  const refused = dial('ws://127.0.0.1:1');
  await until(() => refused.ends.length === 1);
  assert.match(refused.ends[0]?.reason ?? '', 'origin');
  const forbidden = dial('ws://127.0.0.1:1', () => {
    throw new Error('an insecure connection in a secure page');
  });
  assert.equal(forbidden.ends, []);
  forbidden.transport.send(Uint8Array.of(1));
  forbidden.clock.advance(0);
  assert.equal(forbidden.ends, [{ code: 1006, reason: 'an insecure connection in a secure page' }]);
  forbidden.transport.close(1000, '');
  assert.is(forbidden.ends.length, 1);
});

Dial('a server in doubt is given two heartbeats for a sign of life', async () => {
  const { url, accepted } = await cloud();
  const dialled = dial(url);
  const peer = await within(2000, accepted);
  await until(dialled.opened);
  dialled.transport.setHeartbeat?.(3000);
  dialled.clock.advance(60_000);
  assert.equal(dialled.ends, [], 'nobody doubts a server that has nothing to say');
  dialled.transport.doubt?.();
  dialled.clock.advance(5999);
  peer.send(Uint8Array.of(1));
  await until(() => dialled.messages.length === 1);
  dialled.clock.advance(60_000);
  assert.equal(dialled.ends, []);
  dialled.transport.doubt?.();
  dialled.clock.advance(5000);
  dialled.transport.doubt?.();
  dialled.clock.advance(1000);
  assert.equal(dialled.ends, [{ code: 1006, reason: 'the server has gone silent' }]);
  peer.terminate();
  await until(() => peer.readyState === peer.CLOSED);
  assert.is(dialled.ends.length, 1);
});

Dial('a connection doubts a server that leaves a request unanswered', async () => {
  const { url, accepted } = await cloud();
  const clock = new VirtualClock();
  const ends: OfframpError[] = [];
  const limits = { welcomeTimeoutMs: 60_000, maxWaiting: 2 };
  let isReady = false;
  const make = webDial({ url, clock, heartbeatMs, maxMessageBytes, open });
  const connection = new Connection(make, hello, clock, limits, {
    onReady: () => {
      isReady = true;
    },
    onGoaway: () => {},
    onEnd: (error) => ends.push(error),
    onLate: () => {},
  });
  const peer = await within(2000, accepted);
  await within(2000, once(peer, 'message'));
  peer.send(encodeWelcome({ ...welcome, heartbeatMs: 2000 }));
  await until(() => isReady);
  const answer = connection.infer(offload({ budgetMs: 100 }));
  clock.advance(100);
  await rejectsCode(answer, 'BUDGET_SPENT');
  clock.advance(3999);
  assert.equal(ends, []);
  clock.advance(1);
  assert.equal(
    ends.map(({ code }) => code),
    ['CONNECTION_LOST'],
  );
});

Dial.run();
