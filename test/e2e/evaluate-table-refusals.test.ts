/** What `offramp evaluate --table` and `--plot` refuse, and what they then say. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawnData, temporaryFolder } from './drawn-bundle.ts';
import { cleanUp, committedBundle, runCommand } from './support.ts';

const Refusals = suite('offramp evaluate --table --plot, refusals');
Refusals.after.each(cleanUp);

/** Runs a command that must fail; gives its words. */
async function refused(ending: number, args: readonly string[]): Promise<string> {
  const result = await runCommand(['evaluate', ...args]);
  assert.is(result.ending, ending, result.stderr);
  assert.is(result.stdout, '');
  return result.stderr;
}

Refusals('of options that are about a server', async () => {
  assert.match(await refused(2, ['--table', '--concurrency', '4']), /'--table' cannot be used with .*--conc/);
});

Refusals('of two bundles where there is neither table nor curve', async () => {
  const words = await refused(1, ['--bundle', 'a', '--bundle', 'b']);
  assert.match(words, 'CONFIG_INVALID: --bundle: got a, b, expected one');
});

Refusals('of no data, with the way to get it', async () => {
  assert.match(await refused(1, ['--table']), /DATA_MISSING: .*--data DIR.*offramp data/);
  const words = await refused(1, ['--table', '--data', temporaryFolder(), '--bundle', committedBundle]);
  assert.match(words, /DATA_MISSING: .*offramp data mnist --to/);
});

Refusals('of one bundle twice', async () => {
  const twice = ['--bundle', committedBundle, '--bundle', committedBundle];
  const words = await refused(1, ['--table', '--data', drawnData(), ...twice]);
  assert.match(words, 'CONFIG_INVALID: --bundle: got two bundles with the id b-lenet-mnist');
});

Refusals('of a folder for curves that cannot be made', async () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  const args = ['--data', drawnData(), '--bundle', committedBundle];
  assert.match(await refused(1, ['--plot', file, ...args]), `CONFIG_INVALID: Cannot write ${file}`);
});

Refusals('of images that the records are not of', async () => {
  const args = ['--data', drawnData(), '--bundle', committedBundle];
  const words = await refused(1, ['--plot', temporaryFolder(), ...args]);
  assert.match(words, /DATA_CORRUPT: mnist: got class \d for test image \d/);
});

Refusals('of a cut that the bundle does not have', async () => {
  const args = ['--data', drawnData(), '--bundle', committedBundle];
  assert.match(await refused(1, ['--table', '--cut', '3', ...args]), /CUT_UNSUPPORTED: .*got cut 3/);
});

Refusals.run();
