/** The emulated link of the page, between ws's sockets, which have the browser's interface, and a real server. */
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket, WebSocketServer } from 'ws';
import { EmulatedLink } from '../../edge/page/link.ts';
import type { BrowserSocket } from '../../edge/web/web-dial.ts';
import { systemClock } from '../../shared/clock.ts';
import { until } from '../protocol/expect.ts';

const servers = new Set<WebSocketServer>();

async function echo(): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  servers.add(server);
  server.on('connection', (socket) => socket.on('message', (message) => socket.send(message)));
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`listening on ${address}`);
  return `ws://127.0.0.1:${address.port}`;
}

function open(url: string): BrowserSocket {
  const socket = new WebSocket(url);
  socket.on('error', () => {});
  // ws types its events otherwise; those that are used here are the same.
  return socket as unknown as BrowserSocket;
}

async function connect(link: EmulatedLink) {
  const socket = link.over(open)(await echo(), '');
  socket.binaryType = 'arraybuffer';
  const heard: number[] = [];
  let ends = 0;
  socket.addEventListener('message', ({ data }) => heard.push(new Uint8Array(data)[0] ?? -1));
  socket.addEventListener('close', () => {
    ends++;
  });
  return { socket, heard, ends: () => ends };
}

const Link = suite("the page's emulated link");

Link.after.each(() => {
  for (const server of servers) {
    for (const client of server.clients) client.terminate();
    server.close();
  }
  servers.clear();
});

Link('adds its delay to a round trip, and keeps the order', async () => {
  const link = new EmulatedLink(systemClock);
  const { socket, heard } = await connect(link);
  await until(() => socket.readyState === 1);
  link.settings = { delayMs: 120, isCut: false };
  const beganMs = performance.now();
  for (const number of [1, 2, 3]) socket.send(Uint8Array.of(number));
  assert.is(socket.bufferedAmount >= 3, true);
  await until(() => heard.length === 3);
  const tookMs = performance.now() - beganMs;
  assert.equal(heard, [1, 2, 3]);
  assert.ok(tookMs >= 115, `${tookMs} ms`);
  socket.close(1000, '');
});

Link('lets nothing pass while it is cut, and loses nothing of it', async () => {
  const link = new EmulatedLink(systemClock);
  const { socket, heard, ends } = await connect(link);
  await until(() => socket.readyState === 1);
  link.settings = { delayMs: 0, isCut: true };
  for (const number of [1, 2]) socket.send(Uint8Array.of(number));
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal([heard, ends()], [[], 0]);
  link.settings = { delayMs: 0, isCut: false };
  await until(() => heard.length === 2);
  assert.equal(heard, [1, 2]);
  socket.close(1000, '');
  assert.is(ends(), 1);
  assert.is(socket.readyState, 3);
});

Link('tells of an opening and of an end only when they can pass', async () => {
  const link = new EmulatedLink(systemClock);
  link.settings = { delayMs: 0, isCut: true };
  const { socket, ends } = await connect(link);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.is(socket.readyState, 0);
  link.settings = { delayMs: 0, isCut: false };
  await until(() => socket.readyState === 1);
  link.settings = { delayMs: 0, isCut: true };
  for (const server of servers) for (const client of server.clients) client.close(1001, 'gone');
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.is(ends(), 0);
  link.settings = { delayMs: 0, isCut: false };
  await until(() => ends() === 1);
});

Link.run();
