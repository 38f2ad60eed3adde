/** Peers that mean harm, beside one that does not: the honest one notices nothing, and the server stays small. */
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleTag, encodeFrame, encodeInfer, type FrameType } from '../../shared/protocol/index.ts';
import { assertCounted, count, honestStream, mebibytes, refusal, residentBytes } from './honest-stream.ts';
import { classify, countWays, inLanes, offloadingBundle, references, samples } from './images.ts';
import { type Closing, claimOf, describe, RawClient } from './raw-client.ts';
import { cleanUp, note, type Server, sleep, startPair, waitUntil } from './support.ts';

const images = samples(100);
const budgetMs = 5000;
const silentPeers = 8;
/** Everybody here has one address, the honest device too. What addresses are limited to is another test's. */
const oneAddress = ['--max-connections-per-address', '100000', '--new-connections-per-second', '100000'];
/** Above what an idle server and one under honest load differ by; what the attacks send is several times as much. */
const maxGrowthBytes = 160 * 1024 * 1024;

interface Stage {
  readonly cloud: Server;
  readonly edge: Server;
  readonly folder: string;
}

/** A bare WebSocket client of the server, before its hello. */
const stranger = ({ cloud, folder }: Stage) => RawClient.connect(cloud.wsUrl, folder);
const guest = ({ cloud, folder }: Stage) => RawClient.greet(cloud.wsUrl, folder);

/** Sends one message on a connection of its own and reports how the server ended that. */
async function sendAlone(client: RawClient, message: Uint8Array): Promise<Closing> {
  client.send(message);
  const closing = await Promise.race([client.closed, sleep(5000)]);
  client.socket.terminate();
  if (closing === undefined) throw new Error('the server left a hostile connection open');
  return closing;
}

async function randomBytes(stage: Stage): Promise<void> {
  const messages = fc.sample(fc.uint8Array({ maxLength: 4096 }), { numRuns: 100, seed: 1 });
  await inLanes(10, messages.length, async (index) => {
    const { code } = await sendAlone(await stranger(stage), messages[index] ?? new Uint8Array(0));
    assert.ok(code >= 4400 && code < 4500, `closed with ${code}`);
  });
}

/** Valid frames with bytes changed, cut or added: whatever the server makes of them, it must go on. */
async function mutatedFrames(stage: Stage): Promise<void> {
  const tag = bundleTag(claimOf(stage.folder).digest);
  const rows = [images.image(0), images.image(1)];
  const infer = encodeInfer({ id: 7, bundleTag: tag, cut: 0, budgetMs: 1000, rows });
  const changes = fc.array(fc.tuple(fc.nat({ max: 63 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 6,
  });
  const samples = fc.sample(fc.tuple(changes, fc.nat({ max: 40 }), fc.boolean()), { numRuns: 300, seed: 2 });
  await inLanes(10, samples.length, async (index) => {
    const [mutations, cutOff, hello] = samples[index] ?? [[], 0, false];
    const client = hello ? await stranger(stage) : await guest(stage);
    const message = new Uint8Array(hello ? client.hello() : infer);
    for (const [at, value] of mutations) message[at % message.length] = value;
    client.send(message.subarray(0, message.length - cutOff));
    await Promise.race([client.closed, client.next()]);
    client.socket.terminate();
  });
}

async function oversizedMessages(stage: Stage): Promise<void> {
  const message = new Uint8Array(8 * 1024 * 1024);
  for (let time = 0; time < 10; time++) {
    const { code } = await sendAlone(await stranger(stage), message);
    // Its sender may be cut off in the middle of the message and never read the closing code.
    assert.ok(code === 1009 || code === 1006, `closed with ${code}`);
  }
}

/** Frames with a well-formed head whose fields and rows are not what they should be; none may end the connection's others. */
async function outOfRange(stage: Stage): Promise<void> {
  const tag = bundleTag(claimOf(stage.folder).digest);
  const image = images.image(0);
  const headers: Record<string, unknown>[] = [
    { b: Number.NaN, t: 1000, c: 0 },
    { b: tag, t: Number.NaN, c: 0 },
    { b: tag, t: Number.POSITIVE_INFINITY, c: 0 },
    { b: tag, t: -1, c: 0 },
    { b: tag, t: 0, c: 0 },
    { b: tag, t: 1000, c: 64 },
    { b: tag, t: 1000, c: 1e9 },
    { b: tag, t: 1000, c: Number.NaN },
    { b: (tag ^ 1) >>> 0, t: 1000, c: 0 },
    { b: tag, t: 1000, c: 0, l: [image.length, 2 ** 31] },
    { b: tag, t: 1000, c: 0, l: [Number.NaN, image.length] },
    { b: tag, t: 1000, c: 0, l: Array.from({ length: 1024 }, () => 0) },
    { b: tag, t: 1000, c: 0, l: [1, image.length - 1] },
    { b: tag, t: 1000, c: 0, unknown: 1 },
    { b: tag, t: 1000, c: 0, r: 1 },
    { b: tag, t: 1000, r: 0 },
    { b: tag, t: 1000, r: Number.NaN },
    { b: tag, t: 1000, r: 4096 },
    // Not a codec stream.
    { b: tag, t: 1000 },
  ];
  const client = await guest(stage);
  for (const [index, header] of headers.entries())
    client.send(encodeFrame('infer', index + 1, header, image));
  for (let count = 0; count < headers.length; count++) {
    const frame = await client.next();
    assert.is(frame?.type, 'error', `${JSON.stringify(headers[(frame?.id ?? 1) - 1])}: ${describe(frame)}`);
  }
  const nan = new Uint8Array(Float32Array.from({ length: 196 }, () => Number.NaN).buffer);
  client.send(encodeFrame('infer', 100, { b: tag, t: 60_000, c: 0 }, nan));
  // 784 bytes are an image whatever they mean elsewhere: uint8 has no NaN, so this one is answered.
  const frame = await client.next();
  assert.is(frame?.type, 'result', describe(frame));
  await client.close();
  for (const type of ['welcome', 'result', 'error', 'goaway'] satisfies FrameType[]) {
    const { code } = await sendAlone(await guest(stage), encodeFrame(type, 1, {}));
    assert.is(code, 4400, `a device that sends '${type}'`);
  }
}

/** Thousands of connections that never become a device. */
async function halfOpen(stage: Stage): Promise<() => void> {
  const { port } = stage.cloud;
  const sockets: Socket[] = [];
  const open = (text: string) =>
    new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        if (text !== '') socket.write(text);
        resolve();
      });
      socket.on('error', () => resolve());
      sockets.push(socket);
    });
  const upgrade =
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: offramp.v1\r\n\r\n';
  const texts = ['', 'GET /livez HT', upgrade];
  await inLanes(64, 3600, (index) => open(texts[index % texts.length] ?? ''));
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/** Peers that ask and ask and read no answer, until the server has had enough of each. */
async function neverRead(stage: Stage): Promise<void> {
  const peers = await Promise.all(Array.from({ length: silentPeers }, () => guest(stage)));
  const question = peers[0]?.infer(63, [new Uint8Array(0)], 1000) ?? new Uint8Array(0);
  // Beneath ws: the kernel's buffers fill, then the server's.
  for (const peer of peers) peer.socket.pause();
  const dropped = () => count(stage.cloud, refusal('SLOW_PEER'));
  const before = await dropped();
  await waitUntil(
    async () => {
      for (const peer of peers) for (let count = 0; count < 1000; count++) peer.send(question);
      return (await dropped()) - before === silentPeers;
    },
    'the server to drop peers that do not read',
    { everyMs: 20, deadlineMs: 60_000 },
  );
  for (const peer of peers) peer.socket.terminate();
}

const hostile = suite('hostile peers');
hostile.after.each(cleanUp);

hostile(
  'cost an honest device nothing and the server no memory, and are counted by what they did',
  async () => {
    const folder = offloadingBundle();
    const { cloud, edge } = await startPair(folder, { cloudArgs: oneAddress });
    const stage: Stage = { cloud, edge, folder };
    const expected = await references(images, (image) => classify(edge, image, { budgetMs }));
    const before = await residentBytes(cloud);
    const honest = honestStream(edge, images, expected);
    let largest = before;
    const watch = setInterval(() => {
      void residentBytes(cloud).then(
        (bytes) => {
          largest = Math.max(largest, bytes);
        },
        () => {},
      );
    }, 200);
    const attacks = { randomBytes, mutatedFrames, oversizedMessages, outOfRange, neverRead };
    try {
      for (const [name, attack] of Object.entries(attacks)) {
        const startedAt = performance.now();
        await attack(stage);
        note(
          `${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s, ${mebibytes(await residentBytes(cloud))}`,
        );
      }
      const release = await halfOpen(stage);
      note(`halfOpen: ${await count(cloud, 'offramp_cloud_connections')} WebSockets open`);
      await waitUntil(
        async () => (await count(cloud, refusal('HELLO_TIMEOUT'))) > 300,
        'connections without a hello to be dropped',
        { everyMs: 200 },
      );
      release();
      await waitUntil(
        async () => (await count(cloud, 'offramp_cloud_connections')) === 1,
        'only the honest device to be left',
        { everyMs: 100 },
      );
    } finally {
      clearInterval(watch);
    }
    const answers = await honest.stop();
    note(`honest answers: ${JSON.stringify(countWays(answers))}`);
    note(`memory: ${mebibytes(before)} before, ${mebibytes(largest)} at most`);
    assert.ok(answers.length > 100, 'the honest device was served all the while');
    assert.ok(largest - before < maxGrowthBytes, `memory grew by ${mebibytes(largest - before)}`);
    await assertCounted(cloud, [
      'FRAME_INVALID',
      'HELLO_INVALID',
      'FRAME_TOO_LARGE',
      'BUNDLE_NOT_FOUND',
      'CUT_UNSUPPORTED',
      'TENSOR_INVALID',
      'BUDGET_SPENT',
      'SLOW_PEER',
      'HELLO_TIMEOUT',
      'TOO_MANY_CONNECTIONS',
    ]);
    assert.is(await edge.stop(), 0);
    assert.is(await cloud.stop(), 0, cloud.stderr());
  },
);

hostile.run();
