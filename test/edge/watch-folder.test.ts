import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../edge/agent/index.ts';
import { FolderWatch, type WatchFolderOptions } from '../../edge/daemon/watch-folder.ts';
import { OfframpError } from '../../shared/errors.ts';
import { rejectsCode, until, within } from '../protocol/expect.ts';

interface Said {
  readonly file: string;
  readonly className?: string;
  readonly error?: { readonly code: string };
}

const settleMs = 60;
const parent = mkdtempSync(join(tmpdir(), 'offramp-watch-'));
const watches = new Set<FolderWatch>();
let folders = 0;

function newFolder(): string {
  folders += 1;
  const folder = join(parent, String(folders));
  mkdirSync(folder);
  return folder;
}

/** An answer that names the picture's bytes as its class, so that a test sees whose it is. */
async function classify(picture: Uint8Array): Promise<Answer> {
  const text = Buffer.from(picture).toString();
  if (text.startsWith('bad')) throw new OfframpError('IMAGE_INVALID', 'no picture');
  const stages = { prepare: 0, device: 0, exit: 0, encode: 0, network: 0, cloudQueue: 0, cloudRun: 0 };
  return {
    ...{ label: 0, className: text, probabilities: new Float64Array([1]) },
    ...{ entropy: 0, exit: 'branch', route: 'exit', degraded: false, latencyMs: 0, stagesMs: stages },
    bytesSent: 0,
  };
}

async function start(folder: string, change: Partial<WatchFolderOptions> = {}) {
  const said: Said[] = [];
  const watching = await FolderWatch.start({
    ...{ folder, existing: 'passed over', settleMs, maxInFlight: 2, classify },
    ...{ onAnswer: () => {}, onError: () => {}, logger: pino({ level: 'silent' }) },
    deliver: async (_name, one) => {
      said.push(one as unknown as Said);
    },
    ...change,
  });
  watches.add(watching);
  /** What was said of each file, by its name, in order. */
  const told = () => said.map(({ file, className, error }) => [basename(file), className ?? error?.code]);
  return { watching, said, told };
}

/** As long as a complete file would need by far. */
const longEnough = () => new Promise((resolve) => setTimeout(resolve, settleMs * 4));

const Watch = suite('a watched folder');

Watch('answers files that are written and files that are renamed into place, each once', async () => {
  const folder = newFolder();
  const { told } = await start(folder);
  writeFileSync(join(folder, 'a.png'), 'first');
  await until(() => told().length === 1);
  writeFileSync(join(folder, '.b.png'), 'second');
  renameSync(join(folder, '.b.png'), join(folder, 'b.png'));
  await until(() => told().length === 2);
  await longEnough();
  assert.equal(told(), [
    ['a.png', 'first'],
    ['b.png', 'second'],
  ]);
});

Watch('waits for a file that is still being written', async () => {
  const folder = newFolder();
  const { told } = await start(folder);
  const file = join(folder, 'slow.png');
  for (const part of ['one ', 'two ', 'three ', 'four ', 'five']) {
    appendFileSync(file, part);
    await new Promise((resolve) => setTimeout(resolve, settleMs / 3));
  }
  await until(() => told().length > 0);
  assert.equal(told(), [['slow.png', 'one two three four five']]);
});

Watch('says of a file that is no picture what is wrong, and goes on', async () => {
  const folder = newFolder();
  const codes: string[] = [];
  const { told } = await start(folder, { onError: ({ code }) => codes.push(code), maxInFlight: 1 });
  writeFileSync(join(folder, 'a.txt'), 'bad');
  await until(() => told().length === 1);
  writeFileSync(join(folder, 'b.png'), 'good');
  await until(() => told().length === 2);
  assert.equal(told(), [
    ['a.txt', 'IMAGE_INVALID'],
    ['b.png', 'good'],
  ]);
  assert.equal(codes, ['IMAGE_INVALID']);
});

Watch('passes over folders, files with a dot and answers', async () => {
  const folder = newFolder();
  const { told } = await start(folder);
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, '.hidden.png'), 'x');
  writeFileSync(join(folder, 'a.png.json'), '{}');
  await longEnough();
  assert.equal(told(), []);
});

Watch('passes over what was there, or answers it, as it is told', async () => {
  const folder = newFolder();
  writeFileSync(join(folder, 'old.png'), 'old');
  const over = await start(folder);
  const all = await start(folder, { existing: 'answered' });
  await until(() => all.told().length === 1);
  await longEnough();
  assert.equal([over.told(), all.told()], [[], [['old.png', 'old']]]);
});

Watch('answers a file that is written anew again', async () => {
  const folder = newFolder();
  const { told } = await start(folder);
  const file = join(folder, 'latest.png');
  writeFileSync(file, 'one');
  await until(() => told().length === 1);
  writeFileSync(file, 'another');
  await until(() => told().length === 2);
  assert.equal(
    told().map(([, text]) => text),
    ['one', 'another'],
  );
});

Watch('has no more under way than it may, whatever the folder holds', async () => {
  const folder = newFolder();
  for (let index = 0; index < 20; index++) writeFileSync(join(folder, `${index}.png`), String(index));
  let underWay = 0;
  let most = 0;
  const { told } = await start(folder, {
    existing: 'answered',
    classify: async (picture) => {
      underWay++;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 2));
      underWay--;
      return classify(picture);
    },
  });
  await until(() => told().length === 20);
  assert.is(most, 2);
  assert.is(new Set(told().map(([name]) => name)).size, 20);
});

Watch('tries again what there was no room for', async () => {
  const folder = newFolder();
  let refusals = 0;
  const { told } = await start(folder, {
    classify: async (picture) => {
      if (refusals++ < 2) throw new OfframpError('BUSY', 'full');
      return classify(picture);
    },
  });
  writeFileSync(join(folder, 'a.png'), 'a');
  // Well before the folder is looked at anyway.
  await until(() => told().length === 1, 1500);
  assert.equal(told(), [['a.png', 'a']]);
});

Watch('goes on when an answer cannot be delivered', async () => {
  const folder = newFolder();
  const names: string[] = [];
  await start(folder, {
    deliver: async (name) => {
      names.push(name);
      if (names.length === 1) throw new Error('the disk is full');
    },
  });
  writeFileSync(join(folder, 'a.png'), 'a');
  await until(() => names.length === 1);
  writeFileSync(join(folder, 'b.png'), 'b');
  await until(() => names.length === 2);
  assert.equal(names, ['a.png', 'b.png']);
});

Watch('that goes and comes back is watched on', async () => {
  const folder = newFolder();
  const { told } = await start(folder);
  rmSync(folder, { recursive: true });
  await longEnough();
  mkdirSync(folder);
  writeFileSync(join(folder, 'a.png'), 'a');
  await until(() => told().length === 1);
  assert.equal(told(), [['a.png', 'a']]);
});

Watch('answers what is under way at the stop, and begins nothing more', async () => {
  const folder = newFolder();
  for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(folder, name), name);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun = 0;
  const { watching, told } = await start(folder, {
    existing: 'answered',
    classify: async (picture) => {
      begun++;
      await held;
      return classify(picture);
    },
  });
  await until(() => begun === 2);
  const stopped = watching.stop();
  release();
  await within(2000, stopped);
  assert.equal([begun, told().length], [2, 2]);
});

Watch('that cannot be read is refused at the start', async () => {
  await rejectsCode(start(join(parent, 'none')), 'CONFIG_INVALID', 'none');
});

Watch.after(async () => {
  for (const watching of watches) await watching.stop();
  rmSync(parent, { recursive: true, force: true });
});
Watch.run();
