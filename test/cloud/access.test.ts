/** Who gets in to a real server, how much of it each may take, and that every refusal is counted. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import type { CloudLimits, CloudOptions } from '../../cloud/index.ts';
import { parseTokens } from '../../shared/host/index.ts';
import {
  encodeHello,
  parseError,
  parseResult,
  parseWelcome,
  subprotocol,
} from '../../shared/protocol/index.ts';
import { rejectsCode, until, within } from '../protocol/expect.ts';
import { skip } from '../support/data.ts';
import {
  type Client,
  cleanUp,
  connect,
  endClients,
  type IdleServer,
  inferFrame,
  served,
  startIdleServer,
  startServer,
} from './server-source.ts';

const bundles = [{ id: served.id, digest: served.digest }];
const first = 'first-token-of-16';
const second = 'second-token-of-some-length';
const tokensOf = (...lines: string[]) => parseTokens(lines.join('\n'), 'the test');
const sockets = new Set<Socket>();

function serverWith(
  limits: Partial<CloudLimits> = {},
  options: Partial<CloudOptions> = {},
): Promise<IdleServer> {
  return startIdleServer(limits, { tokens: tokensOf(first, `site-a ${second}`), ...options });
}

const refusals = ({ metric }: IdleServer, code: string) =>
  metric(`offramp_cloud_refusals_total{code="${code}"}`);

/** HTTP status and body of an upgrade that is refused; status 101 for one that is not. */
async function upgrade(
  { wsUrl }: IdleServer,
  headers: Record<string, string> = {},
  localAddress = '127.0.0.1',
): Promise<{ status: number; code: string }> {
  const socket = new WebSocket(wsUrl, subprotocol, { headers, localAddress });
  socket.on('error', () => {});
  const refused = once(socket, 'unexpected-response').then(async ([, response]) => {
    let body = '';
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode, code: JSON.parse(body).error.code };
  });
  const opened = once(socket, 'open').then(() => ({ status: 101, code: '' }));
  const gone = once(socket, 'close').then(() => ({ status: 0, code: '' }));
  try {
    return await within(3000, Promise.race([refused, opened, gone]));
  } finally {
    socket.terminate();
  }
}

/** A TCP connection that writes `text`, and what comes back until the server ends it. */
async function raw(
  port: number,
  text: string,
  localAddress = '127.0.0.1',
): Promise<{ socket: Socket; ended: Promise<string> }> {
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress });
  sockets.add(socket);
  socket.on('error', () => {});
  let got = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    got += part;
  });
  // Not by `once`, which an error of the socket would end.
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(got)));
  await once(socket, 'connect');
  socket.write(text);
  return { socket, ended };
}

const portOf = ({ server }: IdleServer) => Number(new URL(server.url).port);

async function hello(client: Client, token: string): Promise<Client> {
  client.socket.send(encodeHello({ agent: 'test', token, bundles }));
  await client.frame(0);
  return client;
}

const greet = async ({ wsUrl }: IdleServer, token = first) => hello(await connect(wsUrl), token);

/** The code in the error frame that a connection was ended with, and its close code. */
async function endOf(client: Client): Promise<[string, number]> {
  const closed = await within(5000, client.closed);
  const last = client.frames.at(-1);
  return [last?.type === 'error' ? parseError(last).code : '', closed];
}

function tidy(): void {
  endClients();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
}

const Origins = suite('web pages');
Origins.after.each(async () => {
  tidy();
  await cleanUp();
});

Origins(
  'may open a WebSocket only when they are listed or the server own, and are told before the upgrade',
  async () => {
    const running = await serverWith({}, { allowedOrigins: ['https://app.example'] });
    const own = running.server.url;
    for (const origin of ['https://app.example', own]) {
      assert.is((await upgrade(running, { origin })).status, 101, origin);
    }
    for (const origin of ['https://pages.example', 'null', 'http://localhost:3000']) {
      assert.equal(await upgrade(running, { origin }), { status: 403, code: 'ORIGIN_REFUSED' });
    }
    assert.is((await upgrade(running)).status, 101, 'programs send no origin');
    assert.is(await refusals(running, 'ORIGIN_REFUSED'), 3);
  },
);

Origins('on a server without tokens: those of this machine pass, and no other host name', async () => {
  const running = await serverWith({}, { tokens: [], allowedOrigins: ['https://app.example'] });
  for (const origin of ['http://localhost:3000', 'https://app.example']) {
    assert.is((await upgrade(running, { origin })).status, 101, origin);
  }
  assert.equal(await upgrade(running, { origin: 'https://pages.example' }), {
    status: 403,
    code: 'ORIGIN_REFUSED',
  });
  const rebound = { host: 'rebound.example', origin: 'http://rebound.example' };
  assert.equal(await upgrade(running, rebound), { status: 401, code: 'UNAUTHORIZED' });
});

Origins('what is no origin stops the start', async () => {
  await rejectsCode(serverWith({}, { allowedOrigins: ['*'] }), 'CONFIG_INVALID', "'*'");
  await rejectsCode(serverWith({}, { trustedProxies: ['proxy'] }), 'CONFIG_INVALID', "'proxy'");
});

Origins.run();

const Addresses = suite('addresses');
Addresses.after.each(async () => {
  tidy();
  await cleanUp();
});

/** Only Linux has more than one loopback address without being told. */
function addresses(name: string, work: () => Promise<void>): void {
  Addresses(name, async () => (process.platform === 'linux' ? work() : skip('one loopback address only')));
}

addresses('have so many connections of any kind, then are refused until one ends', async () => {
  const running = await serverWith({ maxConnectionsPerAddress: 2 });
  const port = portOf(running);
  const [one] = [await raw(port, '', '127.0.0.2'), await raw(port, 'GET /livez HT', '127.0.0.2')];
  const { ended } = await raw(port, '', '127.0.0.2');
  assert.match(
    await within(2000, ended),
    /^HTTP\/1\.1 503 TOO_MANY_CONNECTIONS\r\n[\s\S]*"code":"TOO_MANY_CONNECTIONS"/,
  );
  assert.is((await upgrade(running, {}, '127.0.0.3')).status, 101, 'another address');
  one?.socket.destroy();
  await within(2000, one?.ended ?? Promise.reject(new Error('no connection')));
  let status = 0;
  for (let time = 0; time < 100 && status !== 101; time++)
    status = (await upgrade(running, {}, '127.0.0.2')).status;
  assert.is(status, 101);
  assert.ok((await refusals(running, 'TOO_MANY_CONNECTIONS')) >= 1);
});

addresses('that connect too fast are refused, others are not', async () => {
  const running = await serverWith({ newConnectionsPerSecond: 1 });
  const port = portOf(running);
  for (let time = 0; time < 2; time++) (await raw(port, '', '127.0.0.2')).socket.destroy();
  const { ended } = await raw(port, '', '127.0.0.2');
  assert.match(await within(2000, ended), /^HTTP\/1\.1 429 RATE_LIMITED\r\n[\s\S]*Retry-After: 1\r\n/);
  assert.is(await refusals(running, 'RATE_LIMITED'), 1);
});

addresses('behind a trusted proxy are those it names; what anybody else names is not believed', async () => {
  const limits = { maxConnectionsPerAddress: 1 };
  const running = await serverWith(limits, { trustedProxies: ['127.0.0.0/30'] });
  const through = (address: string, proxy = '127.0.0.2') => {
    const socket = new WebSocket(running.wsUrl, subprotocol, {
      headers: { 'x-forwarded-for': address },
      localAddress: proxy,
    });
    socket.on('error', () => {});
    return socket;
  };
  const held = through('198.51.100.1');
  await within(2000, once(held, 'open'));
  const forwarded = { 'x-forwarded-for': '203.0.113.9, 198.51.100.1' };
  assert.equal(await upgrade(running, forwarded, '127.0.0.2'), { status: 503, code: 'TOO_MANY_CONNECTIONS' });
  assert.is((await upgrade(running, { 'x-forwarded-for': '198.51.100.2' }, '127.0.0.2')).status, 101);
  const liar = through('198.51.100.3', '127.0.0.77');
  await within(2000, once(liar, 'open'));
  assert.is((await upgrade(running, { 'x-forwarded-for': '198.51.100.4' }, '127.0.0.77')).status, 503);
  held.terminate();
  liar.terminate();
});

Addresses.run();

const Slow = suite('peers that do not finish');
Slow.after.each(async () => {
  tidy();
  await cleanUp();
});

Slow('a connection that says nothing, or not all of its head, ends with 408', async () => {
  const running = await serverWith({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
  const port = portOf(running);
  const texts = [
    '',
    'GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ',
    'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upg',
  ];
  const ends = await Promise.all(texts.map((text) => raw(port, text)));
  for (const { ended } of ends)
    assert.match(await within(4000, ended), /^HTTP\/1\.1 408 REQUEST_TIMEOUT\r\n/);
  assert.is(await refusals(running, 'REQUEST_TIMEOUT'), 3);
});

Slow('a head that comes byte by byte is no longer waited for than one that stops', async () => {
  const running = await serverWith({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
  const { socket, ended } = await raw(portOf(running), 'GET /livez HTTP/1.1\r\nX-Slow: ');
  const timer = setInterval(() => socket.write('x'), 20);
  assert.match(await within(4000, ended), /^HTTP\/1\.1 408 /);
  clearInterval(timer);
});

Slow('what is no HTTP, and a head too long, are refused and counted', async () => {
  const running = await serverWith();
  const port = portOf(running);
  const long = `GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`;
  for (const text of ['\x16\x03\x01 no TLS here\r\n\r\n', long]) {
    const { ended } = await raw(port, text);
    assert.match(await within(2000, ended), /^(HTTP\/1\.1 400 REQUEST_INVALID\r\n|$)/);
  }
  assert.is(await refusals(running, 'REQUEST_INVALID'), 2);
});

Slow('a thousand requests in one packet end the connection after a few, a few are answered', async () => {
  const running = await serverWith();
  const request = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';
  const few = await raw(
    portOf(running),
    `${request.repeat(9)}${request.replace('x\r\n', 'x\r\nConnection: close\r\n')}`,
  );
  assert.is((await within(5000, few.ended)).split('HTTP/1.1 200 OK').length - 1, 10);
  const many = await raw(portOf(running), request.repeat(1000));
  await within(5000, many.ended);
  assert.is(await refusals(running, 'RATE_LIMITED'), 1);
});

Slow('requests that come too fast on one connection are refused one by one', async () => {
  const running = await serverWith({ requestsPerSecond: 3 });
  const request = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
  const { ended } = await raw(
    portOf(running),
    `${request.repeat(7)}${request.replace('x\r\n', 'x\r\nConnection: close\r\n')}`,
  );
  const got = await within(5000, ended);
  assert.is(got.split('HTTP/1.1 200 OK').length - 1, 3);
  assert.is(got.split('HTTP/1.1 429').length - 1, 5);
  assert.match(got, /Retry-After: 1\r\n/);
  assert.is(await refusals(running, 'RATE_LIMITED'), 5);
});

Slow('one that does not read its answers is given up, and counted', async () => {
  const running = await serverWith({ idleTimeoutMs: 300 });
  const request = `GET /${'x'.repeat(8000)} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const { socket } = await raw(portOf(running), '');
  socket.pause();
  const timer = setInterval(() => socket.write(request.repeat(4)), 5);
  try {
    for (let time = 0; time < 200 && (await refusals(running, 'SLOW_PEER')) === 0; time++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    clearInterval(timer);
  }
  assert.is(await refusals(running, 'SLOW_PEER'), 1);
});

Slow('an upgrade that WebSocket does not allow is refused and counted', async () => {
  const running = await serverWith();
  const head = `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n`;
  for (const rest of [
    'Sec-WebSocket-Version: 13\r\n\r\n',
    'Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  ]) {
    const { ended } = await raw(portOf(running), head + rest);
    assert.match(await within(2000, ended), /^HTTP\/1\.1 400 REQUEST_INVALID\r\n/);
  }
  assert.is(await refusals(running, 'REQUEST_INVALID'), 2);
});

/** Masked with zeros, so that the payload stays as it is. */
function clientFrame(payload: Uint8Array, declared = payload.length): Buffer {
  const head = Buffer.alloc(14);
  head.set([0x82, 0xff]);
  head.writeBigUInt64BE(BigInt(declared), 2);
  return Buffer.concat([head, payload]);
}

/** A connection beneath ws, after its hello unless told otherwise. */
async function bare(
  running: IdleServer,
  greeting: 'hello' | 'silent' = 'hello',
): Promise<{ socket: Socket; ended: Promise<string> }> {
  const head =
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
    `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`;
  const made = await raw(portOf(running), head);
  if (greeting === 'hello') {
    made.socket.write(clientFrame(encodeHello({ agent: 'bare', token: first, bundles })));
  }
  return made;
}

Slow('a message that is not finished in time ends its connection, pings or not', async () => {
  const running = await serverWith({ messageTimeoutMs: 400 });
  const { socket, ended } = await bare(running);
  socket.write(clientFrame(new Uint8Array(10), 1000));
  const timer = setInterval(() => socket.write(Uint8Array.of(0)), 50);
  const got = await within(5000, ended);
  clearInterval(timer);
  assert.match(got, 'REQUEST_TIMEOUT');
  assert.is(await refusals(running, 'REQUEST_TIMEOUT'), 1);
});

Slow('neither is a message in fragments that never end', async () => {
  const running = await serverWith({ messageTimeoutMs: 400 });
  const { socket, ended } = await bare(running);
  socket.write(Uint8Array.of(0x02, 0x81, 0, 0, 0, 0, 7));
  const timer = setInterval(() => socket.write(Uint8Array.of(0x00, 0x80, 0, 0, 0, 0)), 50);
  assert.match(await within(5000, ended), 'REQUEST_TIMEOUT');
  clearInterval(timer);
});

Slow('one that comes in time, in pieces with pauses, is a message like any other', async () => {
  const running = await serverWith({ messageTimeoutMs: 20_000, heartbeatMs: 400 });
  const { socket, ended } = await bare(running, 'silent');
  const frame = clientFrame(encodeHello({ agent: 'bare', token: first, bundles }));
  const read: string[] = [];
  socket.on('data', (part: string) => read.push(part));
  // Longer than two heartbeats, none of which a bare socket answers.
  for (let at = 0; at < frame.length; at += 5) {
    socket.write(frame.subarray(at, at + 5));
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  await until(() => read.join('').includes('maxFrameBytes') || socket.destroyed);
  assert.not(socket.destroyed);
  socket.destroy();
  await ended;
});

Slow('more than a hello is refused before the hello, as soon as its length is known', async () => {
  const running = await serverWith();
  const { socket, ended } = await bare(running, 'silent');
  socket.write(clientFrame(new Uint8Array(0), 20_000));
  assert.match(await within(5000, ended), 'FRAME_TOO_LARGE');
  assert.is(await refusals(running, 'FRAME_TOO_LARGE'), 1);
});

Slow('lengths beyond every limit are refused once, whatever they claim', async () => {
  const running = await serverWith();
  for (const declared of [2 ** 30, 2 ** 52]) {
    const { socket, ended } = await bare(running, 'silent');
    socket.write(clientFrame(new Uint8Array(0), declared));
    await within(5000, ended);
  }
  assert.is(await refusals(running, 'FRAME_TOO_LARGE'), 2);
});

Slow('too many pieces end the connection', async () => {
  const running = await serverWith();
  const { socket, ended } = await bare(running);
  socket.write(Uint8Array.of(0x02, 0x81, 0, 0, 0, 0, 7));
  for (let count = 0; count < 300; count++) socket.write(Uint8Array.of(0x00, 0x81, 0, 0, 0, 0, 7));
  await within(5000, ended);
  assert.is(await refusals(running, 'FRAME_INVALID'), 1);
});

Slow.run();

const Tokens = suite('tokens of a server');
Tokens.after.each(async () => {
  tidy();
  await cleanUp();
});

Tokens('that expired are refused, and those that expire lose their connections', async () => {
  const running = await serverWith({}, { tokens: tokensOf(`old ${first} expires 2026-01-31`, second) });
  const old = await connect(running.wsUrl);
  old.socket.send(encodeHello({ agent: 'test', token: first, bundles }));
  assert.equal(await endOf(old), ['UNAUTHORIZED', 4401]);
});

Tokens('without the scope are FORBIDDEN', async () => {
  const running = await serverWith({}, { tokens: tokensOf(`ops ${first} scope admin`) });
  const client = await connect(running.wsUrl);
  client.socket.send(encodeHello({ agent: 'test', token: first, bundles }));
  assert.equal(await endOf(client), ['FORBIDDEN', 4403]);
  assert.is(await refusals(running, 'FORBIDDEN'), 1);
});

Tokens('that are taken away lose their connections at once, others keep theirs', async () => {
  const running = await startServer({}, { tokens: tokensOf(first, `site-a ${second}`) });
  const [gone, stays] = [await greet(running, first), await greet(running, second)];
  assert.is(await running.metric('offramp_cloud_client_connections{client="site-a"}'), 1);
  assert.is(running.server.replaceTokens(tokensOf(`site-b ${second}`)), 1);
  assert.equal(await endOf(gone), ['UNAUTHORIZED', 4401]);
  stays.socket.send(inferFrame(1));
  parseResult(await stays.frame(1), served.classes);
  const late = await connect(running.wsUrl);
  late.socket.send(encodeHello({ agent: 'test', token: first, bundles }));
  assert.equal(await endOf(late), ['UNAUTHORIZED', 4401]);
});

Tokens('are welcomed with no more credits than they may use', async () => {
  const running = await serverWith({}, { tokens: tokensOf(`site-a ${first} in-flight 3`) });
  const client = await greet(running);
  const welcome = client.frames[0];
  assert.is(welcome && parseWelcome(welcome.header).credits, 3);
});

Tokens(
  'have so many connections, rows and requests; each refusal is counted and says when to come again',
  async () => {
    const running = await startServer(
      { requestsPerSecond: 3 },
      { tokens: tokensOf(`site-a ${first} connections 1 rows-per-second 1`, `site-b ${second}`) },
    );
    const limited = await greet(running, first);
    const more = await connect(running.wsUrl);
    more.socket.send(encodeHello({ agent: 'test', token: first, bundles }));
    assert.equal(await endOf(more), ['TOO_MANY_CONNECTIONS', 1013]);
    for (let id = 1; id <= 3; id++) limited.socket.send(inferFrame(id, 2));
    await limited.frame(3);
    const errors = limited.frames.filter(({ type }) => type === 'error').map((frame) => parseError(frame));
    assert.equal(
      errors.map(({ id, code }) => [id, code]),
      [
        [2, 'RATE_LIMITED'],
        [3, 'RATE_LIMITED'],
      ],
    );
    assert.ok((errors[0]?.retryAfterMs ?? 0) > 0);
    assert.is(await running.metric('offramp_cloud_client_rows_total{client="site-a"}'), 2);
    const fast = await greet(running, second);
    for (let id = 1; id <= 13; id++) fast.socket.send(inferFrame(id));
    await fast.frame(13);
    const kinds = fast.frames.slice(1).map(({ type }) => type);
    assert.ok(kinds.filter((type) => type === 'error').length >= 5, kinds.join());
    assert.ok(kinds.filter((type) => type === 'result').length >= 3, kinds.join());
    assert.ok((await refusals(running, 'RATE_LIMITED')) >= 7);
  },
);

Tokens.run();
