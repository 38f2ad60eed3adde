import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../edge/agent/index.ts';
import { type ClassifyLinesOptions, classifyLines } from '../../edge/daemon/index.ts';
import { readLines } from '../../edge/daemon/read-lines.ts';
import { OfframpError } from '../../shared/errors.ts';
import { rejectsCode, until, within } from '../protocol/expect.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-lines-'));

interface Said {
  readonly id: string | number;
  readonly line: number;
  readonly className?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** An answer that names the picture's bytes as its class, so that a test sees whose it is. */
function answerTo(picture: Uint8Array): Answer {
  const stages = { prepare: 0, device: 0, exit: 0, encode: 0, network: 0, cloudQueue: 0, cloudRun: 0 };
  return {
    ...{ label: 0, className: Buffer.from(picture).toString(), probabilities: new Float64Array([1]) },
    ...{ entropy: 0, exit: 'branch', route: 'exit', degraded: false, latencyMs: 0, stagesMs: stages },
    bytesSent: 0,
  };
}

function image(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Runs lines through; `input` is what they are written to. */
function start(change: Partial<ClassifyLinesOptions> = {}) {
  const input = new PassThrough();
  const said: Said[] = [];
  const stop = new AbortController();
  const done = classifyLines({
    ...{ input, maxInFlight: 4, signal: stop.signal },
    classify: async (picture) => answerTo(picture),
    write: async (line) => {
      said.push(JSON.parse(line));
    },
    ...change,
  });
  return { input, said, stop, done: within(5000, done) };
}

/** All that is said to a text. */
async function saidTo(
  text: string | Uint8Array,
  change: Partial<ClassifyLinesOptions> = {},
): Promise<Said[]> {
  const { input, said, done } = start(change);
  input.end(text);
  await done;
  return said;
}

const Lines = suite('lines of JSON');

Lines('are answered each, by their own name, else their path, else their place', async () => {
  const file = join(folder, 'seven.png');
  writeFileSync(file, 'seven');
  const requests = [
    { id: 7, image: image('a') },
    { id: 'b', path: file },
    { path: file },
    { image: image('d') },
  ];
  const said = await saidTo(requests.map((one) => `${JSON.stringify(one)}\r\n`).join('\n'));
  const inOrder = said.sort((a, b) => a.line - b.line);
  assert.equal(
    inOrder.map(({ id, line, className }) => [id, line, className]),
    [
      [7, 1, 'a'],
      ['b', 3, 'seven'],
      [file, 5, 'seven'],
      ['7', 7, 'd'],
    ],
  );
});

Lines('are answered as the answers come, and the last one needs no end', async () => {
  let release = () => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { input, said, done } = start({
    classify: async (picture) => {
      if (Buffer.from(picture).toString() === 'slow') await slow;
      return answerTo(picture);
    },
  });
  input.end(`{"id":"1","image":"${image('slow')}"}\n{"id":"2","image":"${image('fast')}"}`);
  await until(() => said.length === 1);
  release();
  assert.equal(await done, { answers: 2, errors: 0 });
  assert.equal(
    said.map(({ id }) => id),
    ['2', '1'],
  );
});

Lines('hand their budget on, and none where they name none', async () => {
  const budgets: (number | undefined)[] = [];
  const classify = async (picture: Uint8Array, budgetMs: number | undefined) => {
    budgets.push(budgetMs);
    return answerTo(picture);
  };
  await saidTo(`{"image":"AA==","budgetMs":12.5}\n{"image":"AA=="}\n`, { classify, maxInFlight: 1 });
  assert.equal(budgets, [12.5, undefined]);
});

const fifo = join(folder, 'fifo');
const wrong: readonly [line: string | Uint8Array, code: string, id: string | number, part: string][] = [
  ['{"id": 1,', 'IMAGE_INVALID', '1', 'no JSON'],
  [Uint8Array.of(0x22, 0xff, 0x22), 'IMAGE_INVALID', '1', 'no JSON'],
  ['[]', 'IMAGE_INVALID', '1', 'object'],
  ['null', 'IMAGE_INVALID', '1', 'object'],
  ['{"id":"a"}', 'IMAGE_MISSING', 'a', 'neither path nor image'],
  ['{"id":"a","path":"x","image":"AA=="}', 'IMAGE_INVALID', 'a', 'path and image'],
  ['{"id":"a","image":"AA==","budget":1}', 'IMAGE_INVALID', 'a', '/budget no such field'],
  ['{"id":"a","image":"AA==","budgetMs":0}', 'BUDGET_INVALID', 'a', 'budgetMs'],
  ['{"id":{},"image":"AA=="}', 'IMAGE_INVALID', '1', '/id'],
  [`{"id":3,"path":"${join(folder, 'missing.png')}"}`, 'IMAGE_MISSING', 3, 'ENOENT'],
  [`{"path":"${folder}"}`, 'IMAGE_INVALID', folder, 'no file'],
  [`{"id":"a","path":"${fifo}"}`, 'IMAGE_INVALID', 'a', 'no file'],
  [`{"id":"a","image":"${'A'.repeat(13_000_000)}"}`, 'IMAGE_TOO_LARGE', '1', 'longer than'],
];
for (const [line, code, id, part] of wrong) {
  const shown = Buffer.from(line).toString('latin1').replace(folder, 'FOLDER').slice(0, 60);
  Lines(`like ${shown} get ${code}, and the next one its answer`, async () => {
    if (String(line).includes(fifo)) execFileSync('mkfifo', [fifo]);
    const next = Buffer.from(`\n{"id":"next","image":"${image('b')}"}\n`);
    const said = await saidTo(Buffer.concat([Buffer.from(line), next]), { maxInFlight: 1 });
    assert.equal([said[0]?.id, said[0]?.line, said[0]?.error?.code], [id, 1, code]);
    assert.ok(said[0]?.error?.message.includes(part), said[0]?.error?.message);
    assert.equal([said[1]?.id, said[1]?.className], ['next', 'b']);
  });
}

Lines('whose picture the agent refuses get its error', async () => {
  const classify = () => Promise.reject(new OfframpError('IMAGE_INVALID', 'no picture at all'));
  const [said] = await saidTo('{"image":"AA=="}\n', { classify });
  assert.equal(said?.error, { code: 'IMAGE_INVALID', message: 'no picture at all' });
});

Lines('are read only as there is room for them', async () => {
  let pieces = 0;
  let open = false;
  const input = new Readable({
    highWaterMark: 1,
    read() {
      pieces++;
      this.push(pieces > 100 ? null : `{"image":"AA=="}\n`);
    },
  });
  let underWay = 0;
  let most = 0;
  const { said, done } = start({
    input,
    maxInFlight: 3,
    classify: async (picture) => {
      underWay++;
      most = Math.max(most, underWay);
      while (!open) await new Promise((resolve) => setTimeout(resolve, 1));
      underWay--;
      return answerTo(picture);
    },
  });
  await until(() => underWay === 3);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(pieces < 8, `${pieces} lines were read while 3 were under way`);
  open = true;
  assert.equal(await done, { answers: 100, errors: 0 });
  assert.equal([said.length, most], [100, 3]);
});

Lines('wait for a reader that is slow, and end when there is none any more', async () => {
  const pending: (() => void)[] = [];
  const slow = start({ write: () => new Promise((resolve) => pending.push(resolve)), maxInFlight: 2 });
  slow.input.end('{"image":"AA=="}\n'.repeat(10));
  await until(() => pending.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(pending.length, 2);
  for (let line = 0; line < 10; line++) {
    await until(() => pending.length > line);
    pending[line]?.();
  }
  assert.equal(await slow.done, { answers: 10, errors: 0 });
  const gone = start({ write: () => Promise.reject(new Error('EPIPE')) });
  gone.input.write('{"image":"AA=="}\n');
  assert.equal(await gone.done, { answers: 1, errors: 0 });
});

Lines('under way are answered after a stop, those behind them are not begun', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun = 0;
  const { input, said, stop, done } = start({
    maxInFlight: 2,
    classify: async (picture) => {
      begun++;
      await held;
      return answerTo(picture);
    },
  });
  input.write('{"image":"AA=="}\n'.repeat(5));
  await until(() => begun === 2);
  stop.abort();
  release();
  assert.equal(await done, { answers: 2, errors: 0 });
  assert.equal(
    said.map(({ line }) => line),
    [1, 2],
  );
});

Lines('that cannot be read on are an error', async () => {
  const { input, done } = start();
  input.destroy(new Error('EISDIR'));
  await rejectsCode(done, 'DATA_MISSING', 'EISDIR');
});

Lines('are cut at line ends, whatever pieces they come in', async () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const pieces = fc.array(
    fc
      .uint8Array({ maxLength: 12 })
      .chain((piece) => byte.map((at) => Buffer.from([...piece, at < 99 ? 10 : at]))),
  );
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 0, max: 12 }), async (all, maxBytes) => {
      const found: string[] = [];
      for await (const line of readLines(Readable.from(all), maxBytes)) {
        found.push(line === 'too long' ? line : Buffer.from(line).toString('latin1'));
      }
      const whole = Buffer.concat(all).toString('latin1').split('\n');
      if (whole.at(-1) === '') whole.pop();
      assert.equal(
        found,
        whole.map((line) => (line.length > maxBytes ? 'too long' : line)),
      );
    }),
  );
});

Lines.after(() => rmSync(folder, { recursive: true, force: true }));
Lines.run();
