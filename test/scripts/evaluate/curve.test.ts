import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Curve, markBest, traceCurve } from '../../../scripts/evaluate/curve/curve.ts';
import { drawCurve } from '../../../scripts/evaluate/curve/draw.ts';
import { curveJson } from '../../../scripts/evaluate/curve/files.ts';
import { recordRun } from '../../../scripts/evaluate/run-record.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { measuredFixture } from './measured.ts';

const run = recordRun(['evaluate', '--plot', 'curves'], new Date('2026-11-22T10:00:00Z'));

const Trace = suite('curve of a bundle');

Trace('takes accuracy from the records and time from the calls that passed every exit', async () => {
  const curve = await traceCurve(await measuredFixture('with baseline'));
  assert.equal(curve.exits, ['branch', 'middle', 'final']);
  assert.equal(curve.costs, { ms: [1, 5, 9], macs: [1000, 3000, 6000] });
  // The records of the fixture answer class 2 at every exit: right for two images of eight.
  assert.equal(
    curve.singleExits,
    ['branch', 'middle', 'final'].map((name, exit) => {
      return { name, accuracy: 2 / 8, meanMs: curve.costs.ms[exit], meanMacs: curve.costs.macs[exit] };
    }),
  );
  assert.equal(curve.baseline, { accuracy: 4 / 8, meanMs: 8, meanMacs: 5500 });
});

Trace('has the thresholds of the manifest as its operating point, with the mean time measured', async () => {
  const { operatingPoint } = await traceCurve(await measuredFixture('with baseline'));
  // No entropy of the records is as low as the thresholds.
  assert.equal(operatingPoint, {
    thresholds: [0.05, 0.2],
    exitShares: [0, 0, 1],
    accuracy: 2 / 8,
    meanMs: 9,
    meanMacs: 6000,
    measuredMs: 2.5,
  });
});

Trace('has no baseline where the bundle has none', async () => {
  const { baseline } = await traceCurve(await measuredFixture('without baseline'));
  assert.is(baseline, null);
});

Trace('goes over the images measured, not over all that were recorded', async () => {
  const measured = await measuredFixture('with baseline');
  const { images, singleExits } = await traceCurve({ ...measured, labels: measured.labels.subarray(0, 3) });
  assert.equal([images, singleExits[0]?.accuracy], [3, 1 / 3]);
});

Trace('refuses images that are not those of the records', async () => {
  const measured = await measuredFixture('with baseline');
  const others = [Uint8Array.of(0, 1, 1), new Uint8Array([...measured.labels, 0])];
  for (const labels of others) {
    const error = await traceCurve({ ...measured, labels }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof OfframpError && error.code === 'DATA_CORRUPT', String(error));
    assert.match(error.message, /fetch them with offramp data mnist/);
  }
});

Trace('marks the points that are best for time and for operations apart', () => {
  const point = (accuracy: number, meanMs: number, meanMacs: number) => {
    return { thresholds: [], exitShares: [], accuracy, meanMs, meanMacs };
  };
  const points = [point(0.5, 1, 10), point(0.6, 2, 5), point(0.55, 3, 4)];
  assert.equal(
    markBest(points).map(({ bestFor }) => bestFor),
    [['ms'], ['ms', 'macs'], ['macs']],
  );
});

Trace.run();

/** A curve with a bend, of two branches. */
async function bentCurve(baseline: 'with baseline' | 'without baseline'): Promise<Curve> {
  const curve = await traceCurve(await measuredFixture(baseline));
  const points = [0, 1, 2, 3, 4].map((step) => {
    const accuracy = [0.5, 0.8, 0.85, 0.7, 0.86][step] ?? 0;
    return {
      thresholds: [1 - step / 4, 0.5],
      exitShares: [1, 0, 0],
      accuracy,
      meanMs: 1 + 2 * step,
      meanMacs: 1000 * (step + 1),
    };
  });
  const [, bend = null] = points;
  return { ...curve, points: markBest(points), knee: { ms: bend, macs: null } };
}

const Draw = suite('drawn curve');

function wordsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text);
}

Draw('names its axes with their units and everything that is marked', async () => {
  const words = wordsOf(drawCurve(await bentCurve('with baseline'), 'ms', 'a processor'));
  for (const expected of [
    'A bundle for tests: accuracy against time per image',
    'time per image (ms), everything timed',
    'accuracy (%)',
    'every combination of thresholds',
    'the best of them',
    'baseline',
    'branch',
    'middle',
    'final',
    'knee (0.75, 0.5)',
    'manifest (0.05, 0.2)',
  ]) {
    assert.ok(words.includes(expected), `${expected} among: ${words.join(' | ')}`);
  }
  assert.match(words.join(' '), 'medians to each exit over 4 of them, batch size 1, one thread, a processor');
});

Draw('has operations instead of time where asked for, and then no word of the machine', async () => {
  const words = wordsOf(drawCurve(await bentCurve('with baseline'), 'macs', 'a processor')).join(' | ');
  assert.match(words, 'mean multiply-accumulate operations per image');
  assert.not.match(words, 'a processor');
  assert.not.match(words, 'knee (');
});

Draw('leaves the baseline out where there is none, and says so', async () => {
  const svg = drawCurve(await bentCurve('without baseline'), 'ms', 'a processor');
  assert.not.ok(wordsOf(svg).some((text) => text.startsWith('baseline')));
  assert.match(svg, 'The bundle has no baseline.');
});

Draw('says in words what is to be seen', async () => {
  const svg = drawCurve(await bentCurve('with baseline'), 'ms', 'a processor');
  const [, description = ''] = svg.match(/<desc[^>]*>([^<]*)<\/desc>/) ?? [];
  assert.match(description, 'Exit middle alone: 25.00 % at 5.00 ms.');
  assert.match(description, 'Knee, thresholds 0.75, 0.5: 80.00 % at 3.00 ms.');
  assert.match(description, 'Thresholds of the manifest, 0.05, 0.2: 25.00 % at 9.00 ms.');
  assert.match(description, 'Baseline without branches: 50.00 % at 8.00 ms.');
  assert.match(description, 'the thresholds of the manifest were chosen on another split');
});

Draw('draws a line through the best and specks for the rest', async () => {
  const svg = drawCurve(await bentCurve('with baseline'), 'ms', 'a processor');
  const [, line = ''] = svg.match(/<path class="line blue" d="([^"]*)"/) ?? [];
  assert.is(line.match(/[ML]/g)?.length, 4, 'four of five points are best');
  const specks = [...svg.matchAll(/<path class="line specks grey" d="([^"]*)"/g)].map(([, d = '']) => d);
  assert.is(specks.at(-1)?.match(/M/g)?.length, 1);
});

Draw('is the same document for the same curve, and one that a renderer reads', async () => {
  const curve = await bentCurve('with baseline');
  const svg = drawCurve(curve, 'ms', 'a processor');
  assert.is(drawCurve(structuredClone(curve), 'ms', 'a processor'), svg);
  assert.is((await sharp(Buffer.from(svg)).metadata()).format, 'svg');
});

Draw('goes with its figures as JSON, which say how they came about', async () => {
  const curve = await bentCurve('with baseline');
  const { command, date, machine, ...figures } = JSON.parse(curveJson(curve, run));
  assert.equal(figures, structuredClone(curve));
  assert.equal([command, date], ['offramp evaluate --plot curves', '2026-11-22']);
  assert.equal(Object.keys(machine), ['cpu', 'processors', 'platform', 'node', 'onnxruntime', 'offramp']);
});

Draw.run();
