import { OfframpError } from '../errors.ts';
import { type CutSpec, type FileEntry, type Manifest, maximumCodes, type SegmentSpec } from './schema.ts';

/** Throws `BUNDLE_MANIFEST_INVALID` that names the field by its JSON path. */
export function refuse(path: string, got: unknown, expected: string): never {
  const where = path === '' ? 'manifest.json' : `manifest.json: ${path}`;
  throw new OfframpError('BUNDLE_MANIFEST_INVALID', `${where}: got ${shown(got)}, expected ${expected}`);
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}

function requireEqual(path: string, got: unknown, expected: unknown, because: string): void {
  if (JSON.stringify(got) === JSON.stringify(expected)) return;
  refuse(path, got, `${shown(expected)}, ${because}`);
}

function requireUnique(values: readonly string[], pathOf: (index: number) => string, what: string): void {
  const first = new Map<string, number>();
  values.forEach((value, index) => {
    const earlier = first.get(value);
    if (earlier !== undefined) refuse(pathOf(index), value, `${what} other than that of ${pathOf(earlier)}`);
    first.set(value, index);
  });
}

/** The rules that span fields, in the order of the manifest. Each failure is a `BUNDLE_MANIFEST_INVALID`. */
export function checkAcrossFields(manifest: Manifest): void {
  requireUnique(manifest.classes, (index) => `classes[${index}]`, 'a class name');
  checkSegments(manifest);
  checkExits(manifest);
  checkCuts(manifest);
  checkCalibration(manifest);
  checkWhole(manifest);
  checkRecords(manifest);
  checkFiles(manifest);
}

function checkSegments({ segments, input, classes }: Manifest): void {
  requireUnique(
    segments.map(({ name }) => name),
    (index) => `segments[${index}].name`,
    'a segment name',
  );
  segments.forEach((segment, index) => {
    const path = `segments[${index}]`;
    const previous = segments[index - 1];
    if (previous === undefined) checkInput(`${path}.input`, segment, input, 'as input says');
    else checkInput(`${path}.input`, segment, previous.codes, `the codes of segments[${index - 1}]`);
    requireEqual(`${path}.logits.shape`, segment.logits.shape, [classes.length], 'the number of classes');
    checkCodes(`${path}.codes`, segment, index, segments.length);
  });
}

function checkInput(
  path: string,
  { input }: SegmentSpec,
  expected: SegmentSpec['input'] | undefined,
  because: string,
): void {
  requireEqual(`${path}.name`, input.name, expected?.name, because);
  requireEqual(`${path}.shape`, input.shape, expected?.shape, because);
}

function checkCodes(path: string, { codes }: SegmentSpec, index: number, segments: number): void {
  if (index === segments - 1) {
    if (codes !== undefined) refuse(path, codes, 'no codes on the last segment');
    return;
  }
  if (codes === undefined) refuse(path, codes, 'the codes tensor, on every segment but the last');
  // A graph that takes codes and gives codes cannot call both by one name.
  requireEqual(`${path}.name`, codes.name, index === 0 ? 'codes' : `codes${index + 1}`, `cut ${index + 1}`);
  const [channels, rows, columns] = codes.shape;
  if (channels * rows * columns <= maximumCodes) return;
  refuse(`${path}.shape`, codes.shape, `at most ${maximumCodes} codes per image`);
}

function checkExits({ segments, exits }: Manifest): void {
  requireEqual('exits.length', exits.length, segments.length, 'one exit per segment');
  requireUnique(
    exits.map(({ name }) => name),
    (index) => `exits[${index}].name`,
    'an exit name',
  );
  exits.forEach((exit, index) => {
    const path = `exits[${index}]`;
    requireEqual(`${path}.segment`, exit.segment, segments[index]?.name, `the name of segments[${index}]`);
    const isLast = index === exits.length - 1;
    if (isLast && exit.threshold !== undefined) {
      refuse(`${path}.threshold`, exit.threshold, 'no threshold on the last exit, which always answers');
    }
    if (!isLast && exit.threshold === undefined) {
      refuse(`${path}.threshold`, exit.threshold, 'a threshold on every exit but the last');
    }
  });
}

function checkCuts({ segments, cuts }: Manifest): void {
  requireEqual('cuts.length', cuts.length, segments.length - 1, 'one cut after every segment but the last');
  cuts.forEach((cut, index) => {
    const path = `cuts[${index}]`;
    const segment = segments[index];
    requireEqual(`${path}.after`, cut.after, segment?.name, `the name of segments[${index}]`);
    const channels = segment?.codes?.shape[0] ?? 0;
    checkTables(`${path}.tables`, cut, channels);
    checkRates(`${path}.rates`, cut, channels);
  });
}

function checkTables(path: string, { tables, bits }: CutSpec, channels: number): void {
  if (tables === undefined) return;
  const { contexts, levels, bytes } = tables;
  requireEqual(`${path}.contexts`, contexts, channels * 64, '64 per channel of the codes');
  requireEqual(`${path}.levels`, levels, 2 ** bits, '2 to the power of bits');
  requireEqual(`${path}.bytes`, bytes, contexts * levels * 2, 'contexts x levels x 2');
}

function checkRates(path: string, { rates, tables }: CutSpec, channels: number): void {
  if (rates === undefined) return;
  if (tables === undefined) refuse(path, rates, 'no rates on a cut without tables');
  rates.forEach((rate, index) => {
    const previous = rates[index - 1]?.channels ?? 0;
    if (rate.channels > previous) return;
    refuse(`${path}[${index}].channels`, rate.channels, `more than ${previous}, as the rates ascend`);
  });
  const last = rates.length - 1;
  requireEqual(`${path}[${last}].channels`, rates[last]?.channels, channels, 'all channels of the codes');
}

function checkCalibration({ calibration, exits, segments }: Manifest): void {
  const { target, risk, measured, images, cut } = calibration;
  if (target.kind !== 'mean-cost' && target.value > 1) {
    refuse('calibration.target.value', target.value, `a share from 0 to 1 for ${target.kind}`);
  }
  if (cut !== undefined && cut > segments.length) {
    refuse('calibration.cut', cut, `at most ${segments.length}, the number of segments`);
  }
  if (measured.exitShares !== undefined) {
    requireEqual(
      'calibration.measured.exitShares.length',
      measured.exitShares.length,
      exits.length,
      'one per exit',
    );
  }
  if (risk === undefined) return;
  if (risk.images > images) {
    refuse('calibration.risk.images', risk.images, `at most ${images}, the images of the split`);
  }
  if (risk.method !== 'crc' && risk.delta === undefined) {
    refuse('calibration.risk.delta', risk.delta, `a probability, as the method is ${risk.method}`);
  }
  if (risk.method === 'crc' && risk.delta !== undefined) {
    refuse('calibration.risk.delta', risk.delta, 'none, as crc holds in expectation');
  }
}

function checkWhole({ exits, whole }: Manifest): void {
  const expected = exits.map((_, index) => `logits${index}`);
  requireEqual('whole.logits', whole.logits, expected, 'one output per exit');
}

function checkRecords({ records, exits, classes, calibration, cuts }: Manifest): void {
  if (records.length === 0) return;
  if (classes.length > 256) {
    refuse('records', records, 'no records with more than 256 classes, as a label is one byte');
  }
  requireUnique(
    records.map(({ split }) => split),
    (index) => `records[${index}].split`,
    'a split',
  );
  records.forEach(({ images, bytes }, index) => {
    const expected = recordsBytes(images, exits.length, classes.length);
    requireEqual(`records[${index}].bytes`, bytes, expected, 'the size of labels, padding and logits');
  });
  checkMeasuredOn('calibration', calibration, records);
  cuts.forEach(({ rates }, cut) => {
    rates?.forEach(({ measured }, index) => {
      checkMeasuredOn(`cuts[${cut}].rates[${index}].measured`, measured, records);
    });
  });
}

/** What was measured on a split was measured on all of its images, which are those of its records. */
function checkMeasuredOn(
  path: string,
  { split, images }: { readonly split: string; readonly images: number },
  records: Manifest['records'],
): void {
  const recorded = records.find((candidate) => candidate.split === split);
  if (recorded === undefined) {
    const splits = records.map((candidate) => candidate.split).join(', ');
    refuse(`${path}.split`, split, `one of the splits with records: ${splits}`);
  }
  requireEqual(`${path}.images`, images, recorded.images, 'the images of its records');
}

function checkFiles(manifest: Manifest): void {
  const files = fileEntries(manifest);
  // Compared without case, because a bundle may be copied to a file system that does not know one.
  requireUnique(
    ['manifest.json', ...files.map(({ entry }) => entry.file.toLowerCase())],
    (index) => (index === 0 ? 'manifest.json itself' : `${files[index - 1]?.path}.file`),
    'a file name',
  );
}

/** Bytes of a records file: one label byte per image, padding to a multiple of 8, float32 logits. */
export function recordsBytes(images: number, exits: number, classes: number): number {
  return logitsOffset(images) + images * exits * classes * Float32Array.BYTES_PER_ELEMENT;
}

/** Byte at which the logits of a records file start. */
export function logitsOffset(images: number): number {
  return Math.ceil(images / 8) * 8;
}

/** Every file that the manifest lists, with the JSON path of its entry. */
export function fileEntries(manifest: Manifest): { readonly path: string; readonly entry: FileEntry }[] {
  return [
    ...manifest.segments.map((entry, index) => ({ path: `segments[${index}]`, entry })),
    ...manifest.cuts.flatMap(({ tables }, index) =>
      tables === undefined ? [] : [{ path: `cuts[${index}].tables`, entry: tables }],
    ),
    { path: 'whole', entry: manifest.whole },
    ...(manifest.baseline === undefined ? [] : [{ path: 'baseline', entry: manifest.baseline }]),
    ...manifest.records.map((entry, index) => ({ path: `records[${index}]`, entry })),
  ];
}
