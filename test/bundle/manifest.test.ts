import fc from 'fast-check';
import Value from 'typebox/value';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { manifestSchema, maximumManifestBytes, parseManifest } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { jsonBytes, makeFixture } from './fixture.ts';
import { changed, isObject, type Path, pathsIn, textOf, withValue } from './manifest-edits.ts';

const { manifest: valid } = await makeFixture();

function pathOf(text: string): Path {
  return (text.match(/[^.[\]]+/g) ?? []).map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

function faultOf(value: unknown): OfframpError | undefined {
  try {
    parseManifest(jsonBytes(value));
    return undefined;
  } catch (error) {
    if (error instanceof OfframpError) return error;
    throw error;
  }
}

function assertFault(value: unknown, path: string, part = ''): void {
  const fault = faultOf(value);
  assert.is(fault?.code, 'BUNDLE_MANIFEST_INVALID');
  assert.ok(
    fault?.message.startsWith(`manifest.json: ${path}: got `),
    `expected ${path}, was ${fault?.message}`,
  );
  assert.ok(fault?.message.includes(part), `expected "${part}" in: ${fault?.message}`);
  assert.ok(fault?.message.includes(', expected '), fault?.message);
}

const Parsing = suite('manifest');

Parsing('that is valid comes back as it was', () => {
  assert.equal(parseManifest(jsonBytes(valid)), valid);
});

Parsing('of a single segment needs no codes, no cuts and no threshold', () => {
  const single = {
    ...structuredClone(valid),
    segments: [{ ...valid.segments[0], codes: undefined }],
    exits: [{ name: 'final', segment: 's0', temperature: 1 }],
    cuts: [],
    whole: { ...valid.whole, logits: ['logits0'] },
    records: [],
  };
  assert.is(faultOf(single), undefined);
});

Parsing('needs neither rates nor a baseline', () => {
  const cuts = valid.cuts.map(({ rates: _, ...cut }) => cut);
  const { baseline: _, ...rest } = valid;
  assert.is(faultOf({ ...rest, cuts }), undefined);
});

Parsing('without records may have measured its rates on any split', () => {
  const elsewhere = withValue(valid, pathOf('cuts[0].rates[0].measured.split'), 'anywhere');
  assert.is(faultOf(withValue(elsewhere, ['records'], [])), undefined);
});

Parsing('may say anything about its training', () => {
  const training = { dataset: 'x', deep: { deeper: [1, null, { a: 'b' }] } };
  assert.is(faultOf({ ...valid, training }), undefined);
});

Parsing('is refused with a path for a null in any place', () => {
  const paths = pathsIn(valid);
  assert.ok(paths.length > 140, `${paths.length} places`);
  for (const path of paths) assertFault(withValue(valid, path, null), textOf(path), 'got null');
});

Parsing('is refused with a path for a field that is not there', () => {
  const optional = new Set(['cuts[0].tables', 'cuts[0].rates', 'baseline']);
  for (const path of pathsIn(valid)) {
    if (typeof path.at(-1) === 'number' || optional.has(textOf(path))) continue;
    const without = changed(valid, path, (parent, key) => delete parent[key]);
    assertFault(without, textOf(path), 'got nothing');
  }
});

Parsing('is refused with a path for a field that nobody knows', () => {
  const objects = pathsIn(valid).filter((path) => typeof path.at(-1) === 'string' && path[0] !== 'training');
  for (const path of objects) {
    const extra = changed(valid, path, (parent) => {
      parent.surplus = 5;
    });
    assertFault(extra, textOf([...path.slice(0, -1), 'surplus']), 'got 5, expected no such field');
  }
});

const rate = (channels: number) => ({ ...valid.cuts[0]?.rates?.[0], channels });

// Path, wrong value, part of what is expected. The fault is at the same path unless a fourth entry says where.
const broken: [path: string, value: unknown, expected: string, at?: string][] = [
  // One field
  ['schemaVersion', 2, 'the version of this schema, 1'],
  ['id', '../etc', 'the id of the bundle'],
  ['id', 'Tiny', 'lower-case'],
  ['version', '1.0', 'major.minor.patch'],
  ['classes', ['only'], '2 to 4096'],
  ['classes', ['cat', 'dog', 'cat'], 'other than that of classes[0]', 'classes[2]'],
  ['input.dtype', 'float32', 'uint8'],
  ['input.shape', [8, 8], 'height, width and colour channels'],
  ['input.shape', [8, 8, 1, 1], 'got 1, expected no such field', 'input.shape[3]'],
  ['input.shape[2]', 5, 'colour channels'],
  ['input.shape[0]', 1.5, 'height in pixels'],
  ['segments', [], '1 to 16'],
  ['segments[0].file', '../s0.onnx', 'no path'],
  ['segments[0].file', 'sub/s0.onnx', 'no path'],
  ['segments[0].file', 'sub\\s0.onnx', 'no path'],
  ['segments[0].file', '..', 'no path'],
  ['segments[0].file', 's0.onnx\n', 'no path'],
  ['segments[0].file', '', 'plain file name'],
  ['segments[0].sha256', 'A'.repeat(64), 'lower-case hex'],
  ['segments[0].sha256', 'a'.repeat(63), '64 lower-case hex'],
  ['segments[0].bytes', 0, 'size of the file'],
  ['segments[0].bytes', 2 ** 31, 'at most 2 GiB'],
  ['segments[0].macs', -1, 'multiply-accumulate'],
  ['segments[0].codes.shape[0]', 1025, 'number of channels'],
  ['segments[0].codes.dtype', 'int8', 'uint8'],
  ['segments[0].logits.dtype', 'float16', 'float32'],
  ['exits[0].temperature', 0, '0.01 to 100'],
  ['exits[0].threshold', 1.01, '0 to 1'],
  ['exits[0].threshold', -0.01, '0 to 1'],
  ['cuts[0].bits', 0, 'bits of one code'],
  ['cuts[0].bits', 9, 'bits of one code'],
  ['calibration.date', '22.11.2026', 'YYYY-MM-DD'],
  ['calibration.target.kind', 'luck', 'accuracy, agreement, device-share'],
  ['calibration.measured.accuracy', 99.5, '0 to 1'],
  ['calibration.guarantee', '', 'what the thresholds promise'],
  // The chain of segments
  ['segments[1].name', 's0', 'other than that of segments[0].name'],
  ['segments[0].input.shape', [8, 8, 3], '[8,8,1], as input says'],
  ['segments[0].input.name', 'codes', '"image", as input says'],
  ['segments[1].input.shape', [2, 4, 5], '[2,4,4], the codes of segments[0]'],
  ['segments[1].input.name', 'image', '"codes", the codes of segments[0]'],
  ['segments[1].codes.shape', [1, 2, 3], '[1,2,3], the codes of segments[1]', 'segments[2].input.shape'],
  ['segments[2].codes', { name: 'codes', dtype: 'uint8', shape: [1, 1, 1] }, 'no codes on the last segment'],
  ['segments[0].codes.shape', [1024, 1024, 2], 'at most 1048576 codes'],
  ['segments[2].logits.shape', [4], '[3], the number of classes'],
  ['segments[0].logits.shape', [1], 'number of classes', 'segments[0].logits.shape[0]'],
  // Exits
  ['exits', valid.exits.slice(0, 2), '3, one exit per segment', 'exits.length'],
  ['exits[1].name', 'branch', 'other than that of exits[0].name'],
  ['exits', [valid.exits[1], valid.exits[0], valid.exits[2]], '"s0"', 'exits[0].segment'],
  ['exits[2].threshold', 0.5, 'no threshold on the last exit'],
  // Cuts
  ['cuts', valid.cuts.slice(0, 1), '2, one cut after every segment but the last', 'cuts.length'],
  ['cuts', [...valid.cuts, { after: 's2', bits: 2 }], '2, one cut', 'cuts.length'],
  ['cuts[1].after', 's0', '"s1", the name of segments[1]'],
  ['cuts[0].bits', 3, '8, 2 to the power of bits', 'cuts[0].tables.levels'],
  ['cuts[0].tables.contexts', 256, '128, 64 per channel'],
  ['cuts[0].tables.levels', 8, '4, 2 to the power of bits'],
  ['cuts[0].tables.bytes', 1023, '1024, contexts x levels x 2'],
  // Rates
  ['cuts[0].rates', [], '1 to 64, ascending'],
  ['cuts[0].rates', Array.from({ length: 65 }, (_, index) => rate(index + 1)), '1 to 64, ascending'],
  ['cuts[0].rates', [rate(2), rate(1)], 'more than 2, as the rates ascend', 'cuts[0].rates[1].channels'],
  ['cuts[0].rates', [rate(2), rate(2)], 'more than 2, as the rates ascend', 'cuts[0].rates[1].channels'],
  ['cuts[0].rates', [rate(1)], '2, all channels of the codes', 'cuts[0].rates[0].channels'],
  ['cuts[0].rates', [rate(1), rate(3)], '2, all channels of the codes', 'cuts[0].rates[1].channels'],
  ['cuts[0].rates[0].channels', 0, 'number of channels sent'],
  ['cuts[0].rates[0].channels', 1.5, 'number of channels sent'],
  ['cuts[0].rates[0].measured.bytesMean', -1, 'at least 0'],
  ['cuts[0].rates[0].measured.accuracy', 87.5, '0 to 1'],
  ['cuts[0].rates[1].measured.split', 'training', 'one of the splits with records: calibration, test'],
  ['cuts[0].rates[1].measured.images', 7, '8, the images of its records'],
  ['cuts[0].tables', undefined, 'no rates on a cut without tables', 'cuts[0].rates'],
  ['cuts[1].rates', [rate(1)], 'no rates on a cut without tables'],
  // Baseline
  ['baseline.logits', 'logits0', 'its only output, "logits"'],
  ['baseline.file', 'sub/baseline.onnx', 'no path'],
  ['baseline.macs', -1, 'of the baseline per image'],
  // Whole, records, calibration
  ['whole.logits', ['logits0', 'logits2', 'logits1'], 'one output per exit'],
  ['whole.logits', ['logits0', 'logits1'], 'one output per exit'],
  ['records[0].bytes', 187, '188, the size of labels, padding and logits'],
  ['records[1].images', 9, 'the size of labels', 'records[1].bytes'],
  ['records[1].split', 'calibration', 'other than that of records[0].split'],
  ['calibration.split', 'training', 'calibration, test'],
  ['calibration.images', 6, '5, the images of its records'],
  // Files
  ['whole.file', 's0.onnx', 'other than that of segments[0].file'],
  ['whole.file', 'S0.onnx', 'other than that of segments[0].file'],
  ['baseline.file', 'Whole.onnx', 'other than that of whole.file'],
  ['records[0].file', 'baseline.onnx', 'other than that of baseline.file'],
  ['records[0].file', 'manifest.json', 'other than that of manifest.json itself'],
  ['cuts[0].tables.file', 's1.onnx', 'other than that of segments[1].file'],
];

for (const [path, value, expected, at = path] of broken) {
  Parsing(`is refused at ${at} for ${path} ${JSON.stringify(value)?.slice(0, 40)}`, () => {
    assertFault(withValue(valid, pathOf(path), value), at, expected);
  });
}

Parsing('is refused with records of more classes than a label byte can tell', () => {
  const classes = Array.from({ length: 257 }, (_, index) => `class ${index}`);
  const segments = valid.segments.map((segment) => ({
    ...segment,
    logits: { ...segment.logits, shape: [257] },
  }));
  assertFault({ ...valid, classes, segments }, 'records', 'a label is one byte');
  assert.is(faultOf({ ...valid, classes, segments, records: [] }), undefined);
});

Parsing('is refused when it is no JSON, no UTF-8, no object, or too long', () => {
  const texts = ['', '{', 'null', '[]', '5', '"manifest"', '{}'].map((text) =>
    new TextEncoder().encode(text),
  );
  const inputs = [
    ...texts,
    Uint8Array.of(0xff, 0xfe, 0x7b),
    new Uint8Array(maximumManifestBytes + 1).fill(0x20),
  ];
  for (const bytes of inputs) {
    assert.throws(
      () => parseManifest(bytes),
      (error: unknown) => error instanceof OfframpError && error.code === 'BUNDLE_MANIFEST_INVALID',
    );
  }
});

Parsing('with anything in any place is taken as the schema allows or refused with its code', () => {
  const paths = fc.constantFrom(...pathsIn(valid));
  fc.assert(
    fc.property(paths, fc.jsonValue(), (path, value) => {
      const fault = faultOf(withValue(valid, path, value));
      if (fault === undefined) return;
      assert.is(fault.code, 'BUNDLE_MANIFEST_INVALID');
      assert.ok(fault.message.length < 1000, fault.message);
    }),
    { numRuns: 1000 },
  );
});

Parsing('of any bytes gives its code', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => new TextEncoder().encode(text)),
      ),
      (bytes) => {
        assert.throws(
          () => parseManifest(bytes),
          (error: unknown) => error instanceof OfframpError && error.code === 'BUNDLE_MANIFEST_INVALID',
        );
      },
    ),
  );
});

Parsing.run();

const Schema = suite('manifest schema');

Schema('describes every field in words', () => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, path: string) => {
    if (!isObject(schema)) return;
    if (typeof schema.description !== 'string') undescribed.push(path);
    const { properties, items } = schema;
    if (isObject(properties))
      for (const [key, child] of Object.entries(properties)) visit(child, `${path}.${key}`);
    for (const child of Array.isArray(items) ? items : [items]) visit(child, `${path}[]`);
  };
  visit(manifestSchema, '');
  assert.equal(undescribed, []);
  assert.ok(Value.Check(manifestSchema, valid));
});

Schema.run();
