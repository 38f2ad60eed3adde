/** Real sockets on loopback. What takes a time is held to wide bounds: a busy machine is late, but never early. */
import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../../scripts/calibrate/random.ts';
import { LinkEmulator, type LinkEmulatorOptions, parseLink } from '../../../scripts/links/index.ts';
import { OfframpError } from '../../../shared/errors.ts';

const host = '127.0.0.1';
/** Timers may come so much before their time. */
const earlyMs = 5;
const toClose: (() => void | Promise<void>)[] = [];

function readNothing(): never {
  throw new Error('there are no traces here');
}

/** A server with a handler for each connection, and an emulator before it. */
async function through(
  spec: string,
  onConnection: (socket: Socket) => void,
  change: Partial<LinkEmulatorOptions> = {},
): Promise<LinkEmulator> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  const port = await listening(server);
  toClose.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return emulate(spec, port, change);
}

async function emulate(
  spec: string,
  port: number,
  change: Partial<LinkEmulatorOptions> = {},
): Promise<LinkEmulator> {
  const emulator = await LinkEmulator.start({
    listen: { host, port: 0 },
    target: { host, port },
    link: parseLink(spec, readNothing),
    random: seededRandom(1),
    ...change,
  });
  toClose.unshift(() => emulator.close());
  return emulator;
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

function dial(
  { port }: { readonly port: number },
  options: { readonly allowHalfOpen?: boolean } = {},
): Socket {
  const socket = connect({ host, port, ...options });
  socket.on('error', () => {});
  toClose.unshift(() => {
    socket.destroy();
  });
  return socket;
}

/** All that comes until the other side ends. */
function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('close', () => reject(new Error(`closed after ${chunks.length} chunks, without an end`)));
  });
}

function event(socket: Socket, name: string): Promise<void> {
  return new Promise((resolve) => socket.once(name, () => resolve()));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function echo(socket: Socket): void {
  socket.pipe(socket);
}

/** Sends bytes in chunks of chance with chance pauses, and ends. */
async function sendInPieces(socket: Socket, bytes: Buffer, random: () => number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + Math.floor(random() ** 3 * 60_000);
    if (!socket.write(bytes.subarray(at, end))) await event(socket, 'drain');
    if (random() < 0.2) await pause(random() * 3);
    at = end;
  }
  socket.end();
}

async function closeAll(): Promise<void> {
  for (const close of toClose.splice(0)) await close();
}

const Bytes = suite('bytes through a link');
Bytes.after.each(closeAll);

for (const spec of ['rtt=0', 'rtt=6,up=80,down=50,jitter=4,loss=0.01', 'rtt=20,up=40,down=40,queue=1500']) {
  Bytes(`come unchanged and in order both ways: ${spec}`, async () => {
    const random = seededRandom(9);
    const up = randomBytes(300_000);
    const down = randomBytes(400_000);
    const arrived: Promise<Buffer>[] = [];
    const emulator = await through(spec, (socket) => {
      arrived.push(readAll(socket));
      void sendInPieces(socket, down, random);
    });
    const client = dial(emulator, { allowHalfOpen: true });
    const [got] = await Promise.all([readAll(client), sendInPieces(client, up, random)]);
    assert.ok(got.equals(down));
    assert.ok((await Promise.all(arrived))[0]?.equals(up));
  });
}

Bytes('take the time that the rate and the delay give them', async () => {
  const emulator = await through('rtt=40,up=8', (socket) => {
    void readAll(socket).then(() => socket.end());
  });
  const client = dial(emulator);
  const startMs = performance.now();
  client.end(Buffer.alloc(1_000_000));
  await readAll(client);
  const tookMs = performance.now() - startMs;
  // Two round trips, for the connection and for the bytes, and 691 headers.
  const expectedMs = 80 + (1_000_000 + 691 * 52) / 1000;
  assert.ok(
    tookMs > expectedMs - earlyMs && tookMs < expectedMs + 700,
    `${tookMs} ms, expected ${expectedMs}`,
  );
});

Bytes('wait for the round trip that sets a connection up', async () => {
  const emulator = await through('rtt=100', echo);
  const startMs = performance.now();
  const client = dial(emulator);
  client.write('x');
  await event(client, 'data');
  const firstMs = performance.now() - startMs;
  assert.ok(firstMs > 200 - earlyMs && firstMs < 500, `${firstMs} ms`);
  const againMs = performance.now();
  client.write('x');
  await event(client, 'data');
  const secondMs = performance.now() - againMs;
  assert.ok(secondMs > 100 - earlyMs && secondMs < 350, `${secondMs} ms`);
});

Bytes('of a server that speaks first wait for it too', async () => {
  const emulator = await through('rtt=100', (socket) => {
    socket.end('welcome');
  });
  const startMs = performance.now();
  assert.is(String(await readAll(dial(emulator))), 'welcome');
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs > 200 - 2 * earlyMs, `${tookMs} ms`);
});

Bytes('wait for the end of an outage and then all come, in order', async () => {
  const arrivals: { readonly linkMs: number; readonly text: string }[] = [];
  const emulator = await through('rtt=10,outage=0.4+0.6', (socket) => {
    socket.on('data', (chunk) => arrivals.push({ linkMs: emulator.now(), text: String(chunk) }));
    socket.on('end', () => socket.end());
  });
  const client = dial(emulator);
  client.setNoDelay(true);
  client.write('before ');
  while (emulator.now() < 450) await pause(5);
  for (let number = 0; number < 20; number++) {
    client.write(`${number} `);
    await pause(5);
  }
  client.end();
  await readAll(client);
  assert.is(arrivals[0]?.text, 'before ');
  const held = arrivals.slice(1);
  assert.is(held.map(({ text }) => text).join(''), `${[...Array(20).keys()].join(' ')} `);
  for (const { linkMs } of held) assert.ok(linkMs > 1000 - earlyMs && linkMs < 1500, `${linkMs} ms`);
});

Bytes('share the rate between connections', async () => {
  const got = [0, 0];
  let connections = 0;
  const emulator = await through('rtt=2,up=16,queue=20000', (socket) => {
    const mine = connections++;
    socket.on('data', (chunk) => {
      got[mine] = (got[mine] ?? 0) + chunk.length;
    });
  });
  const bytes = Buffer.alloc(4_000_000);
  for (const client of [dial(emulator), dial(emulator)]) client.write(bytes);
  await pause(1000);
  const [first = 0, second = 0] = got;
  // 2 MB a second for both together; before a busy machine's timers, not more than that.
  assert.ok(first + second > 1e6 && first + second < 2.6e6, `${first} + ${second}`);
  assert.ok(Math.abs(first / second - 1) < 0.2, `${first} and ${second}`);
});

Bytes.run();

const Ends = suite('the end of a connection');
Ends.after.each(closeAll);

Ends('in one direction leaves the other open', async () => {
  const emulator = await through('rtt=20,up=10,down=10', (socket) => {
    void readAll(socket).then((question) => {
      setTimeout(() => socket.end(`you said ${question}`), 50);
    });
  });
  const client = dial(emulator);
  client.end('hello');
  assert.is(String(await readAll(client)), 'you said hello');
  await event(client, 'close');
});

Ends('by a reset comes to the other side behind what was sent', async () => {
  let broken: Promise<void> | undefined;
  let got = '';
  const emulator = await through('rtt=200', (socket) => {
    socket.on('data', (chunk) => {
      got += chunk;
    });
    broken = event(socket, 'error');
  });
  const client = dial(emulator);
  client.write('the last words');
  await pause(450);
  client.write(', really');
  await pause(10);
  client.resetAndDestroy();
  await pause(10);
  assert.is(got, 'the last words');
  await broken;
  assert.is(got, 'the last words, really');
});

Ends('by a reset of the server comes to the client', async () => {
  const emulator = await through('rtt=40', (socket) => {
    socket.once('data', () => socket.resetAndDestroy());
  });
  const client = dial(emulator);
  client.write('x');
  const startMs = performance.now();
  await event(client, 'close');
  assert.ok(performance.now() - startMs > 80 - earlyMs);
});

Ends('comes at once, but for a round trip, where nobody listens', async () => {
  const gone = createServer();
  const port = await listening(gone);
  await new Promise((resolve) => gone.close(resolve));
  const emulator = await emulate('rtt=60', port);
  const client = dial(emulator);
  const startMs = performance.now();
  client.write('x');
  await event(client, 'error');
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs > 60 - earlyMs && tookMs < 400, `${tookMs} ms`);
});

Ends('comes to everybody when the emulator closes', async () => {
  const emulator = await through('rtt=20', echo);
  const client = dial(emulator);
  client.write('x');
  await event(client, 'data');
  const closed = event(client, 'close');
  await emulator.close();
  await closed;
});

Ends.run();

const Bounds = suite('a link emulator');
Bounds.after.each(closeAll);

Bounds('takes no more from a sender than the reader and the link hold', async () => {
  const emulator = await through('rtt=4,up=400', (socket) => {
    socket.pause();
  });
  const client = dial(emulator);
  const chunk = Buffer.alloc(1024 * 1024);
  global.gc?.();
  const beforeBytes = process.memoryUsage().arrayBuffers;
  let writtenBytes = 0;
  const offer = () => {
    while (writtenBytes < 200 * chunk.length && client.write(chunk)) writtenBytes += chunk.length;
    writtenBytes += chunk.length;
  };
  client.on('drain', offer);
  offer();
  await pause(1200);
  const stoodAt = client.bytesWritten;
  await pause(300);
  assert.is(client.bytesWritten, stoodAt);
  assert.ok(writtenBytes < 60 * chunk.length, `${writtenBytes} bytes`);
  // The chunk and what one direction may hold; the kernel's buffers are not ours.
  const heldBytes = process.memoryUsage().arrayBuffers - beforeBytes;
  assert.ok(heldBytes < 8e6, `${heldBytes} bytes`);
});

Bounds('lets others through while one does not read', async () => {
  let first = true;
  const emulator = await through('rtt=4,up=100,down=100', (socket) => {
    if (first) socket.pause();
    else echo(socket);
    first = false;
  });
  const stuck = dial(emulator);
  stuck.write(Buffer.alloc(30_000_000));
  await pause(500);
  const client = dial(emulator);
  client.end('still here');
  assert.is(String(await readAll(client)), 'still here');
});

Bounds('cuts connections beyond its limit', async () => {
  const emulator = await through('rtt=2', echo, { maxConnections: 1 });
  const first = dial(emulator);
  first.write('x');
  await event(first, 'data');
  const second = dial(emulator);
  await event(second, 'close');
  const closed = event(first, 'close');
  first.end();
  first.resume();
  await closed;
  await pause(50);
  const third = dial(emulator);
  third.write('x');
  await event(third, 'data');
});

Bounds('begins its time where it is told, and again when it is told', async () => {
  const emulator = await through('rtt=10,outage=0+0.5', echo, { startAtMs: 600 });
  assert.ok(emulator.now() >= 600);
  const client = dial(emulator);
  const startMs = performance.now();
  client.write('x');
  await event(client, 'data');
  assert.ok(performance.now() - startMs < 400);
  const later = await emulate('rtt=10,outage=0.3+0.4', emulator.port);
  while (later.now() < 750) await pause(5);
  later.restart();
  assert.ok(later.now() < 100);
  while (later.now() < 320) await pause(5);
  const held = dial(later);
  held.write('x');
  await event(held, 'data');
  assert.ok(later.now() >= 700 - earlyMs, `${later.now()} ms`);
});

Bounds('refuses a port that is taken', async () => {
  const emulator = await through('rtt=2', echo);
  try {
    await LinkEmulator.start({
      ...{ listen: { host, port: emulator.port }, target: { host, port: 1 } },
      ...{ link: parseLink('lte', readNothing), random: Math.random },
    });
    assert.unreachable();
  } catch (thrown) {
    assert.ok(thrown instanceof OfframpError && thrown.code === 'PORT_IN_USE', String(thrown));
  }
});

Bounds('is found by its url', async () => {
  const emulator = await through('rtt=2', echo);
  assert.is(emulator.url, `tcp://127.0.0.1:${emulator.port}`);
});

Bounds.run();
