import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recordRun } from '../../../scripts/evaluate/run-record.ts';
import { tableEntry } from '../../../scripts/evaluate/table/figures.ts';
import { gainOf, spread, turns } from '../../../scripts/evaluate/table/lanes.ts';
import { inPaperOrder, paperRowsOf, paperTable } from '../../../scripts/evaluate/table/paper.ts';
import { tableWords } from '../../../scripts/evaluate/table/report.ts';
import { measuredFixture } from './measured.ts';

function near(got: number | undefined, expected: number, tolerance = 1e-9): void {
  assert.ok(got !== undefined && Math.abs(got - expected) <= tolerance, `${got}, not ${expected}`);
}

const Lanes = suite('lanes that take turns');

Lanes('go through the images block by block, each other block in reverse order', () => {
  assert.equal(
    turns(3, 5, 2).map(({ lane, first, end }) => [lane, first, end]),
    [
      [0, 0, 2],
      [1, 0, 2],
      [2, 0, 2],
      [2, 2, 4],
      [1, 2, 4],
      [0, 2, 4],
      [0, 4, 5],
      [1, 4, 5],
      [2, 4, 5],
    ],
  );
});

Lanes('answer a sample that is spread over all images', () => {
  assert.equal(spread(10, 4), [0, 2, 5, 7]);
  assert.equal(spread(3, 1000), [0, 1, 2]);
  assert.equal(spread(0, 5), []);
});

Lanes('give a gain of total times and its jackknife error over blocks', () => {
  const { ratio, standardError } = gainOf([2, 2, 4, 4], [1, 1, 1, 1], 2);
  near(ratio, 3);
  // Without either block the gain is 4 or 2: mean 3, squares 1 + 1, times (2 - 1) / 2.
  near(standardError ?? undefined, 1);
});

Lanes('give no error for a single block, and none to see where every block is alike', () => {
  assert.is(gainOf([6], [2], 2).standardError, null);
  near(gainOf([6, 6, 6, 6], [2, 2, 2, 2], 2).standardError ?? undefined, 0);
});

Lanes.run();

const Paper = suite("the paper's table");

for (const [network, { baseline, branchy }] of Object.entries(paperTable)) {
  Paper(`${network}: exit shares sum up to 100 % within the rounding of the print`, () => {
    const total = branchy.exitPercent.reduce((sum, share) => sum + share, 0);
    near(total, 100, 0.1);
    assert.is(branchy.exitPercent.length, branchy.thresholdsNats.length + 1);
  });

  Paper(`${network}: the gain is that of the times`, () => {
    assert.is((baseline.ms / branchy.ms).toFixed(1), branchy.gain.toFixed(1));
  });
}

Paper('is found by the id of a bundle, and not for other networks', () => {
  assert.is(paperRowsOf('b-lenet-mnist')?.branchy.network, 'B-LeNet');
  assert.is(paperRowsOf('b-resnet-cifar10'), paperTable['b-resnet']);
  assert.is(paperRowsOf('b-lenetlike'), undefined);
});

Paper('puts bundles into its order', () => {
  const ids = ['a-net', 'b-alexnet-cifar10', 'b-lenet-mnist', 'b-resnet-cifar10'];
  assert.equal(inPaperOrder(ids), ['b-lenet-mnist', 'b-alexnet-cifar10', 'b-resnet-cifar10', 'a-net']);
});

Paper.run();

const Table = suite('table');

Table('counts accuracy, shares and operations over all images', async () => {
  const { branchy, baseline, images, timedImages } = tableEntry(await measuredFixture('with baseline'));
  assert.equal([images, timedImages], [8, 4]);
  assert.equal([branchy.accuracy, baseline?.accuracy], [6 / 8, 4 / 8]);
  assert.equal(
    branchy.exits.map(({ name, share, accuracy }) => [name, share, accuracy]),
    [
      ['branch', 5 / 8, 4 / 5],
      ['middle', 2 / 8, 1 / 2],
      ['final', 1 / 8, 1],
    ],
  );
  near(branchy.meanMacs, (5 * 1000 + 2 * 3000 + 1 * 6000) / 8);
  assert.equal([branchy.parameters, baseline?.parameters, baseline?.macs], [60, 55, 5500]);
  assert.equal(branchy.thresholds, [0.05, 0.2]);
});

Table('gives times over the images timed, and means by the exit they left at', async () => {
  const { branchy, baseline } = tableEntry(await measuredFixture('with baseline'));
  assert.equal([branchy.ms.mean, branchy.ms.median, branchy.ms.p95], [2.5, 1, 6]);
  assert.equal([baseline?.ms.mean, baseline?.ms.median], [8, 8]);
  assert.equal(
    branchy.exits.map(({ meanMs }) => meanMs),
    [4 / 3, 6, null],
  );
});

Table('gives the typical time by medians to each exit and the shares of all images', async () => {
  const { branchy, baseline } = tableEntry(await measuredFixture('with baseline'));
  near(branchy.ms.typical, (5 * 1 + 2 * 5 + 1 * 9) / 8);
  near(branchy.ms.typicalWithoutThread, (5 * 0.5 + 2 * 4 + 1 * 7.5) / 8);
  assert.equal([baseline?.ms.typical, baseline?.ms.typicalWithoutThread], [8, 7.5]);
});

Table('gives gains as time of the baseline over time with branches', async () => {
  const { branchy } = tableEntry(await measuredFixture('with baseline'));
  near(branchy.gain?.mean.ratio, 8 / 2.5);
  near(branchy.gain?.typical, 8 / 3);
  near(branchy.gain?.typicalWithoutThread, 7.5 / 2.25);
});

Table('puts nothing in the place of a baseline that a bundle does not have', async () => {
  const { branchy, baseline } = tableEntry(await measuredFixture('without baseline'));
  assert.equal([baseline, branchy.gain], [null, null]);
  assert.is(branchy.accuracy, 6 / 8);
});

Table('counts the timed answers that are not those of the run in batches', async () => {
  const measured = await measuredFixture('with baseline');
  assert.is(tableEntry(measured).timedLabelsThatDiffer, 0);
  const timed = [0, 2, 4, 7];
  // Image 7 is answered otherwise by both networks than image 6, whose calls these are: 1 and 0 instead of 1 and 1.
  assert.is(tableEntry({ ...measured, timed }).timedLabelsThatDiffer, 1);
});

Table('tells the accuracy without images that only come close to the published ones', async () => {
  const measured = await measuredFixture('with baseline');
  const { branchy, baseline } = tableEntry({ ...measured, approximate: new Set([4, 5]) });
  assert.equal(branchy.exact, { images: 6, accuracy: 5 / 6 });
  assert.equal(baseline?.exact, { images: 6, accuracy: 4 / 6 });
  assert.is(tableEntry(measured).branchy.exact, undefined);
});

Table.run();

const Words = suite('table for a person');
const run = recordRun(['evaluate', '--table', '--data', 'my data'], new Date('2026-11-22T10:00:00Z'));

/** The cells of the row that begins with `name`. */
function row(words: string, name: string): string[] {
  const line = words.split('\n').find((candidate) => candidate.startsWith(name)) ?? '';
  return line.split(/ {2,}/);
}

Words('have a row for the baseline and one for the network with branches', async () => {
  const words = tableWords([tableEntry(await measuredFixture('with baseline'))], run);
  const none = '-';
  assert.equal(row(words, 'baseline'), [
    'baseline',
    '50.00 %',
    '8.00',
    none,
    '8.00',
    none,
    '7.50',
    none,
    none,
    none,
    '5,500',
  ]);
  assert.equal(row(words, 'with branches'), [
    'with branches',
    '75.00 %',
    '2.50',
    '3.20x',
    '3.00',
    '2.67x',
    '2.25',
    '3.33x',
    '0.05 0.2',
    '62.5 25.0 12.5',
    '2,125',
  ]);
  assert.not.match(words, 'no baseline');
});

Words('say so where there is no baseline, and have no row for it', async () => {
  const words = tableWords([tableEntry(await measuredFixture('without baseline'))], run);
  assert.match(words, 'The bundle has no baseline: neither its row nor a gain.');
  assert.is(row(words, 'baseline').length, 1);
});

Words("put the paper's rows beside, and say what its times leave out", async () => {
  const entry = tableEntry(await measuredFixture('with baseline'));
  const words = tableWords([{ ...entry, paper: paperTable['b-alexnet'] ?? null }], run);
  assert.equal(row(words, '(B-AlexNet)').slice(0, 4), ['(B-AlexNet)', '79.19 %', '6.32', '1.5x']);
  assert.equal(row(words, '(B-AlexNet)').slice(8, 10), ['0.0001 0.05', '65.6 25.2 9.2']);
  assert.match(words, 'Its times leave out branches, softmax and entropy.');
});

Words('go with a command that a shell takes as it was', () => {
  assert.is(run.command, "offramp evaluate --table --data 'my data'");
  assert.is(run.date, '2026-11-22');
});

Words.run();
