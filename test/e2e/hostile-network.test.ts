/**
 * Peers that mean harm before they say a word of the protocol: too slow, too many, too large, from the wrong place. They come from
 * addresses of their own, as they would; the honest device notices nothing.
 */
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { encodeHello, subprotocol } from '../../shared/protocol/index.ts';
import { skip } from '../support/data.ts';
import { assertCounted, counted, type Stage, setStage, withstand } from './honest-stream.ts';
import { inLanes } from './images.ts';
import { addressOf, open, type Peer, upgrade } from './network-peers.ts';
import { claimOf } from './raw-client.ts';
import { cleanUp, sleep, waitUntil } from './support.ts';

const expiredToken = 'the-token-of-years-ago';
/** What a peer gets to finish what it has begun. */
const peerTimeoutMs = 3000;
/** Above what an idle server and one under honest load differ by; what the attacks send is several times as much. */
const maxGrowthBytes = 160 * 1024 * 1024;

/** Waits until the server has ended all of them. */
async function allClosed(peers: readonly Peer[], what: string): Promise<void> {
  let open = peers.length;
  for (const { closed, socket } of peers) {
    void closed.then(() => {
      open--;
    });
    // Read to the end, else the end is not seen.
    socket.resume();
  }
  await waitUntil(() => open === 0, `the server to end ${what}`, { deadlineMs: 60_000, everyMs: 50 });
}

/** Heads of requests and of upgrades that come a byte at a time. */
async function slowHeads(stage: Stage): Promise<void> {
  const peers: Peer[] = [];
  const heads = ['GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ', upgrade.slice(0, -4), ''];
  await inLanes(16, 300, async (index) => {
    peers.push(await open(stage.cloud, addressOf(index), heads[index % heads.length] ?? ''));
  });
  const drip = setInterval(() => {
    for (const { socket } of peers) if (socket.writable) socket.write('x');
  }, 200);
  await allClosed(peers, 'slow heads');
  clearInterval(drip);
  assert.ok((await counted(stage, 'REQUEST_TIMEOUT')) >= 200, 'slow heads are counted');
}

/** Messages in fragments of one byte, fast in great number and slowly without end. */
async function tinyFragments(stage: Stage): Promise<void> {
  const begin = Uint8Array.of(0x02, 0x81, 0, 0, 0, 0, 1);
  const more = Uint8Array.of(0x00, 0x81, 0, 0, 0, 0, 1);
  // On a busy machine the time for the hello may be over first; whatever ends one is counted once.
  const codes = ['FRAME_INVALID', 'REQUEST_TIMEOUT', 'HELLO_TIMEOUT'];
  const counts = () => Promise.all(codes.map((code) => counted(stage, code)));
  const before = await counts();
  const peers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => open(stage.cloud, addressOf(index, 20), upgrade)),
  );
  await Promise.all(peers.map(({ socket }) => once(socket, 'data')));
  for (const { socket } of peers) socket.write(begin);
  for (const { socket } of peers.slice(0, 50)) socket.write(Buffer.concat(new Array(1000).fill(more)));
  const drip = setInterval(() => {
    for (const { socket } of peers.slice(50)) if (socket.writable) socket.write(more);
  }, 100);
  await allClosed(peers, 'tiny fragments');
  clearInterval(drip);
  const ended = (await counts()).map((now, index) => now - (before[index] ?? 0));
  assert.is(
    ended.reduce((sum, count) => sum + count),
    100,
    `each is counted once: ${ended}`,
  );
  assert.ok((ended[0] ?? 0) > 0 && (ended[0] ?? 0) <= 50, `too many fragments end a connection: ${ended}`);
}

/** Messages that announce from a little too much to all that can be written, and then send as much as they are let. */
async function hugeLengths(stage: Stage): Promise<void> {
  const lengths = [2 ** 17, 2 ** 20, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63];
  const before = await counted(stage, 'FRAME_TOO_LARGE');
  const filler = Buffer.alloc(64 * 1024);
  const peers = await Promise.all(
    Array.from({ length: 120 }, async (_, index) => {
      const peer = await open(stage.cloud, addressOf(index, 20), upgrade);
      const head = Buffer.alloc(14);
      head.set([0x82, 0xff]);
      head.writeBigUInt64BE(BigInt(lengths[index % lengths.length] ?? 0), 2);
      peer.socket.write(head);
      for (let count = 0; count < 8; count++) peer.socket.write(filler);
      return peer;
    }),
  );
  await allClosed(peers, 'huge lengths');
  assert.is((await counted(stage, 'FRAME_TOO_LARGE')) - before, 120);
}

/** Requests in a row whose answers are never read. */
async function unreadAnswers(stage: Stage): Promise<void> {
  const requests = 'GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(2000);
  const peers: Peer[] = [];
  for (let index = 0; index < 20; index++) {
    const peer = await open(stage.cloud, addressOf(index, 10), '');
    peer.socket.pause();
    peer.socket.write(requests);
    peers.push(peer);
  }
  await sleep(3000);
  for (const { socket } of peers) socket.destroy();
}

/** Pages of strangers, in the browsers of people who may reach the server. */
async function wrongOrigins(stage: Stage): Promise<void> {
  const origins = [
    'https://pages.example',
    'null',
    'http://127.0.0.1.pages.example',
    `http://127.0.0.1:${stage.cloud.port}1`,
  ];
  await inLanes(8, 100, async (index) => {
    const socket = new WebSocket(stage.cloud.wsUrl, subprotocol, {
      origin: origins[index % origins.length] ?? '',
      localAddress: addressOf(index, 20),
    });
    socket.on('error', () => {});
    const [, response] = await once(socket, 'unexpected-response');
    assert.is(response.statusCode, 403);
    socket.terminate();
  });
  assert.is(await counted(stage, 'ORIGIN_REFUSED'), 100);
}

/** Devices with a token that was good once. */
async function expiredTokens(stage: Stage): Promise<void> {
  const hello = encodeHello({ agent: 'old', token: expiredToken, bundles: [claimOf(stage.folder)] });
  await inLanes(8, 100, async (index) => {
    const socket = new WebSocket(stage.cloud.wsUrl, subprotocol, { localAddress: addressOf(index, 20) });
    socket.on('error', () => {});
    await once(socket, 'open');
    socket.send(hello);
    const [code] = await once(socket, 'close');
    assert.is(code, 4401);
  });
  assert.is(await counted(stage, 'UNAUTHORIZED'), 100);
}

/** More connections from one address than it may have, and faster. */
async function oneAddress(stage: Stage): Promise<void> {
  const peers: Peer[] = [];
  await inLanes(64, 1500, async () => {
    peers.push(await open(stage.cloud, '127.9.9.9', 'GET /livez HT'));
  });
  await allClosed(peers, 'the connections of one address');
  const limited = (await counted(stage, 'RATE_LIMITED')) + (await counted(stage, 'TOO_MANY_CONNECTIONS'));
  assert.ok(limited > 1000, `${limited} connections of one address were refused`);
}

/** WebSockets that never say hello. */
async function halfOpen(stage: Stage): Promise<void> {
  const before = await counted(stage, 'HELLO_TIMEOUT');
  const peers: Peer[] = [];
  await inLanes(64, 1000, async (index) => {
    peers.push(await open(stage.cloud, addressOf(index), upgrade));
  });
  await allClosed(peers, 'connections without a hello');
  assert.is((await counted(stage, 'HELLO_TIMEOUT')) - before, 1000);
}

const hostile = suite('hostile peers on the network');
hostile.after.each(cleanUp);

hostile(
  'cost an honest device nothing and the server no memory, and are counted by what they did',
  async () => {
    if (process.platform !== 'linux')
      return skip('only Linux has more than one loopback address to begin with');
    const stage = await setStage(
      ['--peer-timeout-ms', String(peerTimeoutMs), '--max-connections', '2000'],
      [`old ${expiredToken} expires 2020-12-31`],
    );
    const attacks = { wrongOrigins, expiredTokens, slowHeads, tinyFragments, hugeLengths, unreadAnswers };
    await withstand(stage, { ...attacks, halfOpen, oneAddress }, maxGrowthBytes);
    const { cloud, edge } = stage;
    await assertCounted(cloud, [
      'REQUEST_TIMEOUT',
      'FRAME_INVALID',
      'FRAME_TOO_LARGE',
      'ORIGIN_REFUSED',
      'UNAUTHORIZED',
      'RATE_LIMITED',
      'HELLO_TIMEOUT',
    ]);
    assert.is(await edge.stop(), 0);
    assert.is(await cloud.stop(), 0, cloud.stderr());
  },
);

hostile.run();
