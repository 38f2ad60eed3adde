import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type FoundFile, NewFiles } from '../../edge/daemon/new-files.ts';

function file(name: string, change: Partial<FoundFile> = {}): FoundFile {
  return { name, bytes: 100, writtenMs: 1000, inode: 1, ...change };
}

function names(files: readonly FoundFile[]): string[] {
  return files.map(({ name }) => name);
}

const New = suite('new files');

New('are complete when they have stayed as they are for so long', () => {
  const files = new NewFiles(500);
  assert.equal(files.look([file('a')], 0), []);
  assert.equal(files.look([file('a')], 499), []);
  assert.equal(names(files.look([file('a')], 500)), ['a']);
});

New('that grow, or are touched, are waited for from then on', () => {
  const files = new NewFiles(500);
  files.look([file('a')], 0);
  assert.equal(files.look([file('a', { bytes: 200 })], 400), []);
  assert.equal(files.look([file('a', { bytes: 200, writtenMs: 1001 })], 800), []);
  assert.equal(files.look([file('a', { bytes: 200, writtenMs: 1001 })], 1299), []);
  assert.equal(names(files.look([file('a', { bytes: 200, writtenMs: 1001 })], 1300)), ['a']);
});

New('that are empty are waited for longer', () => {
  const files = new NewFiles(500);
  files.look([file('a', { bytes: 0 })], 0);
  assert.equal(files.look([file('a', { bytes: 0 })], 1999), []);
  assert.equal(names(files.look([file('a', { bytes: 0 })], 2000)), ['a']);
});

New('come once, the oldest first, until they are written anew', () => {
  const files = new NewFiles(0);
  const found = [file('b', { writtenMs: 2 }), file('c', { writtenMs: 1 }), file('a', { writtenMs: 2 })];
  const complete = files.look(found, 0);
  assert.equal(names(complete), ['c', 'a', 'b']);
  for (const one of complete) files.take(one);
  assert.equal(files.look(found, 1), []);
  assert.equal(names(files.look([...found.slice(1), file('b', { writtenMs: 9 })], 2)), ['b']);
});

New('under an old name are told by their inode, be they as long and as old', () => {
  const files = new NewFiles(0);
  files.take(files.look([file('a')], 0)[0] ?? file('none'));
  assert.equal(names(files.look([file('a', { inode: 2 })], 1)), ['a']);
});

New('that could not be answered come again', () => {
  const files = new NewFiles(0);
  const [one] = files.look([file('a')], 0);
  if (one === undefined) throw new Error('no file');
  files.take(one);
  assert.not(files.areSettling);
  files.giveBack(one);
  assert.ok(files.areSettling);
  assert.equal(names(files.look([file('a')], 1)), ['a']);
});

New('are not those that were there before, unless they change', () => {
  const files = new NewFiles(0, [file('old')]);
  assert.equal(names(files.look([file('old'), file('new')], 0)), ['new']);
  assert.equal(names(files.look([file('old', { bytes: 7 })], 1)), ['old']);
});

New('that go and come back are new again, and those that went are forgotten', () => {
  const files = new NewFiles(0, [file('a')]);
  assert.equal(files.look([], 0), []);
  assert.equal(names(files.look([file('a')], 1)), ['a']);
});

New.run();
