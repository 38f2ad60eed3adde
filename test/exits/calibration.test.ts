import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../scripts/calibrate/random.ts';
import { parseRecords } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  choosePoint,
  decideExit,
  type ExitRecords,
  fitTemperature,
  joinTables,
  meanNegativeLogLikelihood,
  measureThresholds,
  type OperatingPoint,
  sharedThresholds,
  softmax,
  sweepLevels,
  tabulateExits,
  temperatureBounds,
  thresholdLevels,
} from '../../shared/exits/index.ts';
import { recordBytes } from '../bundle/fixture.ts';

function near(got: number, expected: number, tolerance = 1e-9): void {
  assert.ok(Math.abs(got - expected) <= tolerance, `${got}, not ${expected}`);
}

function throwsCode(action: () => unknown, code: string, part: string): void {
  assert.throws(action, (error: unknown) => {
    return error instanceof OfframpError && error.code === code && error.message.includes(part);
  });
}

/** Records from [image][exit][class] logits. */
function recordsOf(
  labels: readonly number[],
  logits: readonly (readonly (readonly number[])[])[],
): ExitRecords {
  return {
    images: labels.length,
    labels: Uint8Array.from(labels),
    logits: (exit, image) => Float32Array.from(logits[image]?.[exit] ?? []),
  };
}

const Temperature = suite('temperature');

Temperature('scores the likelihood of the true label in nats', () => {
  near(meanNegativeLogLikelihood([[0, Math.log(3)]], [1], 1), -Math.log(0.75));
  near(meanNegativeLogLikelihood([[0, Math.log(9)]], [0], 2), -Math.log(0.25));
  near(
    meanNegativeLogLikelihood(
      [
        [0, Math.log(3)],
        [5, 5],
      ],
      [1, 0],
      1,
    ),
    (-Math.log(0.75) + Math.LN2) / 2,
  );
  near(meanNegativeLogLikelihood([[1e4, 0]], [1], 0.01), 1e6, 1e-3);
});

Temperature('is found again where labels were drawn with it', () => {
  const random = seededRandom(5);
  for (const truth of [0.4, 1, 3]) {
    const logits = Array.from({ length: 5000 }, () => Array.from({ length: 5 }, () => 6 * random() * truth));
    const labels = logits.map((row) => drawFrom(softmax(row, truth), random()));
    const fitted = fitTemperature(logits, labels);
    assert.ok(Math.abs(fitted / truth - 1) < 0.06, `${fitted} for ${truth}`);
  }
});

function drawFrom(probabilities: Float64Array, at: number): number {
  let sum = 0;
  const index = probabilities.findIndex((probability) => {
    sum += probability;
    return at < sum;
  });
  return index < 0 ? probabilities.length - 1 : index;
}

Temperature('has no better one around it', () => {
  const random = seededRandom(6);
  const logits = Array.from({ length: 500 }, () => Array.from({ length: 4 }, () => 8 * random()));
  const labels = logits.map(() => Math.floor(4 * random()));
  const fitted = fitTemperature(logits, labels);
  const best = meanNegativeLogLikelihood(logits, labels, fitted);
  for (let log = Math.log(0.01); log <= Math.log(100); log += 0.05) {
    assert.ok(meanNegativeLogLikelihood(logits, labels, Math.exp(log)) >= best - 1e-9);
  }
});

Temperature(
  'stays within the bounds of the manifest when every answer is right or every answer is wrong',
  () => {
    const rows = [
      [0, 1],
      [0, 2],
    ];
    near(meanNegativeLogLikelihood(rows, [1, 1], fitTemperature(rows, [1, 1])), 0, 1e-9);
    near(fitTemperature(rows, [0, 0]), temperatureBounds.most, 1e-3);
    assert.ok(fitTemperature(rows, [1, 1]) >= temperatureBounds.least);
    assert.ok(fitTemperature(rows, [0, 0]) <= temperatureBounds.most);
  },
);

Temperature(
  'is refused for no images, for logits that are not finite and for a label that is no class',
  () => {
    throwsCode(() => fitTemperature([], []), 'TENSOR_INVALID', 'no images');
    throwsCode(() => fitTemperature([[0, Number.NaN]], [0]), 'TENSOR_INVALID', 'NaN');
    throwsCode(() => fitTemperature([[0, 1]], [2]), 'TENSOR_INVALID', 'label 2');
    throwsCode(() => fitTemperature([[0, 1]], []), 'TENSOR_INVALID', 'label undefined');
  },
);

Temperature.run();

const Table = suite('exit table');

Table('holds what the exit rule sees', () => {
  const records = parseRecords(recordBytes(7, 3, 3), { images: 7, exits: 3, classes: 3 });
  const temperatures = [0.5, 1, 30];
  const table = tabulateExits(records, temperatures, [6, 2]);
  assert.equal([table.images, table.exits, Array.from(table.labels)], [2, 3, [0, 2]]);
  for (const [row, image] of [6, 2].entries()) {
    for (const [exit, temperature] of temperatures.entries()) {
      const decision = decideExit({ logits: records.logits(exit, image), temperature });
      assert.is(table.answers[exit]?.[row], decision.label);
      assert.is(table.entropies[exit]?.[row], decision.entropy);
    }
  }
  const joined = joinTables([
    tabulateExits(records, temperatures, [6]),
    tabulateExits(records, temperatures, [2]),
  ]);
  assert.equal(joined, table);
});

Table.run();

// Four images, three exits, two classes. Logits of 9 and -9 leave almost no entropy, 0 and 0 all of it, 1 and 0 about 0.84.
const sure = [9, 0];
const unsure = [0, 0];
const other = [0, 9];
const lean = [0, 1];
const records = recordsOf(
  [0, 0, 1, 1],
  [
    [sure, sure, sure],
    [other, sure, sure],
    [unsure, sure, other],
    [lean, unsure, other],
  ],
);
const cost = { segmentMacs: [10, 200, 3000], cut: 1 };
const table = tabulateExits(records, [1, 1, 1]);

const Measures = suite('operating point');

Measures('counts shares, accuracy, agreement, costs and depth', () => {
  const point = measureThresholds(table, [0.5, 0.5], cost);
  assert.equal(point.exitShares, [0.5, 0.25, 0.25]);
  assert.is(point.deviceShare, 0.5);
  // Right: the first and the last image. As the last exit would say: the same two.
  assert.is(point.accuracy, 0.5);
  assert.is(point.agreement, 0.5);
  near(point.meanMacs, (4 * 10 + 2 * 200 + 3000) / 4);
  near(point.meanDeviceMacs, 10);
  near(point.expectedDepth, (2 * 1 + 2 + 3) / 4);
  near(point.depthEntropy, 0.5 * Math.log(2) + 0.5 * Math.log(4));
});

Measures('counts what a device with two segments answers and computes', () => {
  const point = measureThresholds(table, [0.5, 0.5], { ...cost, cut: 2 });
  assert.is(point.deviceShare, 0.75);
  near(point.meanDeviceMacs, (4 * 10 + 2 * 200) / 4);
  near(point.meanMacs, (4 * 10 + 2 * 200 + 3000) / 4);
});

Measures('sends everything on at threshold 0 and leaves nothing to chance there', () => {
  const point = measureThresholds(table, [0, 0], cost);
  assert.equal(point.exitShares, [0, 0, 1]);
  assert.is(point.agreement, 1);
  assert.is(point.accuracy, 1);
  assert.is(point.meanMacs, 3210);
  assert.is(point.expectedDepth, 3);
  assert.is(point.depthEntropy, 0);
});

Measures('keeps an image without any certainty even at threshold 1', () => {
  assert.equal(measureThresholds(table, [1, 1], cost).exitShares, [0.75, 0.25, 0]);
});

Measures('refuses another number of thresholds than there are branches', () => {
  throwsCode(() => measureThresholds(table, [0.5], cost), 'CONFIG_INVALID', '1 thresholds, expected 2');
});

Measures.run();

const Choice = suite('choice by means');

const points: OperatingPoint[] = sweepLevels(table, cost);
const chosenAt = (target: Parameters<typeof choosePoint>[1]) => {
  const index = choosePoint(points, target);
  return index === undefined ? undefined : points[index];
};

Choice('has one threshold for all branches at every level', () => {
  assert.is(points.length, thresholdLevels.length);
  for (const [index, point] of points.entries()) {
    assert.equal(point.thresholds, sharedThresholds(3, thresholdLevels[index] ?? -1));
  }
});

Choice('takes the largest device share that reaches an accuracy', () => {
  const point = chosenAt({ kind: 'accuracy', atLeast: 0.5 });
  const best = Math.max(
    ...points.filter(({ accuracy }) => accuracy >= 0.5).map(({ deviceShare }) => deviceShare),
  );
  assert.is(point?.deviceShare, best);
  assert.ok((point?.accuracy ?? 0) >= 0.5);
  assert.is(chosenAt({ kind: 'accuracy', atLeast: 1 })?.deviceShare, 0);
});

Choice('takes the lowest threshold that reaches a device share', () => {
  const point = chosenAt({ kind: 'device-share', atLeast: 0.6 });
  assert.is(point?.deviceShare, 0.75);
  const [first] = points.filter(({ deviceShare }) => deviceShare >= 0.6);
  assert.is(point, first);
  assert.is(chosenAt({ kind: 'device-share', atLeast: 0.8 }), undefined);
});

Choice('takes the best accuracy within a cost', () => {
  const point = chosenAt({ kind: 'mean-cost', atMostMacs: 900 });
  assert.ok((point?.meanMacs ?? 1000) <= 900);
  const best = Math.max(...points.filter(({ meanMacs }) => meanMacs <= 900).map(({ accuracy }) => accuracy));
  assert.is(point?.accuracy, best);
  assert.is(chosenAt({ kind: 'mean-cost', atMostMacs: 9 }), undefined);
});

Choice.run();
