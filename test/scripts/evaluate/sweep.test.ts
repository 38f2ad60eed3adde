import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kneeOf, upperEnvelope } from '../../../scripts/evaluate/curve/envelope.ts';
import { pointAt, sweep, thresholdGrid } from '../../../scripts/evaluate/curve/sweep.ts';
import type { ExitTable } from '../../../shared/exits/index.ts';

/** Four images of class 0. The branch errs on the two it is least sure of, the last exit on the last one. */
const table: ExitTable = {
  images: 4,
  exits: 2,
  labels: [0, 0, 0, 0],
  answers: [Uint16Array.of(0, 0, 1, 1), Uint16Array.of(0, 0, 0, 1)],
  entropies: [Float64Array.of(0.1, 0.2, 0.3, 0.4), Float64Array.of(0, 0, 0, 0.5)],
};
const costs = { ms: [1, 4], macs: [10, 110] };

/** A table of `images` images and `exits` exits with entropies all over the range. */
function tableOf(images: number, exits: number): ExitTable {
  const rows = Array.from({ length: images }, (_, image) => image);
  return {
    images,
    exits,
    labels: rows.map(() => 0),
    answers: Array.from({ length: exits }, () => Uint16Array.from(rows, () => 0)),
    entropies: Array.from({ length: exits }, (_, exit) =>
      Float64Array.from(rows, (image) => ((image * (exit + 3)) % images) / images),
    ),
  };
}

const Sweep = suite('threshold sweep');

Sweep('gives what thresholds reach and what the exits taken cost', () => {
  assert.equal(pointAt(table, [0.25], costs), {
    thresholds: [0.25],
    exitShares: [0.5, 0.5],
    accuracy: 0.75,
    meanMs: 2.5,
    meanMacs: 60,
  });
});

Sweep('has one point for every way a threshold can decide, from no image at the branch to all', () => {
  const points = sweep(table, costs);
  assert.equal(
    points.map(({ exitShares, accuracy, meanMs }) => [exitShares[0], accuracy, meanMs]),
    [
      [0, 0.75, 4],
      [0.25, 0.75, 3.25],
      [0.5, 0.75, 2.5],
      [0.75, 0.5, 1.75],
      [1, 0.5, 1],
    ],
  );
});

Sweep('tries every pair of levels of two branches, none and all among them', () => {
  const grid = thresholdGrid(tableOf(500, 3));
  assert.ok(grid.length > 2000 && grid.length <= 2500, `${grid.length} pairs`);
  assert.is(new Set(grid.map((pair) => pair.join())).size, grid.length);
  for (const pair of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]) {
    assert.ok(
      grid.some((own) => own.join() === pair.join()),
      pair.join(),
    );
  }
});

Sweep('has more levels where entropies are high and images few', () => {
  const levels = thresholdGrid(tableOf(10_000, 2)).map(([level = 0]) => level);
  const within = (low: number, high: number) => levels.filter((at) => at >= low && at < high).length;
  assert.ok(within(0.8, 1) > 2 * within(0, 0.2), `${within(0, 0.2)} low, ${within(0.8, 1)} high`);
});

Sweep('lets many branches share a level, so that the grid stays small', () => {
  const grid = thresholdGrid(tableOf(300, 9));
  assert.ok(grid.length > 100 && grid.length <= 400, `${grid.length} points`);
  assert.ok(grid.every((thresholds) => thresholds.length === 8 && new Set(thresholds).size === 1));
});

Sweep('is one point for a network without branches', () => {
  const alone = { ...tableOf(3, 1), answers: [Uint16Array.of(0, 1, 0)] };
  assert.equal(
    sweep(alone, { ms: [2], macs: [7] }).map(({ thresholds, accuracy, meanMs }) => [
      thresholds.length,
      accuracy,
      meanMs,
    ]),
    [[0, 2 / 3, 2]],
  );
});

Sweep.run();

const Envelope = suite('upper envelope');

Envelope('keeps what nothing cheaper or as cheap equals', () => {
  const outcomes = [
    { cost: 3, accuracy: 0.8 },
    { cost: 1, accuracy: 0.5 },
    { cost: 2, accuracy: 0.7 },
    { cost: 2, accuracy: 0.6 },
    { cost: 2.5, accuracy: 0.7 },
    { cost: 4, accuracy: 0.75 },
  ];
  assert.equal(
    upperEnvelope(outcomes).map(({ cost, accuracy }) => [cost, accuracy]),
    [
      [1, 0.5],
      [2, 0.7],
      [3, 0.8],
    ],
  );
  assert.equal(upperEnvelope([]), []);
});

Envelope('has its knee where it lies furthest above the line between its ends', () => {
  const envelope = [
    { cost: 0, accuracy: 0 },
    { cost: 1, accuracy: 0.7 },
    { cost: 2, accuracy: 0.9 },
    { cost: 10, accuracy: 1 },
  ];
  assert.is(kneeOf(envelope), envelope[2]);
});

Envelope('has no knee where it is straight, bends downwards or has less than three points', () => {
  const line = (accuracies: readonly number[]) => accuracies.map((accuracy, cost) => ({ cost, accuracy }));
  for (const accuracies of [[0.1, 0.2, 0.3], [0.1, 0.15, 0.3], [0.1, 0.3], [0.1], []]) {
    assert.is(kneeOf(line(accuracies)), undefined, accuracies.join());
  }
});

Envelope.run();
