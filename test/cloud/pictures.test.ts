/** Pictures through a real server: what is read of them, what is refused, and that one sender's cost the others little. */
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage } from '../../shared/host/index.ts';
import {
  encodeInfer,
  type InferRequest,
  type InferResult,
  type PictureFormat,
  parseError,
  parseResult,
  parseWelcome,
  pictureFormats,
} from '../../shared/protocol/index.ts';
import { drawnImage, furthest } from '../runtime/real-bundle.ts';
import { colourFile, greyFile, pixelBomb, rawPng } from '../support/pictures.ts';
import { bundle, type Client, cleanUp, endClients, greet, served, startServer } from './server-source.ts';

const { shape } = bundle.manifest.input;
const raw = { width: 28, height: 28, channels: 1 as const };
/** A PNG of 16 million pixels in a few kilobytes: as much work as a server takes on for one picture. */
const heavy = rawPng(4000, 4000, 8, () => new Uint8Array(4000));
const running = await startServer();
const client = await greet(running.wsUrl);
let lastId = 0;
let read = 1;

async function drawnFile(index: number, format: PictureFormat): Promise<Uint8Array> {
  const options = { png: {}, jpeg: { quality: 95 }, webp: { lossless: true } }[format];
  return new Uint8Array(await sharp(drawnImage(index), { raw }).toFormat(format, options).toBuffer());
}

function request(rows: readonly Uint8Array[], format?: PictureFormat, budgetMs = 30_000): InferRequest {
  lastId++;
  const what = { id: lastId, bundleTag: served.tag, cut: 0, budgetMs, rows };
  return format === undefined ? what : { ...what, format };
}

/** Sends one request on the shared connection and waits for its frame. */
async function ask(rows: readonly Uint8Array[], format?: PictureFormat) {
  client.socket.send(encodeInfer(request(rows, format)));
  return client.frame(read++);
}

async function result(rows: readonly Uint8Array[], format?: PictureFormat): Promise<InferResult> {
  const frame = await ask(rows, format);
  if (frame.type === 'error') assert.unreachable(parseError(frame).message);
  return parseResult(frame, served.classes);
}

async function refusal(rows: readonly Uint8Array[], format: PictureFormat) {
  const frame = await ask(rows, format);
  assert.is(frame.type, 'error', 'it was answered');
  return parseError(frame);
}

/** Asserts that a file gives what the pixels give that our decoder makes of it. */
async function sameAsPixels(file: Uint8Array, format: PictureFormat): Promise<void> {
  const pixels = await decodeImage(file, shape, 'cover');
  const [sent, expected] = [await result([file], format), await result([pixels])];
  assert.equal(sent.exits, expected.exits);
  assert.ok(furthest(sent.logits, expected.logits) < 1e-5);
}

const Reads = suite('pictures that are read');

Reads(
  'PNG and lossless WebP give the logits of their pixels; JPEG those of what it was made to',
  async () => {
    for (const format of pictureFormats) await sameAsPixels(await drawnFile(7, format), format);
    const pixels = await result([drawnImage(7)]);
    for (const format of ['png', 'webp'] as const) {
      const { logits } = await result([await drawnFile(7, format)], format);
      assert.ok(furthest(logits, pixels.logits) < 1e-5, format);
    }
  },
);

Reads('colour, alpha, 16 bits, other sizes and EXIF orientation go by the rules of the device', async () => {
  const turned = await sharp(await greyFile(28, 28, 'png'))
    .jpeg({ quality: 100 })
    .withMetadata({ orientation: 6 })
    .toBuffer();
  const deep = rawPng(28, 28, 16, (y) =>
    Uint8Array.from({ length: 56 }, (_, at) => (at % 2 === 0 ? y * 9 : 0)),
  );
  const files: [Uint8Array, PictureFormat][] = [
    [await colourFile(28, 28, [200, 40, 90]), 'png'],
    [await colourFile(28, 28, [255, 255, 255, 128]), 'png'],
    [await greyFile(100, 50, 'png'), 'png'],
    [await greyFile(7, 300, 'webp'), 'webp'],
    [deep, 'png'],
    [new Uint8Array(turned), 'jpeg'],
  ];
  for (const [file, format] of files) await sameAsPixels(file, format);
});

Reads('a large camera picture is taken within the announced bytes', async () => {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 20 };
  const file = await sharp({ create: { width: 1600, height: 1200, channels: 3, background: '#888', noise } })
    .jpeg({ quality: 45 })
    .toBuffer();
  const { maxImageBytes = 0 } = parseWelcome(client.frames[0]?.header);
  assert.ok(file.length > 100_000 && file.length <= maxImageBytes, `${file.length} bytes`);
  await sameAsPixels(new Uint8Array(file), 'jpeg');
});

Reads('several pictures of one request are answered row by row', async () => {
  const picks = [3, 400, 77, 3];
  const files = await Promise.all(picks.map((pick) => drawnFile(pick, 'png')));
  const sent = await result(files, 'png');
  const expected = await result(picks.map(drawnImage));
  assert.equal(sent.exits, expected.exits);
  assert.ok(furthest(sent.logits, expected.logits) < 1e-5);
});

Reads('decoding is part of the computing time that the result tells', async () => {
  const before = await running.metric('offramp_cloud_decode_seconds_sum');
  const { runMicros } = await result([heavy], 'png');
  const seconds = (await running.metric('offramp_cloud_decode_seconds_sum')) - before;
  assert.ok(seconds > 0.005, `${seconds} s`);
  assert.ok(runMicros >= Math.floor(seconds * 1e6), `${runMicros} us, decoding alone took ${seconds} s`);
});

Reads.run();

const Refuses = suite('pictures that are refused');

Refuses('another format than the frame says, and whatever is no picture, by its row', async () => {
  const png = await drawnFile(1, 'png');
  const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  const files: [string, Uint8Array, PictureFormat][] = [
    ['a JPEG', await drawnFile(1, 'jpeg'), 'png'],
    ['a PNG', png, 'webp'],
    ['a GIF', await greyFile(28, 28, 'gif'), 'png'],
    ['a TIFF', await greyFile(28, 28, 'tiff'), 'jpeg'],
    ['an SVG', svg, 'png'],
    ['raw pixels', drawnImage(1), 'png'],
    ['nothing', new Uint8Array(0), 'png'],
    ['a signature and zeros', new Uint8Array([...png.subarray(0, 8), ...new Uint8Array(500)]), 'png'],
    ['a PNG that goes on as a JPEG', new Uint8Array([...png.subarray(0, 33), 0xff, 0xd8, 0xff]), 'png'],
  ];
  for (const [name, file, format] of files) {
    const first = await drawnFile(2, format);
    const { code, message } = await refusal([first, file], format);
    assert.is(code, 'IMAGE_INVALID', `${name}: ${message}`);
    assert.match(message, 'Row 1: ', name);
  }
});

Refuses('a file that was cut anywhere', async () => {
  for (const format of pictureFormats) {
    const file = new Uint8Array(
      await sharp(await greyFile(120, 90, 'png'))
        .toFormat(format)
        .toBuffer(),
    );
    for (const share of [0.05, 0.3, 0.6, 0.9]) {
      const { code } = await refusal([file.subarray(0, Math.floor(file.length * share))], format);
      assert.is(code, 'IMAGE_INVALID', `${share} of a ${format}`);
    }
  }
});

Refuses('a few bytes that claim gigabytes of pixels, at once', async () => {
  const startedAt = performance.now();
  for (const [width, height] of [
    [20_000, 20_000],
    [4001, 4000],
    [2 ** 31 - 1, 2 ** 31 - 1],
  ] as const) {
    const { code, message } = await refusal([pixelBomb(width, height)], 'png');
    assert.ok(code === 'IMAGE_TOO_LARGE' || width > 2 ** 30, `${width} x ${height}: ${code}: ${message}`);
    assert.match(message, 'Row 0: ');
  }
  assert.ok(performance.now() - startedAt < 2000);
});

Refuses('a file longer than the server takes, which the connection survives', async () => {
  const { maxImageBytes = 0, maxFrameBytes } = parseWelcome(client.frames[0]?.header);
  assert.ok(maxFrameBytes > maxImageBytes);
  const file = new Uint8Array(maxImageBytes + 1);
  file.set(await drawnFile(1, 'png'));
  assert.is((await refusal([file], 'png')).code, 'IMAGE_TOO_LARGE');
  await result([drawnImage(1)]);
});

Refuses('any file, where the operator takes none: that is announced, and pixels are answered', async () => {
  const { wsUrl } = await startServer({ maxImageBytes: 0 });
  const guest = await greet(wsUrl);
  const { maxImageBytes, maxFrameBytes } = parseWelcome(guest.frames[0]?.header);
  assert.is(maxImageBytes, undefined);
  assert.ok(maxFrameBytes > drawnImage(0).length);
  guest.socket.send(encodeInfer(request([await drawnFile(1, 'png')], 'png')));
  assert.is(parseError(await guest.frame(1)).code, 'IMAGE_TOO_LARGE');
  guest.socket.send(encodeInfer(request([drawnImage(1)])));
  assert.is((await guest.frame(2)).type, 'result');
});

Refuses.run();

const undecoded = () => running.metric('offramp_cloud_undecoded_rows');

async function waitFor(met: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await met())) {
    if (performance.now() > deadline) throw new Error(`not met in time: ${met}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A device that sends two heavy pictures per request, and has sent most of them. */
async function flood(requests: number): Promise<Client> {
  const greedy = await greet(running.wsUrl);
  for (let index = 0; index < requests; index++) {
    greedy.socket.send(encodeInfer(request([heavy, heavy], 'png')));
  }
  await waitFor(async () => (await undecoded()) > requests);
  return greedy;
}

const Floods = suite('a sender of heavy pictures');
Floods.after.each(() => waitFor(async () => (await undecoded()) === 0));
Floods.after(cleanUp);

Floods('holds up neither codes, nor pixels, nor the pictures of others', async () => {
  const greedy = await flood(30);
  const png = await drawnFile(9, 'png');
  const tookMs: number[] = [];
  for (let turn = 0; turn < 6; turn++) {
    const startedAt = performance.now();
    await result([drawnImage(turn)]);
    await result([png], 'png');
    tookMs.push(performance.now() - startedAt);
    assert.is((await fetch(`${running.server.url}/livez`)).status, 200);
  }
  assert.ok((await undecoded()) > 0, 'the flood was over before the others had asked');
  const worst = Math.max(...tookMs);
  // Each waits for two heavy pictures at most, of about a tenth of a second.
  assert.ok(worst < 3000, `${worst} ms beside a flood`);
  greedy.socket.terminate();
});

Floods('that leaves takes its pictures with it', async () => {
  const greedy = await flood(30);
  const decoded = () => running.metric('offramp_cloud_decode_seconds_count');
  const before = await decoded();
  greedy.socket.terminate();
  await waitFor(async () => (await undecoded()) === 0);
  assert.ok((await decoded()) - before < 30, 'pictures of nobody were decoded');
  await result([drawnImage(1)]);
  endClients();
});

Floods.run();
