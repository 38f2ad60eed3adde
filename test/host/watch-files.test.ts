import { mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileWatch } from '../../shared/host/index.ts';
import { until } from '../protocol/expect.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-watch-'));
const watches: FileWatch[] = [];
let number = 0;

async function watched(everyMs = 60_000) {
  const file = join(folder, `file-${number++}`);
  writeFileSync(file, 'one');
  const watch = await FileWatch.of([file, `${file}.other`]);
  watches.push(watch);
  let changes = 0;
  watch.start(everyMs, async () => {
    changes++;
  });
  return { file, watch, changes: () => changes };
}

const Watch = suite('watching files');
Watch.after.each(() => {
  for (const watch of watches.splice(0)) watch.stop();
});
Watch.after(() => rmSync(folder, { recursive: true }));

Watch('a look at unchanged files does nothing, however often', async () => {
  const { watch, changes } = await watched();
  for (let time = 0; time < 3; time++) await watch.look();
  assert.is(changes(), 0);
});

Watch('notices a file that is written over, once', async () => {
  const { file, watch, changes } = await watched();
  writeFileSync(file, 'two');
  await watch.look();
  await watch.look();
  assert.is(changes(), 1);
});

Watch('notices another file of the same time and length under the name', async () => {
  const { file, watch, changes } = await watched();
  writeFileSync(`${file}.new`, 'two');
  const at = new Date(2020, 1, 1);
  utimesSync(file, at, at);
  await watch.look();
  utimesSync(`${file}.new`, at, at);
  renameSync(`${file}.new`, file);
  await watch.look();
  assert.is(changes(), 2);
});

Watch('notices a link that points elsewhere, a file that goes and one that comes', async () => {
  const { file, watch, changes } = await watched();
  writeFileSync(`${file}.target`, 'two');
  rmSync(file);
  await watch.look();
  symlinkSync(`${file}.target`, file);
  await watch.look();
  writeFileSync(`${file}.other`, 'new');
  await watch.look();
  assert.is(changes(), 3);
});

Watch('waits for a file that is still being written', async () => {
  const { file, watch, changes } = await watched();
  let written = 3;
  const write = () => writeFileSync(file, 'x'.repeat(++written));
  write();
  const timer = setInterval(write, 20);
  const looked = watch.look();
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.is(changes(), 0, 'it was read half-written');
  clearInterval(timer);
  await looked;
  assert.is(changes(), 1);
});

Watch('looks by itself, and runs when it is told to', async () => {
  const { file, watch, changes } = await watched(20);
  await watch.force();
  assert.is(changes(), 1);
  writeFileSync(file, 'three');
  await until(() => changes() === 2);
});

Watch.run();
