/**
 * NVIDIA's own Python client against a real server. It needs a Python with `tritonclient[http]` and numpy, which OFFRAMP_PYTHON
 * names; else python3 is tried.
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobPicture } from '../../scripts/demo/blobs.ts';
import { within } from '../protocol/expect.ts';
import { skip } from '../support/data.ts';
import { pictures, samples, temporaryFolder } from './images.ts';
import { cleanUp, note, runCommand, type Server, startServer } from './support.ts';

const script = fileURLToPath(new URL('tritonclient/client.py', import.meta.url));
const python = process.env.OFFRAMP_PYTHON ?? 'python3';
const digits = 'b-lenet-mnist';
const pictured = 'b-alexnet-cifar10';
const token = 'a-token-for-tritonclient';
const checkDeadlineMs = 60_000;

/** Why there is no client to drive; `undefined` when there is one. A Python that was named and cannot be used throws. */
function missing(): string | undefined {
  const { status, stderr, error } = spawnSync(python, ['-c', 'import numpy, tritonclient.http.aio'], {
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
  if (process.env.OFFRAMP_PYTHON !== undefined) throw new Error(`OFFRAMP_PYTHON is ${python}: ${reason}`);
  return `${python} has no tritonclient (${reason}); set OFFRAMP_PYTHON to one that has`;
}

const lacking = missing();
let server: Server | undefined;

async function startOnce(): Promise<Server> {
  if (server !== undefined) return server;
  const file = join(temporaryFolder(), 'tokens.txt');
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  server = await startServer('cloud', ['--bundle', digits, '--bundle', pictured, '--token-file', file]);
  return server;
}

/** Runs one check of the Python script; its result as JSON. */
async function check<T>(name: string, settings: object = {}): Promise<T> {
  const { port } = await startOnce();
  const child = spawn(python, [
    script,
    name,
    JSON.stringify({ url: `127.0.0.1:${port}`, token, ...settings }),
  ]);
  let out = '';
  let trouble = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    trouble += text;
  });
  try {
    const status = await within(checkDeadlineMs, new Promise((resolve) => child.once('close', resolve)));
    assert.is(status, 0, trouble);
    return JSON.parse(out);
  } finally {
    child.kill('SIGKILL');
  }
}

interface Answer {
  readonly label: readonly number[];
  readonly exit: readonly number[];
}

/** What our own command line says of pictures: the label and the index of the exit. */
async function classified(
  bundle: string,
  files: readonly string[],
  exits: readonly string[],
): Promise<Answer> {
  const { ending, stdout, stderr } = await runCommand([
    'classify',
    '--bundle',
    bundle,
    '--json',
    '--budget-ms',
    '60000',
    ...files,
  ]);
  assert.is(ending, 0, stderr);
  const answers: { label: number; exit: string }[] = JSON.parse(stdout);
  return { label: answers.map(({ label }) => label), exit: answers.map(({ exit }) => exits.indexOf(exit)) };
}

interface Pictures extends Answer {
  /** File of raw pixels, one picture behind the other. */
  readonly pixels: string;
  readonly shape: readonly number[];
}

/** Pictures as pixels for the client and as files for the command line, with what the latter says of them. */
async function prepare(
  bundle: string,
  exits: readonly string[],
  shape: readonly number[],
  raw: readonly Uint8Array[],
  encoded: readonly Uint8Array[],
): Promise<Pictures> {
  const folder = temporaryFolder();
  const pixels = join(folder, 'pixels.raw');
  writeFileSync(pixels, Buffer.concat(raw));
  const files = encoded.map((bytes, index) => {
    const file = join(folder, `${index}.png`);
    writeFileSync(file, bytes);
    return file;
  });
  return { pixels, shape, ...(await classified(bundle, files, exits)) };
}

let preparedDigits: Promise<Pictures> | undefined;

/** The first digits of one set that all tests share. */
async function digitsOf(rows: number): Promise<Pictures & { readonly rows: number }> {
  preparedDigits ??= prepareDigits();
  const { label, exit, ...files } = await preparedDigits;
  return { ...files, rows, label: label.slice(0, rows), exit: exit.slice(0, rows) };
}

async function prepareDigits(): Promise<Pictures> {
  const images = samples(150);
  const raw = Array.from({ length: images.count }, (_, index) => images.image(index));
  return prepare(digits, ['branch', 'final'], [28, 28, 1], raw, await pictures(images));
}

async function prepareBlobs(count: number): Promise<Pictures> {
  const raw = Array.from({ length: count }, (_, index) => blobPicture([32, 32, 3], index));
  const encoded = raw.map((pixels) =>
    sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toBuffer(),
  );
  return prepare(pictured, ['branch', 'branch-2', 'final'], [32, 32, 3], raw, await Promise.all(encoded));
}

const Client = suite("NVIDIA's Python client");

/** A test that is skipped, with the reason, where there is no client. */
function client(name: string, test: () => Promise<void>): void {
  Client(name, async () => {
    if (lacking === undefined) await test();
    else skip(lacking);
  });
}

interface Described {
  readonly live: boolean;
  readonly ready: boolean;
  readonly modelReady: Readonly<Record<string, boolean>>;
  readonly server: { readonly name: string; readonly extensions: readonly string[] };
  readonly metadata: Readonly<Record<string, { readonly inputs: readonly object[] }>>;
  readonly config: Readonly<Record<string, { readonly max_batch_size: number }>>;
  readonly index: readonly { readonly name: string; readonly state: string }[];
  readonly statistics: { readonly model_stats: readonly { readonly name: string }[] };
}

client('finds the server, its models and their tensors', async () => {
  const models = [digits, `${pictured}-s1`];
  const told = await check<Described>('describe', { models });
  assert.equal([told.live, told.ready, told.server.name], [true, true, 'offramp']);
  assert.equal(told.modelReady, { [digits]: true, [`${pictured}-s1`]: true, nope: false });
  assert.ok(told.server.extensions.includes('binary_tensor_data'));
  assert.equal(told.metadata[digits]?.inputs, [{ name: 'image', datatype: 'UINT8', shape: [-1, 28, 28, 1] }]);
  assert.equal(told.metadata[`${pictured}-s1`]?.inputs, [
    { name: 'codes', datatype: 'UINT8', shape: [-1, 16, 8, 8] },
  ]);
  assert.is(told.config[digits]?.max_batch_size, 64);
  const names = [
    digits,
    `${digits}-s0`,
    `${digits}-s1`,
    pictured,
    ...[0, 1, 2].map((n) => `${pictured}-s${n}`),
  ];
  assert.equal(
    told.index.map(({ name, state }) => [name, state]),
    names.map((name) => [name, 'READY']),
  );
  assert.equal(
    told.statistics.model_stats.map(({ name }) => name),
    names,
  );
});

client(
  'gets the labels and exits of our own command line, in every way of sending and fetching',
  async () => {
    const { label, exit, ...settings } = await digitsOf(150);
    const { answers, sameLogits, labelsOfLogits } = await check<{
      answers: Record<string, Answer>;
      sameLogits: boolean;
      labelsOfLogits: number[];
    }>('ways', { model: digits, ...settings });
    assert.equal(Object.keys(answers), ['binary', 'json', 'version', 'gzip', 'deflate', 'default']);
    for (const [way, answer] of Object.entries(answers)) assert.equal(answer, { label, exit }, way);
    assert.ok(sameLogits);
    assert.equal(labelsOfLogits, label);
    note(`150 digits, ${exit.filter((one) => one === 0).length} left at the branch`);
  },
);

client('gets only the outputs that it asks for, its id, and classes in words', async () => {
  const { label, exit, ...settings } = await digitsOf(3);
  const told = await check<{
    id: string;
    names: string[];
    absent: boolean;
    label: number[];
    best: string[][];
    inTime: Answer;
  }>('outputs', { model: digits, ...settings });
  assert.equal([told.id, told.names, told.absent], ['id-7', ['label'], true]);
  assert.equal(told.label, label);
  assert.equal(told.inTime, { label, exit });
  for (const [row, words] of told.best.entries()) {
    assert.is(words.length, 2);
    assert.match(words[0] ?? '', new RegExp(`^-?\\d+\\.\\d{6}:${label[row]}:${label[row]}$`));
  }
});

client('gets for each of many requests at once its own rows', async () => {
  const { label, exit, ...settings } = await digitsOf(60);
  const told = await check<Record<string, (Answer & { id: string })[]>>('concurrent', {
    model: digits,
    ...settings,
  });
  for (const way of ['greenlets', 'asyncio']) {
    assert.is(told[way]?.length, 57);
    for (const [index, answer] of (told[way] ?? []).entries()) {
      const end = index + 1 + (index % 3);
      const expected = { id: String(index), label: label.slice(index, end), exit: exit.slice(index, end) };
      assert.equal(answer, expected, `${way} ${index}`);
    }
  }
});

client('is told in words what it cannot have', async () => {
  const { label: _label, exit: _exit, ...settings } = await digitsOf(2);
  const raised = await check<Record<string, { status: string; message: string }>>('errors', {
    model: digits,
    ...settings,
  });
  const expected: Readonly<Record<string, readonly [status: string, words: RegExp]>> = {
    model: ['404', /No model 'nope'/],
    version: ['404', /no version '2'/],
    input: ['400', /'picture'.*'image'/],
    output: ['400', /no output 'nope'/],
    shape: ['400', /\[2, 5\].*\[rows, 28, 28, 1\]/],
    datatype: ['400', /'FP32', expected UINT8/],
    token: ['401', /Authorization/],
    load: ['403', /asks for admin/],
    sharedMemory: ['501', /shared memory/],
    late: ['504', /budget/],
  };
  assert.equal(Object.keys(raised), Object.keys(expected));
  for (const [name, [status, words]] of Object.entries(expected)) {
    assert.is(raised[name]?.status, status, `${name}: ${raised[name]?.message}`);
    assert.match(raised[name]?.message ?? '', words);
  }
});

client('chains the segments of a bundle by itself and comes to the label of the whole', async () => {
  const { label, exit, ...settings } = await prepareBlobs(40);
  const told = await check<Answer & { chainLabel: number[]; furthest: number }>('chain', {
    ...{ model: pictured, segments: 3, rows: 40 },
    ...settings,
  });
  assert.equal({ label: told.label, exit: told.exit }, { label, exit });
  assert.equal(told.chainLabel, label);
  assert.ok(told.furthest < 1e-3, `logits differ by ${told.furthest}`);
  note(
    `40 pictures by exit: ${[0, 1, 2].map((index) => exit.filter((one) => one === index).length).join(', ')}`,
  );
});

Client.after(cleanUp);
Client.run();
