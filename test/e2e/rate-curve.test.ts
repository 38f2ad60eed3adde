/** `offramp evaluate --rate-curve`, on digits that the project draws itself: they lie where MNIST would. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RateCurve } from '../../scripts/evaluate/rate-curve/index.ts';
import { plotRateCurve } from '../../scripts/evaluate/rate-curve/plot.ts';
import { compareCurves } from '../../scripts/evaluate/rate-curve/verdict.ts';
import { verdictLine } from '../../scripts/evaluate/rate-curve/verdict-words.ts';
import type { RunRecord } from '../../scripts/evaluate/run-record.ts';
import { addRates, rates } from '../runtime/rated-bundle.ts';
import { editedBundle, temporaryFolder } from './images.ts';
import { cleanUp, projectFolder, runCommand } from './support.ts';

const evaluation = suite('offramp evaluate --rate-curve');
evaluation.after.each(cleanUp);

/** A data folder with the drawn digits for MNIST's test split. */
function drawnData(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'mnist'));
  for (const [part, name] of [
    ['images-idx3', 't10k-images-idx3-ubyte.gz'],
    ['labels-idx1', 't10k-labels-idx1-ubyte.gz'],
  ] as const) {
    const drawn = join(projectFolder, 'models', 'samples', `drawn-digits-${part}-ubyte.gz`);
    cpSync(drawn, join(folder, 'mnist', name));
  }
  return folder;
}

type CurveJson = RunRecord & RateCurve;

function run(args: readonly string[]) {
  return runCommand(['evaluate', '--data', drawnData(), '--limit', '6', ...args]);
}

evaluation('prints the curve as JSON and writes the same beside its plot', async () => {
  const folder = join(temporaryFolder(), 'new', 'curves');
  const bundle = editedBundle(addRates);
  const { ending, stdout, stderr } = await run(['--bundle', bundle, '--rate-curve', folder, '--json']);
  assert.is(ending, 0, stderr);
  const curve: CurveJson = JSON.parse(stdout);
  assert.equal(
    curve.rates.map(({ channels }) => channels),
    [...rates],
  );
  assert.equal(
    [curve.bundle, curve.dataset, curve.split, curve.images],
    ['b-lenet-mnist', 'mnist', 'test', 6],
  );
  assert.ok(curve.command.startsWith('offramp evaluate --data '), curve.command);
  const [json, svg] = ['json', 'svg'].map((kind) => join(folder, `b-lenet-mnist-rates.${kind}`)) as [
    string,
    string,
  ];
  assert.ok(stderr.includes(`Written: ${json}, ${svg}`), stderr);
  assert.equal(JSON.parse(readFileSync(json, 'utf8')), curve);
  checkPlot(readFileSync(svg, 'utf8'), curve);
  assert.is((await sharp(svg).metadata()).format, 'svg');
  checkPlotOfALoser(curve);
});

/** The plot shows every setting, names its bytes, and says the verdict. */
function checkPlot(svg: string, curve: RateCurve): void {
  assert.ok(svg.includes(verdictLine(curve.verdict.bytes)), 'the verdict');
  assert.ok(svg.includes('without frames'), 'which bytes are meant');
  const hints = [
    ...curve.rates.map(({ channels, bytes }) => `${channels} channels: ${bytes.mean.toFixed(1)} bytes, `),
    ...curve.webp.points.map(({ quality, bytes }) => `quality ${quality}: ${bytes.mean.toFixed(1)} bytes, `),
  ];
  assert.equal(
    hints.filter((hint) => !svg.includes(hint)),
    [],
  );
  assert.ok(svg.includes(`WebP, ${curve.webp.settings}`));
}

/** A plot hides nothing where the rates do worse. */
function checkPlotOfALoser(curve: RateCurve): void {
  const webp = curve.webp.points.map((point) => ({ cost: point.bytes.mean, accuracy: 1 }));
  const worse = curve.rates.map((rate) => ({ cost: rate.bytes.mean, accuracy: 0.5 }));
  const svg = plotRateCurve({ ...curve, verdict: { ...curve.verdict, bytes: compareCurves(worse, webp) } });
  assert.match(svg, /WebP lies above from \d+\.\d bytes on, by at most 50\.00 points\./);
  const [, shown = ''] = svg.split('</desc>');
  assert.match(shown, 'WebP lies above', 'to those who see it, too');
}

evaluation('prints a table, compares each rate with WebP, and writes nothing without a folder', async () => {
  const { ending, stdout, stderr } = await run(['--bundle', editedBundle(addRates), '--rate-curve']);
  assert.equal([ending, stderr], [0, '']);
  const lines = stdout.split('\n');
  for (const start of ['2 channels ', '4 channels ', '6 channels ', 'WebP 5 ', 'WebP 90 ', 'raw pixels ']) {
    assert.ok(
      lines.some((line) => line.startsWith(start)),
      `${start}in ${stdout}`,
    );
  }
  assert.is(
    lines.filter((line) => line.startsWith('6 channels ')).length,
    2,
    'once alone, once against WebP',
  );
  assert.match(stdout, 'Stream against file:\n');
  assert.match(stdout, 'Framed:\n');
});

evaluation('does not go with options of the way to a server', async () => {
  const { ending, stderr } = await run(['--rate-curve', '--concurrency', '2']);
  assert.is(ending, 2);
  assert.match(stderr, "option '--rate-curve [folder]' cannot be used with option '--concurrency <number>'");
});

evaluation('finds out before it measures that the folder cannot be made', async () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  const { ending, stdout, stderr } = await run(['--rate-curve', join(file, 'curves')]);
  assert.equal([ending, stdout], [1, '']);
  assert.match(stderr, /^CONFIG_INVALID: Cannot write /);
  assert.not(existsSync(join(file, 'curves')));
});

evaluation.run();
