import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf, openBundle, parseRecords, verifyFile } from '../../shared/bundle/index.ts';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import { jsonBytes, makeFixture, recordBytes } from './fixture.ts';

async function rejects(action: () => unknown, code: ErrorCode, ...parts: string[]): Promise<void> {
  let thrown: unknown;
  try {
    await action();
  } catch (error) {
    thrown = error;
  }
  assert.instance(thrown, OfframpError);
  const { code: got, message } = thrown as OfframpError;
  assert.is(got, code, message);
  for (const part of parts) assert.ok(message.includes(part), `expected "${part}" in: ${message}`);
}

const Digest = suite('digest');

Digest('is SHA-256 as FIPS 180-4 has it', async () => {
  const abc = new TextEncoder().encode('abc');
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  assert.is(await digestOf(abc), expected);
  assert.is(await digestOf(Uint8Array.of(0, ...abc).subarray(1)), expected);
});

Digest('of a file is checked, size first', async () => {
  const bytes = new TextEncoder().encode('abc');
  const entry = { file: 'a.bin', sha256: await digestOf(bytes), bytes: 3 };
  await verifyFile(entry, bytes);
  await rejects(
    () => verifyFile(entry, bytes.subarray(1)),
    'BUNDLE_FILE_CORRUPT',
    'a.bin',
    'got 2 bytes, expected 3',
  );
  const other = Uint8Array.of(97, 98, 100);
  const got = await digestOf(other);
  await rejects(
    () => verifyFile(entry, other),
    'BUNDLE_FILE_CORRUPT',
    'a.bin',
    `got SHA-256 ${got}`,
    entry.sha256,
  );
});

Digest.run();

const Opening = suite('opening a bundle');

Opening('reads manifest, segments and tables, and nothing else', async () => {
  const fixture = await makeFixture();
  const bundle = await openBundle(fixture.readFile);
  assert.equal(fixture.reads.toSorted(), [
    'cut1.tables.bin',
    'manifest.json',
    's0.onnx',
    's1.onnx',
    's2.onnx',
  ]);
  assert.equal(bundle.manifest, fixture.manifest);
  assert.is(bundle.digest, await digestOf(jsonBytes(fixture.manifest)));
  assert.equal(
    bundle.segments.map((segment) => segment?.bytes),
    ['s0.onnx', 's1.onnx', 's2.onnx'].map((name) => fixture.files.get(name)),
  );
  assert.is(bundle.segment(1).spec.name, 's1');
  assert.is(bundle.exit(1).name, 'middle');
  assert.is(bundle.exit(2).threshold, undefined);
});

Opening('gives each cut its codec, with tables and without', async () => {
  const bundle = await openBundle((await makeFixture()).readFile);
  assert.is(bundle.codec(1).maxBytes, (2 * 4 * 4 * 2) / 8 + 2);
  assert.is(bundle.codec(2).maxBytes, 1 + 2);
  const codes = new Uint8Array(32);
  // Uniform tables code the lowest codes as nothing; without tables they must be packed.
  assert.is(bundle.codec(1).encode(codes).length, 2);
  assert.is(bundle.codec(2).encode(codes.subarray(0, 4)).length, 3);
  assert.is(bundle.codec(1), bundle.codec(1));
});

Opening('gives a codec of its own to each rate of a cut, and that of all channels to the last', async () => {
  const bundle = await openBundle((await makeFixture()).readFile);
  const low = bundle.codec(1, 1);
  assert.equal([low.bits, low.count, low.maxBytes], [2, 16, (16 * 2) / 8 + 2]);
  assert.is(bundle.codec(1, 1), low);
  assert.is(bundle.codec(1, 2), bundle.codec(1));
  const codes = Uint8Array.from({ length: 32 }, (_, index) => index % 3);
  assert.equal(low.decode(low.encode(codes.subarray(0, low.count))), codes.subarray(0, 16));
});

Opening('of a device has the rates of its cut', async () => {
  const bundle = await openBundle((await makeFixture()).readFile, { segments: [0] });
  assert.is(bundle.codec(1, 1).count, 16);
  await rejects(() => bundle.codec(2, 1), 'CUT_UNSUPPORTED', 'cut 2');
});

Opening(
  'has no codec for a rate that the cut does not list, nor for channels that the codes do not have',
  async () => {
    const bundle = await openBundle((await makeFixture()).readFile);
    for (const channels of [0, -1, 3, 1.5, Number.NaN, 4096]) {
      await rejects(
        () => bundle.codec(1, channels),
        'RATE_UNSUPPORTED',
        `${channels} channels at cut 1`,
        '1, 2',
      );
    }
    await rejects(() => bundle.codec(3, 1), 'CUT_UNSUPPORTED', 'cut 3');
  },
);

Opening('sends all channels at a cut without rates, and nothing else', async () => {
  const fixture = await makeFixture();
  const cuts = fixture.manifest.cuts.map(({ rates: _, ...cut }) => cut);
  fixture.files.set('manifest.json', jsonBytes({ ...fixture.manifest, cuts }));
  const bundle = await openBundle(fixture.readFile);
  assert.is(bundle.codec(1, 2), bundle.codec(1));
  await rejects(() => bundle.codec(1, 1), 'RATE_UNSUPPORTED', 'tiny', '1 channels at cut 1', 'one of: 2');
});

Opening('for the device reads the first segment and its cut only', async () => {
  const fixture = await makeFixture();
  const bundle = await openBundle(fixture.readFile, { segments: [0] });
  assert.equal(fixture.reads.toSorted(), ['cut1.tables.bin', 'manifest.json', 's0.onnx']);
  assert.is(bundle.segments.length, 3);
  assert.is(bundle.segments[1], undefined);
  assert.is(bundle.codec(1).count, 32);
  await rejects(() => bundle.segment(1), 'BUNDLE_FILE_MISSING', 'tiny', 'segment 1', 'read: 0');
  await rejects(() => bundle.codec(2), 'CUT_UNSUPPORTED', 'cut 2', 'read: 1');
});

Opening('for the cloud has the codec of the cut it is entered by', async () => {
  const fixture = await makeFixture();
  const bundle = await openBundle(fixture.readFile, { segments: [2, 1] });
  assert.equal(fixture.reads.toSorted(), ['cut1.tables.bin', 'manifest.json', 's1.onnx', 's2.onnx']);
  assert.is(bundle.codec(1).count, 32);
  assert.is(bundle.codec(2).count, 4);
  assert.is(bundle.segment(2).index, 2);
});

Opening('has no codec where no codes cross', async () => {
  const bundle = await openBundle((await makeFixture()).readFile);
  for (const cut of [0, 3, -1, 1.5, Number.NaN])
    await rejects(() => bundle.codec(cut), 'CUT_UNSUPPORTED', `cut ${cut}`);
  assert.throws(() => bundle.exit(3), /got exit 3, expected 0 to 2/);
});

Opening('refuses a list with a segment that does not exist', async () => {
  const { readFile } = await makeFixture();
  await rejects(() => openBundle(readFile, { segments: [0, 3] }), 'CONFIG_INVALID', 'got 3, expected 0 to 2');
});

for (const name of ['manifest.json', 's1.onnx', 'cut1.tables.bin']) {
  Opening(`names ${name} when it is missing`, async () => {
    const fixture = await makeFixture();
    fixture.files.delete(name);
    await rejects(() => openBundle(fixture.readFile), 'BUNDLE_FILE_MISSING', `${name}: `, 'no such file');
  });
}

for (const name of ['s0.onnx', 's2.onnx', 'cut1.tables.bin']) {
  Opening(`names ${name} when it is changed or cut short`, async () => {
    const fixture = await makeFixture();
    const bytes = fixture.files.get(name) ?? new Uint8Array(0);
    fixture.files.set(name, bytes.with(0, 0xee));
    await rejects(() => openBundle(fixture.readFile), 'BUNDLE_FILE_CORRUPT', `${name}: got SHA-256`);
    fixture.files.set(name, bytes.subarray(0, -1));
    await rejects(
      () => openBundle(fixture.readFile),
      'BUNDLE_FILE_CORRUPT',
      `${name}: got ${bytes.length - 1} bytes`,
    );
  });
}

Opening('refuses tables that are what the manifest says but no tables', async () => {
  const fixture = await makeFixture();
  const bytes = new Uint8Array(1024).fill(1);
  const sha256 = await digestOf(bytes);
  const [first, ...cuts] = structuredClone(fixture.manifest.cuts);
  assert.ok(first?.tables);
  const manifest = {
    ...fixture.manifest,
    cuts: [{ ...first, tables: { ...first.tables, sha256 } }, ...cuts],
  };
  fixture.files.set('manifest.json', jsonBytes(manifest));
  fixture.files.set('cut1.tables.bin', bytes);
  await rejects(
    () => openBundle(fixture.readFile),
    'BUNDLE_FILE_CORRUPT',
    'cut1.tables.bin: row 0: got sum 1028',
  );
});

Opening('refuses a broken manifest before it reads anything else', async () => {
  const fixture = await makeFixture();
  fixture.files.set('manifest.json', jsonBytes({ ...fixture.manifest, schemaVersion: 2 }));
  await rejects(() => openBundle(fixture.readFile), 'BUNDLE_MANIFEST_INVALID', 'schemaVersion');
  assert.equal(fixture.reads, ['manifest.json']);
});

Opening.run();

const Reading = suite('reading from a bundle');

Reading('verifies each file on each read', async () => {
  const fixture = await makeFixture();
  const bundle = await openBundle(fixture.readFile, { segments: [0] });
  assert.equal(await bundle.read('whole.onnx'), fixture.files.get('whole.onnx'));
  fixture.files.set('whole.onnx', new TextEncoder().encode('ALL graphs'));
  await rejects(() => bundle.read('whole.onnx'), 'BUNDLE_FILE_CORRUPT', 'whole.onnx');
  assert.equal(await bundle.read('baseline.onnx'), fixture.files.get('baseline.onnx'));
  fixture.files.set('baseline.onnx', new TextEncoder().encode('a graph without leaves  '));
  await rejects(() => bundle.read('baseline.onnx'), 'BUNDLE_FILE_CORRUPT', 'baseline.onnx: got SHA-256');
  fixture.files.delete('whole.onnx');
  await rejects(() => bundle.read('whole.onnx'), 'BUNDLE_FILE_MISSING', 'whole.onnx');
});

Reading('refuses names that the manifest does not list, without asking the reader', async () => {
  const fixture = await makeFixture();
  const bundle = await openBundle(fixture.readFile);
  fixture.reads.length = 0;
  for (const name of ['../secret', 'README.md', 'manifest.json', '']) {
    await rejects(() => bundle.read(name), 'BUNDLE_FILE_MISSING', `got file ${name}`);
  }
  assert.equal(fixture.reads, []);
});

Reading('gives the records of a split', async () => {
  const bundle = await openBundle((await makeFixture()).readFile, { segments: [] });
  const records = await bundle.records('calibration');
  assert.is(records.images, 5);
  assert.equal(records.labels, Uint8Array.of(0, 1, 2, 0, 1));
  assert.equal(records.logits(2, 4), Float32Array.of(420, 421, 422));
  await rejects(
    () => bundle.records('training'),
    'BUNDLE_FILE_MISSING',
    'split training',
    'calibration, test',
  );
});

Reading.run();

const Records = suite('records');
const shape = { images: 5, exits: 2, classes: 3, file: 'records-test.bin' };

Records('are read at any alignment, each logit in its place', () => {
  const bytes = recordBytes(5, 2, 3);
  for (const shift of [0, 1, 2, 3, 4]) {
    const shifted = new Uint8Array(bytes.length + shift);
    shifted.set(bytes, shift);
    const records = parseRecords(shifted.subarray(shift), shape);
    assert.equal(records.labels, Uint8Array.of(0, 1, 2, 0, 1));
    assert.equal(records.logits(0, 0), Float32Array.of(0, 1, 2));
    assert.equal(records.logits(1, 0), Float32Array.of(10, 11, 12));
    assert.equal(records.logits(1, 4), Float32Array.of(410, 411, 412));
  }
});

Records('are views, not copies', () => {
  const records = parseRecords(recordBytes(5, 2, 3), shape);
  assert.is(records.logits(0, 1).buffer, records.logits(1, 3).buffer);
});

Records('outside their bounds are refused', () => {
  const records = parseRecords(recordBytes(5, 2, 3), shape);
  for (const index of [-1, 5, 0.5, Number.NaN])
    assert.throws(() => records.logits(0, index), /expected 0 to 4/);
  for (const index of [-1, 2]) assert.throws(() => records.logits(index, 0), /expected 0 to 1/);
});

Records('that are damaged are refused, naming file and image', async () => {
  const bytes = recordBytes(5, 2, 3);
  const parse = (damaged: Uint8Array) => () => parseRecords(damaged, shape);
  const code = 'BUNDLE_FILE_CORRUPT';
  await rejects(parse(bytes.subarray(1)), code, 'records-test.bin', 'got 127 bytes, expected 128');
  await rejects(parse(bytes.with(2, 3)), code, 'label 3 for image 2, expected below 3');
  await rejects(parse(bytes.with(7, 1)), code, 'padding');
  const infinite = bytes.slice();
  new DataView(infinite.buffer).setFloat32(8 + 4 * 6 * 3, Number.POSITIVE_INFINITY, true);
  await rejects(parse(infinite), code, 'logit Infinity for image 3');
});

Records.run();
