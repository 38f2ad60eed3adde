import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readLabelledImages as readCifar10, readCifarImages } from '../../scripts/data/cifar.ts';
import { type Dataset, datasets, type PublishedFile } from '../../scripts/data/datasets.ts';
import {
  type DownloadProgress,
  downloadAll,
  downloadDataset,
  downloadFile,
} from '../../scripts/data/download.ts';
import {
  readIdxImages,
  readIdxLabels,
  readIdxPair,
  readLabelledImages as readMnist,
} from '../../scripts/data/idx.ts';
import { readDataset } from '../../scripts/data/index.ts';
import { unpackArchive } from '../../scripts/data/unpack.ts';
import { OfframpError } from '../../shared/errors.ts';
import { dataFolder, skip } from '../support/data.ts';

const home = mkdtempSync(join(tmpdir(), 'offramp-data-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

function freshFolder(): string {
  return mkdtempSync(join(home, 'folder-'));
}

async function errorOf(work: () => unknown): Promise<OfframpError> {
  try {
    await work();
  } catch (thrown) {
    if (thrown instanceof OfframpError) return thrown;
    throw thrown;
  }
  throw new Error('expected an OfframpError, nothing was thrown');
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A real server for the time of one test; `ranges` holds the Range header of each request, in order. */
async function withServer<T>(
  handler: Handler,
  work: (origin: string, ranges: (string | undefined)[]) => Promise<T>,
): Promise<T> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  try {
    return await work(`http://127.0.0.1:${port}`, ranges);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const content = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) & 255);

function published(urls: string[], bytes = content): PublishedFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { name: 'block.bin', urls, bytes: bytes.length, sha256 };
}

/** Serves `content`, from where a range says. */
function serveRanges(request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from === 0) response.writeHead(200, { 'content-length': content.length });
  else {
    response.writeHead(206, {
      'content-length': content.length - from,
      'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
    });
  }
  response.end(content.subarray(from));
}

/** Sends the head of the file and drops the connection. */
function serveAndCut(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-length': content.length });
  response.write(content.subarray(0, bytes), () => setTimeout(() => response.destroy(), 50));
}

const download = suite('download');

download('a file comes down whole, with its progress, and no partial file stays', async () => {
  await withServer(serveRanges, async (origin) => {
    const folder = freshFolder();
    const seen: DownloadProgress[] = [];
    const status = await downloadFile(published([`${origin}/block.bin`]), folder, {
      onProgress: (progress) => seen.push(progress),
    });
    assert.is(status, 'downloaded');
    assert.equal(new Uint8Array(readFileSync(join(folder, 'block.bin'))), content);
    assert.equal(readdirSync(folder), ['block.bin']);
    assert.equal(seen.at(-1), {
      file: 'block.bin',
      receivedBytes: content.length,
      totalBytes: content.length,
    });
    assert.ok(
      seen.every(
        (progress, index) => index === 0 || progress.receivedBytes > (seen[index - 1]?.receivedBytes ?? 0),
      ),
    );
  });
});

download('a file that is there and right is not asked for again', async () => {
  await withServer(serveRanges, async (origin, ranges) => {
    const folder = freshFolder();
    const file = published([`${origin}/block.bin`]);
    writeFileSync(join(folder, 'block.bin'), content);
    assert.is(await downloadFile(file, folder), 'kept');
    assert.is(ranges.length, 0);
    writeFileSync(join(folder, 'block.bin'), content.subarray(1));
    assert.is(await downloadFile(file, folder), 'downloaded');
    assert.equal(new Uint8Array(readFileSync(join(folder, 'block.bin'))), content);
  });
});

download('a connection that is cut goes on where it stopped', async () => {
  let requests = 0;
  const handler: Handler = (request, response) => {
    requests += 1;
    if (requests === 1) serveAndCut(response, 100_000);
    else serveRanges(request, response);
  };
  await withServer(handler, async (origin, ranges) => {
    const folder = freshFolder();
    await downloadFile(published([`${origin}/block.bin`]), folder);
    assert.equal(ranges, [undefined, 'bytes=100000-']);
    assert.equal(new Uint8Array(readFileSync(join(folder, 'block.bin'))), content);
  });
});

download('what an earlier call left is gone on with', async () => {
  await withServer(serveRanges, async (origin, ranges) => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'block.bin.partial'), content.subarray(0, 1234));
    await downloadFile(published([`${origin}/block.bin`]), folder);
    assert.equal(ranges, ['bytes=1234-']);
    assert.equal(new Uint8Array(readFileSync(join(folder, 'block.bin'))), content);
  });
});

download('a partial file of something else is thrown away and the file fetched whole', async () => {
  await withServer(serveRanges, async (origin, ranges) => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'block.bin.partial'), new Uint8Array(5000).fill(9));
    await downloadFile(published([`${origin}/block.bin`]), folder);
    assert.equal(ranges, ['bytes=5000-', undefined]);
    writeFileSync(join(folder, 'block.bin.partial'), new Uint8Array(content.length + 1));
    rmSync(join(folder, 'block.bin'));
    await downloadFile(published([`${origin}/block.bin`]), folder);
    assert.equal(new Uint8Array(readFileSync(join(folder, 'block.bin'))), content);
  });
});

download('a server without ranges sends the file from its start', async () => {
  const handler: Handler = (_, response) => response.end(content);
  await withServer(handler, async (origin, ranges) => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'block.bin.partial'), content.subarray(0, 1234));
    await downloadFile(published([`${origin}/block.bin`]), folder);
    assert.equal(ranges, ['bytes=1234-']);
    assert.equal(new Uint8Array(readFileSync(join(folder, 'block.bin'))), content);
  });
});

download('a file with another sum is refused and not kept', async () => {
  const handler: Handler = (_, response) => response.end(content.toReversed());
  await withServer(handler, async (origin) => {
    const folder = freshFolder();
    const error = await errorOf(() => downloadFile(published([`${origin}/block.bin`]), folder));
    assert.is(error.code, 'DOWNLOAD_FAILED');
    assert.match(error.message, 'sent another file');
    assert.equal(readdirSync(folder), []);
  });
});

download('a server that sends more than the file holds is cut off', async () => {
  const handler: Handler = (_, response) => response.end(new Uint8Array(content.length + 1));
  await withServer(handler, async (origin) => {
    const error = await errorOf(() => downloadFile(published([`${origin}/block.bin`]), freshFolder()));
    assert.match(error.message, `sent more than the ${content.length} bytes`);
  });
});

download('a 404 falls to the next mirror', async () => {
  const handler: Handler = (request, response) => {
    if (request.url === '/good/block.bin') serveRanges(request, response);
    else response.writeHead(404).end('no');
  };
  await withServer(handler, async (origin, ranges) => {
    const folder = freshFolder();
    await downloadFile(published([`${origin}/bad/block.bin`, `${origin}/good/block.bin`]), folder);
    assert.is(ranges.length, 2);
    assert.equal(new Uint8Array(readFileSync(join(folder, 'block.bin'))), content);
  });
});

download('a server that stalls is given up', async () => {
  const handler: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.flushHeaders();
  };
  await withServer(handler, async (origin) => {
    const file = published([`${origin}/block.bin`]);
    const error = await errorOf(() => downloadFile(file, freshFolder(), { stallMs: 100 }));
    assert.match(error.message, 'sent nothing for 0.1 s');
  });
});

download('a line that is cut again and again ends in an error, not in a loop', async () => {
  const handler: Handler = (_, response) => serveAndCut(response, 1000);
  await withServer(handler, async (origin, ranges) => {
    const error = await errorOf(() => downloadFile(published([`${origin}/block.bin`]), freshFolder()));
    assert.is(error.code, 'DOWNLOAD_FAILED');
    assert.ok(ranges.length <= 4);
  });
});

download('with no server at all the error names the hosts and what to do by hand', async () => {
  const origin = await withServer(serveRanges, async (closed) => closed);
  const folder = freshFolder();
  const urls = [`${origin}/block.bin`, `${origin}/other/block.bin`];
  const error = await errorOf(() => downloadFile(published(urls), folder));
  assert.is(error.code, 'DOWNLOAD_FAILED');
  assert.match(error.message, 'ECONNREFUSED');
  assert.is(error.message.split(new URL(origin).host).length - 1, 4);
  assert.ok(error.message.includes(join(folder, 'block.bin')));
  assert.ok(error.message.includes(urls.join(' or ')));
});

download('the published table is whole: https, sums, sizes', () => {
  for (const dataset of Object.values(datasets)) {
    for (const file of dataset.files) {
      assert.match(file.sha256, /^[0-9a-f]{64}$/);
      assert.ok(file.bytes > 0);
      assert.ok(
        file.urls.length > 0 &&
          file.urls.every((url) => url.startsWith('https://') && url.endsWith(file.name)),
      );
    }
  }
});

download('MNIST comes down file by file and reads back', async () => {
  const folder = dataFolder();
  if (folder === undefined) return skip('OFFRAMP_DATA is not set: MNIST is not served');
  const handler: Handler = (request, response) => {
    response.end(readFileSync(join(folder, 'mnist', (request.url ?? '').split('/').at(-1) ?? '')));
  };
  await withServer(handler, async (origin) => {
    const toFolder = freshFolder();
    const local: typeof fetch = (url, init) => fetch(new URL(new URL(String(url)).pathname, origin), init);
    const result = await downloadDataset({ name: 'mnist', toFolder, fetch: local });
    assert.is(result.downloaded.length, 4);
    assert.is(readDataset('mnist', toFolder, 'test').count, 10_000);
    const again = await downloadDataset({ name: 'mnist', toFolder, fetch: local });
    assert.equal([again.downloaded.length, again.kept.length], [0, 4]);
  });
});

download.run();

/** One ustar entry as `tar` writes it. */
function tarEntry(path: string, body: Uint8Array, type = '0'): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(path, 0);
  header.write('0000644\0', 100);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

function archive(...entries: Uint8Array[]): Buffer {
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]));
}

const unpacking = suite('unpacking');
const members = [
  { path: 'set/a.bin', keepAs: 'a.bin.gz', maxBytes: 2000 },
  { path: 'set/b.txt', keepAs: 'b.txt', maxBytes: 10 },
];
const a = content.subarray(0, 1700);
const b = Buffer.from('b\n');

unpacking('the wanted members are written, compressed where asked, and nothing else', async () => {
  const folder = freshFolder();
  const path = join(home, 'good.tar.gz');
  const parts = [tarEntry('set/', new Uint8Array(0), '5'), tarEntry('../evil', b), tarEntry('set/b.txt', b)];
  writeFileSync(path, archive(...parts, tarEntry('set/a.bin', a)));
  await unpackArchive(path, folder, members);
  assert.equal(readdirSync(folder).sort(), ['a.bin.gz', 'b.txt']);
  assert.equal(new Uint8Array(gunzipSync(readFileSync(join(folder, 'a.bin.gz')))), a);
  assert.is(readFileSync(join(folder, 'b.txt'), 'utf8'), 'b\n');
  assert.not.ok(existsSync(join(folder, '../evil')));
});

unpacking('an archive that lacks a member, is cut, damaged or too large is refused', async () => {
  const good = archive(tarEntry('set/a.bin', a), tarEntry('set/b.txt', b));
  const broken = Buffer.from(gunzipSync(good));
  broken[3] = (broken[3] ?? 0) ^ 1;
  const cases: [string, Uint8Array][] = [
    ['lacks set/b.txt', archive(tarEntry('set/a.bin', a))],
    ['unexpected end of file', good.subarray(0, good.length - 20)],
    ['incorrect header check', Buffer.from('no gzip at all')],
    ['wrong checksum', gzipSync(broken)],
    ['ends inside set/a.bin', gzipSync(gunzipSync(good).subarray(0, 1000))],
    ['more than the 10 expected', archive(tarEntry('set/b.txt', a))],
  ];
  for (const [message, bytes] of cases) {
    const path = join(home, 'bad.tar.gz');
    writeFileSync(path, bytes);
    const error = await errorOf(() => unpackArchive(path, freshFolder(), members));
    assert.is(error.code, 'DATA_CORRUPT', message);
    assert.match(error.message, message);
    assert.ok(error.message.includes(path));
  }
});

unpacking('a set in an archive is unpacked once and the archive is not kept', async () => {
  const bytes = new Uint8Array(archive(tarEntry('set/a.bin', a), tarEntry('set/b.txt', b)));
  const handler: Handler = (_, response) => response.end(bytes);
  await withServer(handler, async (origin, ranges) => {
    const file = { ...published([`${origin}/set.tar.gz`], bytes), name: 'set.tar.gz' };
    const dataset: Dataset = {
      name: 'cifar10',
      title: 'a set',
      folder: 'set',
      files: [file],
      unpack: members,
    };
    const toFolder = freshFolder();
    const first = await downloadAll(dataset, toFolder);
    assert.equal(first.downloaded, ['a.bin.gz', 'b.txt']);
    assert.equal(readdirSync(join(toFolder, 'set')).sort(), ['a.bin.gz', 'b.txt']);
    assert.equal((await downloadAll(dataset, toFolder)).kept, ['a.bin.gz', 'b.txt']);
    assert.is(ranges.length, 1);
  });
});

unpacking.run();

function idxBytes(magic: number, sizes: number[], body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * sizes.length + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  for (const [index, size] of sizes.entries()) view.setUint32(4 + 4 * index, size);
  bytes.set(body, 4 + 4 * sizes.length);
  return bytes;
}

function written(name: string, bytes: Uint8Array): string {
  const path = join(freshFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const idx = suite('idx');
const pixels = content.subarray(0, 3 * 2 * 4);
const images = idxBytes(0x803, [3, 2, 4], pixels);
const labels = idxBytes(0x801, [3], Uint8Array.of(7, 0, 9));

idx('images and labels read the same plain and compressed', () => {
  for (const wrap of [(bytes: Uint8Array) => bytes, (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes))]) {
    const read = readIdxImages(written('images', wrap(images)));
    assert.equal([read.count, read.rows, read.columns], [3, 2, 4]);
    assert.equal(Uint8Array.from(read.pixels), pixels);
    assert.equal([...readIdxLabels(written('labels', wrap(labels)))], [7, 0, 9]);
  }
});

idx('a file is found with or without .gz at its end', () => {
  assert.is(readIdxImages(`${written('images', images)}.gz`).count, 3);
  assert.is(readIdxImages(written('images.gz', new Uint8Array(gzipSync(images))).slice(0, -3)).count, 3);
});

idx('a pair gives views of single images', () => {
  const set = readIdxPair(written('images', images), written('labels', labels));
  assert.equal([set.count, ...set.shape, ...set.labels], [3, 2, 4, 1, 7, 0, 9]);
  assert.equal([...set.image(1)], [...pixels.subarray(8, 16)]);
  assert.is(set.image(2).buffer, set.pixels.buffer);
  assert.throws(() => set.image(3), /image 3 of 3/);
  assert.throws(() => set.image(-1), /image -1 of 3/);
});

idx('a missing file says how to get it', async () => {
  const error = await errorOf(() => readIdxImages(join(home, 'none')));
  assert.is(error.code, 'DATA_MISSING');
  assert.match(error.message, 'offramp data mnist --to DIR');
  const folder = freshFolder();
  const named = await errorOf(() => readMnist(folder, 'test'));
  assert.ok(named.message.includes(`offramp data mnist --to ${folder}`));
  assert.ok(named.message.includes('t10k-images'));
});

idx('a wrong magic number, length or count is refused with the file named', async () => {
  const compressed = new Uint8Array(gzipSync(images));
  const cases: [string, Uint8Array][] = [
    ['begins with 0x00000801, expected 0x00000803', idxBytes(0x801, [20], new Uint8Array(20))],
    ['has 39 bytes, expected 40 for 3 x 2 x 4', images.subarray(0, -1)],
    ['has 41 bytes', Buffer.concat([images, Buffer.of(0)])],
    ['too few for its header', images.subarray(0, 15)],
    ['too few for its header', new Uint8Array(0)],
    ['no whole gzip file', compressed.subarray(0, -9)],
    ['expected', idxBytes(0x803, [0xffffffff, 0xffffffff, 0xffffffff], pixels)],
  ];
  for (const [message, bytes] of cases) {
    const path = written('images', bytes);
    const error = await errorOf(() => readIdxImages(path));
    assert.is(error.code, 'DATA_CORRUPT', message);
    assert.match(error.message, message);
    assert.ok(error.message.includes(path));
  }
  const two = written('labels', idxBytes(0x801, [2], new Uint8Array(2)));
  const error = await errorOf(() => readIdxPair(written('images', images), two));
  assert.match(error.message, 'holds 2 labels');
  assert.is(error.code, 'DATA_CORRUPT');
});

idx('any bytes either read or give DATA_CORRUPT', () => {
  const folder = freshFolder();
  const path = join(folder, 'any');
  const head = fc.constantFrom(new Uint8Array(0), images.subarray(0, 4), Uint8Array.of(0x1f, 0x8b));
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 64 }), (start, rest) => {
      writeFileSync(path, Buffer.concat([start, rest]));
      try {
        const read = readIdxImages(path);
        return read.pixels.length === read.count * read.rows * read.columns;
      } catch (thrown) {
        return thrown instanceof OfframpError && thrown.code === 'DATA_CORRUPT';
      }
    }),
    { numRuns: 200 },
  );
});

idx('MNIST reads with its published counts', () => {
  const folder = dataFolder();
  if (folder === undefined) return skip('OFFRAMP_DATA is not set: MNIST is not read');
  const set = readMnist(folder, 'test');
  const counts = Array.from(
    { length: 10 },
    (_, digit) => set.labels.filter((label) => label === digit).length,
  );
  assert.equal(counts, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  assert.equal([set.count, ...set.shape], [10_000, 28, 28, 1]);
  assert.is(readMnist(folder, 'train').count, 60_000);
});

idx.run();

const cifar = suite('cifar');
const records = new Uint8Array(2 * 3073);
for (let at = 0; at < records.length; at += 1) records[at] = at % 251;
records[0] = 3;
records[3073] = 9;

cifar('records read as height x width x channels with their labels and names', () => {
  for (const wrap of [(bytes: Uint8Array) => bytes, (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes))]) {
    const path = written('batch.bin', wrap(records));
    const set = readCifarImages([path, path]);
    assert.equal([set.count, ...set.shape, ...set.labels], [4, 32, 32, 3, 3, 9, 3, 9]);
    assert.is(set.classes?.[set.labels[1] ?? 0], 'truck');
    const [row, column, channel] = [5, 17, 2];
    assert.is(
      set.image(1)[(row * 32 + column) * 3 + channel],
      records[3073 + 1 + channel * 1024 + row * 32 + column],
    );
    assert.equal(set.image(3), set.image(1));
  }
});

cifar('a length of no whole records, no records, and a label above 9 are refused', async () => {
  const bad = records.slice();
  bad[3073] = 10;
  const cases: [string, Uint8Array][] = [
    ['has 6145 bytes, expected a multiple of 3073', records.subarray(1)],
    ['has 0 bytes', new Uint8Array(0)],
    ['label 10 in record 1', bad],
  ];
  for (const [message, bytes] of cases) {
    const path = written('batch.bin', bytes);
    const error = await errorOf(() => readCifarImages([path]));
    assert.is(error.code, 'DATA_CORRUPT');
    assert.match(error.message, message);
    assert.ok(error.message.includes(path));
  }
});

/** A file of the published size, in which the classes take turns unless `change` says otherwise. */
function batch(change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(10_000 * 3073);
  for (let record = 0; record < 10_000; record += 1) bytes[record * 3073] = record % 10;
  change(bytes);
  return new Uint8Array(gzipSync(bytes, { level: 1 }));
}

/** A data folder with a `cifar10/` of these files. */
function cifarFolder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = freshFolder();
  mkdirSync(join(folder, 'cifar10'));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, 'cifar10', name), bytes);
  return folder;
}

const evenBatch = batch();

cifar('a missing batch says how to get it', async () => {
  const folder = cifarFolder({ 'data_batch_1.bin.gz': evenBatch });
  const error = await errorOf(() => readCifar10(folder, 'train'));
  assert.is(error.code, 'DATA_MISSING');
  assert.match(error.message, 'data_batch_2.bin.gz is missing');
  assert.ok(error.message.includes(`offramp data cifar10 --to ${folder}`));
});

cifar('a test file that is not the published one is refused, with its path and the mend', async () => {
  const swapped = batch((bytes) => {
    bytes[0] = 7;
  });
  const cases: [string, Uint8Array][] = [
    ['is no whole gzip file', evenBatch.subarray(0, -20)],
    ['holds 6146 bytes, expected 30730000, 10000 records of 3073', new Uint8Array(gzipSync(records))],
    ['holds 0 bytes', new Uint8Array(0)],
    ['has label 200 in record 0', batch((bytes) => bytes.fill(200, 0, 1))],
    ['has 999 images of class 0 (airplane), expected 1000 as published', swapped],
  ];
  for (const [message, bytes] of cases) {
    const folder = cifarFolder({ 'test_batch.bin.gz': bytes });
    const error = await errorOf(() => readCifar10(folder, 'test'));
    assert.is(error.code, 'DATA_CORRUPT', message);
    const path = join(folder, 'cifar10', 'test_batch.bin.gz');
    assert.ok(error.message.startsWith(`${path} ${message}`), error.message);
    assert.ok(error.message.endsWith(`Delete it, then: offramp data cifar10 --to ${folder}`), error.message);
  }
});

cifar('the file that is wrong is named as it was found, compressed or not', async () => {
  const folder = cifarFolder({ 'test_batch.bin': records });
  const error = await errorOf(() => readCifar10(folder, 'test'));
  assert.ok(error.message.startsWith(`${join(folder, 'cifar10', 'test_batch.bin')} holds 6146 bytes`));
});

cifar('a path that is no file is said to be unreadable', async () => {
  const folder = cifarFolder({});
  mkdirSync(join(folder, 'cifar10', 'test_batch.bin.gz'));
  const error = await errorOf(() => readCifar10(folder, 'test'));
  assert.is(error.code, 'DATA_MISSING');
  assert.match(error.message, /test_batch\.bin\.gz cannot be read: EISDIR/);
});

cifar('images that only come close to the published ones are told apart where they are listed', () => {
  const list = { 'data_batch_2.bin': [3], 'data_batch_5.bin': [0, 9999], 'test_batch.bin': [17, 4] };
  const names = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin.gz`);
  const folder = cifarFolder({
    ...Object.fromEntries([...names, 'test_batch.bin.gz'].map((name) => [name, evenBatch])),
    'approx_indices.json': JSON.stringify(list),
  });
  assert.equal([...(readDataset('cifar10', folder, 'test').approximate ?? [])], [17, 4]);
  assert.equal([...(readCifar10(folder, 'train').approximate ?? [])], [10_003, 40_000, 49_999]);
  rmSync(join(folder, 'cifar10', 'approx_indices.json'));
  assert.is(readCifar10(folder, 'test').approximate, undefined);
});

cifar('a nonsensical list of such images is refused by its path, and what is wrong with it', async () => {
  const cases: [string, string][] = [
    ['is no JSON', '{"test_batch.bin": [1'],
    ['holds [1,2], expected an object', '[1,2]'],
    ['holds null, expected an object', 'null'],
    ['lists "test_batch.bin.gz", expected one of', '{"test_batch.bin.gz": [1]}'],
    ['has 5 for test_batch.bin, expected a list', '{"test_batch.bin": 5}'],
    ['lists record 10000 of test_batch.bin', '{"test_batch.bin": [0, 10000]}'],
    ['lists record -1 of data_batch_1.bin', '{"test_batch.bin": [], "data_batch_1.bin": [-1]}'],
    ['lists record 1.5 of test_batch.bin', '{"test_batch.bin": [1.5]}'],
    ['lists record "3" of test_batch.bin', '{"test_batch.bin": ["3"]}'],
    [
      'lists record 3 of test_batch.bin, expected whole numbers from 0 to 9999, each once',
      '{"test_batch.bin": [3, 3]}',
    ],
  ];
  const folder = cifarFolder({ 'test_batch.bin.gz': evenBatch });
  const path = join(folder, 'cifar10', 'approx_indices.json');
  for (const [message, text] of cases) {
    writeFileSync(path, text);
    const error = await errorOf(() => readCifar10(folder, 'test'));
    assert.is(error.code, 'DATA_CORRUPT', message);
    assert.ok(error.message.startsWith(`${path} ${message}`), error.message);
  }
});

cifar('CIFAR-10 reads with its published counts and means', () => {
  const folder = dataFolder();
  if (folder === undefined) return skip('OFFRAMP_DATA is not set: CIFAR-10 is not read');
  const set = readCifar10(folder, 'test');
  assert.is(set.count, 10_000);
  const sums = [0, 0, 0];
  for (let at = 0; at < set.pixels.length; at += 1)
    sums[at % 3] = (sums[at % 3] ?? 0) + (set.pixels[at] ?? 0);
  const means = sums.map((sum) => (sum / (set.count * 1024 * 255)).toFixed(4));
  assert.equal(means, ['0.4942', '0.4851', '0.4504']);
  assert.equal(set.labels.filter((label) => label === 5).length, 1000);
});

cifar.run();
