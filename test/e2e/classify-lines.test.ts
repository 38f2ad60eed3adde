import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { within } from '../protocol/expect.ts';
import { drawnImage } from '../runtime/real-bundle.ts';
import { projectFolder } from './support.ts';

interface Said {
  readonly id: string | number;
  readonly line: number;
  readonly label?: number;
  readonly error?: { readonly code: string };
}

const folder = mkdtempSync(join(tmpdir(), 'offramp-classify-lines-'));
const started = new Set<ChildProcessWithoutNullStreams>();
const raw = { width: 28, height: 28, channels: 1 } as const;
const pictures = await Promise.all(
  [3, 77, 400].map((index) => sharp(drawnImage(index), { raw }).png().toBuffer()),
);

function start(...args: readonly string[]) {
  const offramp = join(projectFolder, 'scripts', 'offramp.mjs');
  const child = spawn(process.execPath, [offramp, 'classify', '--lines', ...args]);
  started.add(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    stderr: () => stderr,
    ended: () => within(30_000, ended),
    say: (value: unknown) =>
      child.stdin.write(`${typeof value === 'string' ? value : JSON.stringify(value)}\n`),
    async next(): Promise<Said> {
      const { value, done } = await within(30_000, answers.next());
      if (done) throw new Error(`stdout has ended: ${stderr}`);
      return JSON.parse(value);
    },
  };
}

const Lines = suite('offramp classify --lines');

Lines('answers while stdin is open, and ends with it', async () => {
  const file = join(folder, 'digit.png');
  writeFileSync(file, pictures[0] ?? '');
  const command = start();
  command.say({ id: 7, path: file });
  const first = await command.next();
  assert.equal([first.id, first.line, first.label === undefined], [7, 1, false]);
  const [, second, third] = pictures;
  command.say({ id: 'b', image: second?.toString('base64') });
  command.say({ image: third?.toString('base64'), budgetMs: 5000 });
  command.child.stdin.end();
  const last = [await command.next(), await command.next()];
  assert.equal(last.map(({ id }) => id).sort(), ['3', 'b']);
  assert.is(await command.ended(), 0, command.stderr());
  assert.is(command.stderr(), '');
});

Lines('goes on after a bad line, and ends with 1', async () => {
  const command = start('--max-in-flight', '1');
  command.say('no JSON');
  assert.is((await command.next()).error?.code, 'IMAGE_INVALID');
  command.say({ id: 'x', path: join(folder, 'missing.png') });
  assert.is((await command.next()).error?.code, 'IMAGE_MISSING');
  command.say({ id: 'y', image: 'AAAA' });
  assert.is((await command.next()).error?.code, 'IMAGE_INVALID');
  command.say({ id: 'z', image: pictures[0]?.toString('base64') });
  assert.is((await command.next()).label !== undefined, true);
  command.child.stdin.end();
  assert.is(await command.ended(), 1);
});

Lines('ends at SIGTERM though stdin is open', async () => {
  const command = start();
  const image = pictures[0]?.toString('base64');
  command.say({ id: 'first', image });
  await command.next();
  command.child.kill('SIGTERM');
  assert.is(await command.ended(), 0, command.stderr());
});

Lines('ends when nobody reads its answers any more', async () => {
  const command = start();
  const image = pictures[0]?.toString('base64');
  command.say({ id: 'first', image });
  await command.next();
  command.child.stdout.destroy();
  command.child.stdin.on('error', () => {});
  for (let line = 0; line < 50; line++) command.say({ image });
  assert.is(await command.ended(), 0, command.stderr());
});

Lines('takes no files', async () => {
  const command = start('digit.png');
  assert.is(await command.ended(), 2);
  assert.match(command.stderr(), '--lines');
});

Lines.after.each(() => {
  for (const child of started) child.kill('SIGKILL');
  started.clear();
});
Lines.after(() => rmSync(folder, { recursive: true, force: true }));
Lines.run();
