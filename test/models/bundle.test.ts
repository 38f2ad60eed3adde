/** Every bundle under models/ is what its manifest and its card say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fileEntries } from '../../shared/bundle/check.ts';
import { type Bundle, type Manifest, openBundle } from '../../shared/bundle/index.ts';
import type { Codec } from '../../shared/codec/index.ts';
import {
  argmax,
  type ExitRecords,
  measureThresholds,
  type OperatingPoint,
  tabulateExits,
} from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import type { WorkerPool } from '../../shared/runtime/node/index.ts';
import { furthest, stack, startPool } from '../runtime/real-bundle.ts';
import { allGraphs, bundleFolders, extremePictures, pictureFor } from './bundles.ts';
import { rowOf, runSegments } from './run-segments.ts';

/** The figures that a bundle's thresholds reach on a split, worked out from its records alone. */
async function figuresOn(bundle: Bundle, split: string): Promise<OperatingPoint> {
  const { exits, segments, calibration } = bundle.manifest;
  const temperatures = exits.map(({ temperature }) => temperature);
  const thresholds = exits.flatMap(({ threshold }) => (threshold === undefined ? [] : [threshold]));
  const cost = { segmentMacs: segments.map(({ macs }) => macs), cut: calibration.cut ?? 1 };
  return measureThresholds(tabulateExits(await bundle.records(split), temperatures), thresholds, cost);
}

function lastExitAccuracy(records: ExitRecords, exits: number): number {
  let right = 0;
  for (let image = 0; image < records.images; image++) {
    right += Number(argmax(records.logits(exits - 1, image)) === records.labels[image]);
  }
  return right / records.images;
}

/** Asserts that a figure is the manifest's, give or take one image and a half of `images`. */
function sameShare(got: number | undefined, expected: number, images: number, what: string): void {
  const off = Math.abs((got ?? Number.NaN) - expected);
  assert.ok(off <= 1.5 / images, `${what}: the records give ${got}, the manifest has ${expected}`);
}

/** Encodes and decodes the codes of every row; gives the mean length of the streams in bytes. */
function meanStream(codec: Codec, codes: Uint8Array | undefined, rows: number): number {
  let bytes = 0;
  for (let row = 0; row < rows; row++) {
    const sent = rowOf(codes, rows, row).slice(0, codec.count);
    const stream = codec.encode(sent);
    assert.equal(codec.decode(stream), sent, `row ${row}`);
    bytes += stream.length;
  }
  return bytes / rows;
}

type Figure = readonly [what: string, text: string];

/** A number as a card writes it. */
const grouped = (value: number) => value.toLocaleString('en');
const percentOf = (share: number) => `${(100 * share).toFixed(2)} %`;
const oneLine = (text: string) => text.replace(/\s+/g, ' ');

/** What a card must say, all of it as the manifest has it. */
function cardFigures({ id, version, licence, segments, exits, calibration, ...rest }: Manifest): Figure[] {
  const { measured, target, guarantee, images } = calibration;
  const { deviceShare, accuracy, agreement } = measured;
  const segmentFigures = segments.flatMap(({ name, macs, parameters, bytes }): Figure[] => [
    [`${name} name`, `\`${name}\``],
    [`${name} macs`, grouped(macs)],
    [`${name} parameters`, grouped(parameters)],
    [`${name} bytes`, grouped(bytes)],
  ]);
  const exitFigures = exits.flatMap(({ name, temperature, threshold = 0 }): Figure[] => [
    [`${name} name`, `\`${name}\``],
    [`${name} temperature`, temperature.toFixed(4)],
    ...(threshold > 0 ? [[`${name} threshold`, threshold.toFixed(6)] as const] : []),
  ]);
  const shares = { deviceShare, accuracy, agreement };
  const { baseline, cuts } = rest;
  const baselineFigures: Figure[] =
    baseline === undefined
      ? []
      : [
          ['baseline macs', grouped(baseline.macs)],
          ['baseline parameters', grouped(baseline.parameters)],
        ];
  const rateFigures = cuts.flatMap(({ rates = [] }) =>
    rates.flatMap(({ channels, measured }): Figure[] => [
      [`bytes at ${channels} channels`, measured.bytesMean.toFixed(1)],
      [`accuracy at ${channels} channels`, percentOf(measured.accuracy)],
    ]),
  );
  return [
    ['id and version', `\`${id}\` ${version}`],
    ['licence', licence],
    ['classes', rest.classes.join(', ')],
    ...segmentFigures,
    ...exitFigures,
    ...baselineFigures,
    ...rateFigures,
    ['calibration images', grouped(images)],
    ['target', `${target.kind} ${target.value}`],
    ['guarantee', guarantee],
    ...Object.entries(shares).map(([name, share]): Figure => [name, percentOf(share)]),
  ];
}

assert.ok(bundleFolders.length > 0, 'no bundle to look at');

for (const { name, folder, id } of bundleFolders) {
  const one = suite<{ bundle: Bundle; pool: WorkerPool }>(`bundle ${name}`);

  one.before(async (context) => {
    context.bundle = await openBundle(bundleFolder(folder));
    // Names, types and shapes of all graphs are compared with the manifest when they are loaded.
    context.pool = await startPool(await allGraphs(context.bundle));
  });
  one.after(({ pool }) => pool.close());

  one('has the id of its folder, every file as its manifest lists it, and no other', async ({ bundle }) => {
    assert.is(bundle.manifest.id, id ?? bundle.manifest.id);
    const files = fileEntries(bundle.manifest).map(({ entry }) => entry.file);
    for (const file of files) await bundle.read(file);
    assert.equal(readdirSync(folder).sort(), [...files, 'README.md', 'manifest.json'].sort());
  });

  one('has codes within their bits and finite logits, for black, white and noise too', async (context) => {
    const { bundle, pool } = context;
    const { manifest } = bundle;
    const pictures = [...extremePictures(manifest), ...[1, 2, 3, 4, 5].map((at) => pictureFor(manifest, at))];
    const { logits, codes } = await runSegments(pool, bundle, pictures);
    assert.equal([logits.length, codes.length], [manifest.exits.length, manifest.cuts.length]);
    for (const [index, tensor] of codes.entries()) {
      const { bits = 0 } = manifest.cuts[index] ?? {};
      assert.is(tensor.length, pictures.length * bundle.codec(index + 1).count);
      assert.ok(Math.max(...tensor) < 2 ** bits, `cut ${index + 1}: a code of ${Math.max(...tensor)}`);
      assert.ok(new Set(tensor).size > 1, `cut ${index + 1}: all codes are the same`);
    }
    const inOnePiece = manifest.baseline === undefined ? ['whole'] : ['whole', 'baseline'];
    const runs = inOnePiece.map((key) => pool.run(key, stack(pictures), pictures.length));
    const others = (await Promise.all(runs)).flatMap(({ outputs }) => outputs);
    assert.ok([...logits, ...others].every((tensor) => Array.from(tensor).every(Number.isFinite)));
  });

  one('gives the same joined as in one piece, whatever shares a batch', async ({ bundle, pool }) => {
    const pictures = Array.from({ length: 24 }, (_, index) => pictureFor(bundle.manifest, index));
    const rows = pictures.length;
    const together = await runSegments(pool, bundle, pictures);
    const { outputs: whole } = await pool.run('whole', stack(pictures), rows);
    for (const [row, image] of pictures.entries()) {
      const alone = await runSegments(pool, bundle, [image]);
      for (const [index, codes] of alone.codes.entries()) {
        const shared = rowOf(together.codes[index], rows, row);
        assert.is(furthest(codes, shared), 0, `image ${row}, cut ${index + 1}: its batch changed a code`);
      }
      for (const [exit, logits] of alone.logits.entries()) {
        const reference = rowOf(whole[exit], rows, row);
        const off = furthest(logits, reference);
        assert.ok(off < 1e-4, `image ${row}, exit ${exit}: off by ${off}`);
        assert.is(argmax(logits), argmax(reference), `image ${row}, exit ${exit}`);
      }
    }
  });

  one('has tables that make its streams shorter than packing does', async ({ bundle, pool }) => {
    const { manifest } = bundle;
    const pictures = Array.from({ length: 32 }, (_, index) => pictureFor(manifest, index));
    const { codes } = await runSegments(pool, bundle, pictures);
    for (const [index, { tables, rates = [] }] of manifest.cuts.entries()) {
      for (const channels of [undefined, ...rates.map((rate) => rate.channels)]) {
        const codec = bundle.codec(index + 1, channels);
        const bytes = meanStream(codec, codes[index], pictures.length);
        const what = `cut ${index + 1}, channels ${channels ?? 'all'}`;
        if (tables !== undefined) assert.ok(bytes < codec.maxBytes, `${what}: ${bytes} bytes`);
      }
    }
  });

  one('has records that give the figures of its calibration again', async ({ bundle }) => {
    const { calibration, records } = bundle.manifest;
    const { split, images, measured, risk } = calibration;
    const reached = await figuresOn(bundle, split);
    // An entropy that lies on its threshold may fall to either side of it in other arithmetic.
    for (const figure of ['deviceShare', 'accuracy', 'agreement'] as const) {
      sameShare(reached[figure], measured[figure], images, figure);
    }
    for (const [exit, share] of (measured.exitShares ?? []).entries()) {
      sameShare(reached.exitShares[exit], share, images, `share of exit ${exit}`);
    }
    const { meanMacs = reached.meanMacs } = measured;
    assert.ok(Math.abs(reached.meanMacs / meanMacs - 1) < 1e-3, `${reached.meanMacs} MACs, not ${meanMacs}`);
    if (risk !== undefined) assert.ok(risk.measured <= risk.epsilon, `a measured risk of ${risk.measured}`);
    const splits = records.map((entry) => entry.split);
    assert.ok(splits.includes('test'), `no records of the test split: ${splits}`);
  });

  one('has rates that cost the more the better, and at the last are the last exit', async ({ bundle }) => {
    const { cuts, exits } = bundle.manifest;
    for (const [index, { rates = [] }] of cuts.entries()) {
      const bytes = rates.map(({ measured }) => measured.bytesMean);
      assert.equal(
        bytes,
        bytes.toSorted((a, b) => a - b),
        `cut ${index + 1}: mean bytes ascend`,
      );
      for (const { channels, measured } of rates) {
        assert.ok(measured.bytesP95 <= bundle.codec(index + 1, channels).maxBytes, `${channels} channels`);
      }
      const last = rates.at(-1)?.measured;
      if (last === undefined) continue;
      const alone = lastExitAccuracy(await bundle.records(last.split), exits.length);
      sameShare(alone, last.accuracy, last.images, `cut ${index + 1} at all channels`);
    }
  });

  one('has a model card with the figures of the manifest and of the test split', async ({ bundle }) => {
    const card = oneLine(readFileSync(join(folder, 'README.md'), 'utf8'));
    const test = await figuresOn(bundle, 'test');
    const alone = lastExitAccuracy(await bundle.records('test'), bundle.manifest.exits.length);
    const figures: Figure[] = [
      ...cardFigures(bundle.manifest),
      ['accuracy on the test split', percentOf(test.accuracy)],
      ['device share on the test split', percentOf(test.deviceShare)],
      ['last exit alone on the test split', percentOf(alone)],
    ];
    const missing = figures.filter(([, text]) => !card.includes(oneLine(text)));
    assert.equal(missing, []);
  });

  one.run();
}
