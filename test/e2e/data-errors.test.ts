/** Data that is not there, damaged or another's, as a user meets it: `offramp evaluate --data ...` names the file and the mend. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { editedBundle, inLanes, temporaryFolder } from './images.ts';
import { cleanUp, committedBundle, runCommand } from './support.ts';

const records = 10_000;
const recordBytes = 3073;

/** A test file of the published size, in which the classes take turns unless `change` says otherwise. */
function testBatch(change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(records * recordBytes);
  for (let record = 0; record < records; record++) bytes[record * recordBytes] = record % 10;
  change(bytes);
  return new Uint8Array(gzipSync(bytes, { level: 1 }));
}

const good = testBatch();

interface Fault {
  readonly name: string;
  /** Files of the data folder, by their path in it. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  readonly code: string;
  /** The file that the message names, by its path in the data folder, and what comes behind that. */
  readonly file: string;
  readonly says: string;
  /** What the message advises; DIR stands for the data folder. */
  readonly mend: string;
}

function dataFolder(files: Fault['files']): string {
  const folder = temporaryFolder();
  for (const name of ['cifar10', 'mnist']) mkdirSync(join(folder, name));
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content);
  return folder;
}

/** A bundle that says it was trained on CIFAR-10; its data is read and checked before anything else of it is used. */
function cifarBundle(): string {
  return editedBundle(({ training }) => {
    training.dataset = 'cifar10';
  });
}

async function assertNamed(bundle: string, { name, files, code, file, says, mend }: Fault): Promise<void> {
  const folder = dataFolder(files);
  const { ending, stdout, stderr } = await runCommand(['evaluate', '--bundle', bundle, '--data', folder]);
  assert.is(ending, 1, `${name}: ${stderr}`);
  assert.is(stdout, '', `${name}: nothing on stdout`);
  assert.ok(stderr.startsWith(`${code}: ${join(folder, file)} ${says}`), `${name}: ${stderr}`);
  assert.ok(stderr.includes(mend.replace('DIR', folder)), `${name}: ${stderr}`);
  assert.not.match(stderr, /\n\s+at /, `${name}: no stack trace`);
}

async function assertAllNamed(bundle: string, faults: readonly Fault[]): Promise<void> {
  await inLanes(2, faults.length, async (index) => {
    const fault = faults[index];
    if (fault !== undefined) await assertNamed(bundle, fault);
  });
}

const errors = suite('data that cannot be measured on');
errors.after.each(cleanUp);

errors('of CIFAR-10 is named with its file and the mend', async () => {
  const file = 'cifar10/test_batch.bin.gz';
  const fetchIt = 'offramp data cifar10 --to DIR';
  const deleteIt = `Delete it, then: ${fetchIt}`;
  const corrupt = { code: 'DATA_CORRUPT', file, mend: deleteIt };
  const eleventh = testBatch((bytes) => {
    bytes[42 * recordBytes] = 10;
  });
  // A file of the training part has the size of the test file, and only nearly as many images of each class.
  const swapped = testBatch((bytes) => {
    bytes[0] = 5;
  });
  const small = new Uint8Array(gzipSync(new Uint8Array(100 * recordBytes)));
  await assertAllNamed(cifarBundle(), [
    { name: 'missing', files: {}, code: 'DATA_MISSING', file, says: 'is missing', mend: fetchIt },
    {
      ...corrupt,
      name: 'cut short',
      files: { [file]: good.subarray(0, -100) },
      says: 'is no whole gzip file',
    },
    {
      ...corrupt,
      name: 'another size',
      files: { [file]: small },
      says: 'holds 307300 bytes, expected 30730000',
    },
    {
      ...corrupt,
      name: 'label',
      files: { [file]: eleventh },
      says: 'has label 10 in record 42, expected 0 to 9',
    },
    { ...corrupt, name: 'swapped', files: { [file]: swapped }, says: 'has 999 images of class 0 (airplane)' },
  ]);
});

errors('in the list of approximate images is named with its file', async () => {
  const file = 'cifar10/approx_indices.json';
  const fault = { code: 'DATA_CORRUPT', file, mend: 'delete it where every image is the published one' };
  const withList = (list: string) => ({ 'cifar10/test_batch.bin.gz': good, [file]: list });
  await assertAllNamed(cifarBundle(), [
    { ...fault, name: 'no JSON', files: withList('{'), says: 'is no JSON' },
    { ...fault, name: 'record', files: withList('{"test_batch.bin":[10000]}'), says: 'lists record 10000' },
  ]);
});

errors('of MNIST is named with its file and the mend', async () => {
  const file = 'mnist/t10k-images-idx3-ubyte.gz';
  const fetchIt = 'offramp data mnist --to DIR';
  const corrupt = { code: 'DATA_CORRUPT', file, mend: `Delete it, then: ${fetchIt}` };
  await assertAllNamed(committedBundle, [
    { name: 'missing', files: {}, code: 'DATA_MISSING', file, says: 'is missing', mend: fetchIt },
    { ...corrupt, name: 'another file', files: { [file]: good }, says: 'begins with 0x' },
  ]);
});

errors('of another shape than the bundle takes is refused by the field that does not fit', async () => {
  const folder = dataFolder({ 'cifar10/test_batch.bin.gz': good });
  const args = ['evaluate', '--bundle', cifarBundle(), '--data', folder];
  const { ending, stderr } = await runCommand(args);
  assert.is(ending, 1);
  const expected = 'BUNDLE_MANIFEST_INVALID: manifest.json: input.shape is [28, 28, 1], expected [32, 32, 3]';
  assert.ok(stderr.startsWith(expected), stderr);
});

errors.run();
