/** What the page works out without a browser: words, times, pixels, figures, sliders. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { webpImageBytes } from '../../edge/page/pictures.ts';
import { asInk, inkBox, offCentre } from '../../edge/page/pixels.ts';
import { RunTally, runImages } from '../../edge/page/run.ts';
import { budgetAt, placeOfBudget, placeOfThreshold, thresholdAt } from '../../edge/page/settings-view.ts';
import { stageParts } from '../../edge/page/stages.ts';
import { cameraWords, faultWords, type Told, verdictOf } from '../../edge/page/words.ts';
import type { Answer } from '../../edge/web/index.ts';

const classes = ['cat', 'dog'];
const told: Told = {
  ...{ label: 1, className: 'dog', route: 'exit', exit: 'branch', degraded: false, bytesSent: 0 },
  device: { label: 1, entropy: 0.05, threshold: 0.1 },
};
const answer: Answer = {
  ...{ label: 1, className: 'dog', probabilities: Float64Array.of(0.1, 0.9), entropy: 0.4 },
  ...{ exit: 'final', route: 'features', degraded: false, latencyMs: 10, bytesSent: 100 },
  stagesMs: { prepare: 0, device: 2, exit: 0.5, encode: 0.5, network: 4, cloudQueue: 1, cloudRun: 2 },
};

const Words = suite('words of the page');

Words('say by which way an image was answered, and why', () => {
  const left = verdictOf(told, classes);
  assert.is(left.way, 'exit');
  assert.match(left.words, 'entropy 0.050, below the threshold 0.100. Nothing was sent');
  const device = { label: 0, entropy: 0.5, threshold: 0.1 };
  const far = verdictOf({ ...told, route: 'features', exit: 'final', bytesSent: 47, device }, classes);
  assert.is(far.way, 'travel');
  assert.match(far.words, 'not below the threshold 0.100');
  assert.match(
    far.words,
    "47 bytes went to the server, which ran the remaining layers and answered at exit 'final'",
  );
  assert.match(far.words, 'the branch alone would have said cat');
  const late = verdictOf({ ...told, degraded: true, reason: 'BUDGET_SPENT', device }, classes);
  assert.is(late.way, 'cut');
  assert.match(late.words, 'no answer came within the budget (BUDGET_SPENT)');
  assert.match(
    verdictOf({ ...told, route: 'edge-only' }, classes).words,
    'all segments of the network ran in this page',
  );
});

Words('keep the code where there is no sentence for it', () => {
  const other = verdictOf({ ...told, degraded: true, reason: 'FRAME_INVALID' }, classes);
  assert.match(other.words, 'it refused (FRAME_INVALID)');
  assert.is(faultWords('INTERNAL', 'Got a surprise'), 'Got a surprise (INTERNAL)');
  assert.match(cameraWords('NotFoundError'), 'no camera');
  assert.match(cameraWords('AbortError'), 'AbortError');
});

Words.run();

const Stages = suite('stages of the page');

Stages('add up to what the page has waited', () => {
  const parts = stageParts(answer, { prepareMs: 3, totalMs: 14 });
  const sum = parts.reduce((total, { ms }) => total + ms, 0);
  assert.ok(Math.abs(sum - 14) < 1e-9, `${sum}`);
  assert.equal(parts.map(({ place }) => place).join(' '), 'around around here here here between there there');
});

Stages('speak of no link where nothing was sent', () => {
  const parts = stageParts({ ...answer, bytesSent: 0 }, { prepareMs: 3, totalMs: 14 });
  assert.not(parts.some(({ place }) => place === 'between'));
  assert.ok(Math.abs(parts.reduce((total, { ms }) => total + ms, 0) - 14) < 1e-9);
});

Stages.run();

const Pixels = suite('pixels of the page');

function sheet(
  side: number,
  paper: number,
  ink: readonly (readonly [x: number, y: number, value: number])[],
) {
  const values = new Uint8Array(side * side).fill(paper);
  for (const [x, y, value] of ink) values[y * side + x] = value;
  return { side, values };
}

Pixels('find the ink and how far it is off the middle', () => {
  const drawn = sheet(9, 0, [
    [2, 3, 200],
    [4, 5, 200],
  ]);
  assert.equal(inkBox(drawn), { x: 2, y: 3, width: 3, height: 3 });
  assert.equal(offCentre(drawn), { x: 1, y: 0 });
  assert.is(inkBox(sheet(9, 0, [])), undefined);
  assert.equal(offCentre(sheet(9, 0, [])), { x: 0, y: 0 });
});

Pixels('turn dark ink on paper into light ink on black, and leave an empty sheet empty', () => {
  const photographed = asInk(
    sheet(9, 220, [
      [4, 4, 20],
      [5, 4, 120],
    ]),
  );
  assert.equal([photographed.values[0], photographed.values[40], photographed.values[41]], [0, 255, 128]);
  const light = asInk(sheet(9, 10, [[4, 4, 110]]));
  assert.equal([light.values[0], light.values[40]], [0, 255]);
  assert.is(Math.max(...asInk(sheet(9, 200, [[4, 4, 190]])).values), 0);
});

Pixels('count a WebP file without its colour profile, cut short or not', () => {
  const chunk = (name: string, size: number) =>
    [...name].map((letter) => letter.charCodeAt(0)).concat(size, 0, 0, 0, Array(size + (size % 2)).fill(0));
  const file = Uint8Array.from([
    ...Array(12).fill(0),
    ...chunk('VP8X', 10),
    ...chunk('ICCP', 40),
    ...chunk('VP8L', 7),
  ]);
  assert.is(webpImageBytes(file), 12 + 8 + 8);
  assert.is(webpImageBytes(file.subarray(0, 15)), 12);
});

Pixels.run();

const Run = suite('runs of the page');

const row = {
  count: 3,
  image: (index: number) => Uint8Array.of(index),
  truth: (index: number) => (index === 2 ? undefined : 1),
};

Run('count what is right among what is known, what left here, and what it took', async () => {
  const seen: number[] = [];
  const figures = await runImages({
    images: row,
    classify: async ([index = 0]) => ({ ...answer, label: index, route: index === 0 ? 'exit' : 'features' }),
    onFigures: ({ images }) => seen.push(images),
    signal: new AbortController().signal,
  });
  assert.equal(seen, [1, 2, 3]);
  const { images, accuracy, deviceShare, medianMs, meanBytes } = figures;
  assert.equal([images, accuracy, medianMs, meanBytes], [3, 0.5, 10, 100]);
  assert.ok(Math.abs(deviceShare - 1 / 3) < 1e-9);
});

Run('do not count a degraded answer as one that left because it was sure', () => {
  const tally = new RunTally();
  tally.add({ ...answer, route: 'exit', degraded: true }, undefined);
  const { deviceShare, degraded, accuracy } = tally.figures;
  assert.equal([deviceShare, degraded, accuracy], [0, 1, undefined]);
});

Run('end when they are stopped', async () => {
  const stop = new AbortController();
  const { images } = await runImages({
    images: { ...row, count: 1000 },
    classify: async () => answer,
    onFigures: ({ images: done }) => done === 5 && stop.abort(),
    signal: stop.signal,
  });
  assert.ok(images >= 5 && images < 20, `${images}`);
});

Run.run();

const Sliders = suite('sliders of the page');

Sliders('come back to the place they were set to', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100 }), (place) => {
      assert.is(placeOfThreshold(thresholdAt(place)), place);
      assert.ok(Math.abs(placeOfBudget(budgetAt(place)) - place) <= 1);
    }),
  );
  assert.equal([thresholdAt(0), thresholdAt(100), budgetAt(0), budgetAt(100)], [0, 1, 10, 5000]);
});

Sliders.run();
