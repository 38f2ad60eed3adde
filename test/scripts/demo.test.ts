import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobPicture } from '../../scripts/demo/blobs.ts';
import { demoImages } from '../../scripts/demo/images.ts';
import { picture } from '../../scripts/demo/picture.ts';
import { type DemoAnswer, Tally } from '../../scripts/demo/tally.ts';
import type { Manifest } from '../../shared/bundle/index.ts';
import { throwsCode } from '../protocol/expect.ts';
import { openRealBundle } from '../runtime/real-bundle.ts';
import { dataFolder, skip } from '../support/data.ts';

const { manifest: digits } = await openRealBundle({ segments: [] });

/** The manifest of a bundle for another data set or size. */
function manifestOf(dataset: string, shape: [number, number, number]): Manifest {
  return { ...digits, training: { dataset }, input: { ...digits.input, shape } };
}

const photographs = manifestOf('cifar10', [32, 32, 3]);

const Images = suite('images of the demo');

Images('are the drawn digits for a bundle that reads digits, with their true classes', () => {
  const images = demoImages(digits, undefined);
  assert.match(images.source, 'not MNIST');
  assert.equal([images.count, ...images.shape], [600, 28, 28, 1]);
  const truths = Array.from({ length: images.count }, (_, index) => images.truth(index) ?? -1);
  assert.equal([...new Set(truths)].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Images('are made up for any other bundle whose data is not there, and have no class', () => {
  const others = [photographs, manifestOf('cifar10', [20, 30, 1]), manifestOf('mine', [28, 28, 1])];
  for (const manifest of [...others, manifestOf('mnist', [14, 14, 1])]) {
    const { shape } = manifest.input;
    for (const folder of [undefined, tmpdir()]) {
      const images = demoImages(manifest, folder);
      assert.equal(images.shape, shape);
      assert.is(images.image(3).length, shape[0] * shape[1] * shape[2]);
      assert.is(images.truth(3), undefined);
      assert.match(images.source, 'made up');
    }
  }
});

Images('are the test split of the data set where it is', () => {
  const folder = dataFolder();
  if (folder === undefined) return skip('OFFRAMP_DATA is not set: the demo has no data set to find');
  assert.equal([demoImages(digits, folder).count, demoImages(digits, folder).truth(0)], [10_000, 7]);
  const images = demoImages(photographs, folder);
  assert.equal([images.source, images.count, images.truth(0)], ['the test split of cifar10', 10_000, 3]);
});

Images('are refused, and not replaced, where the data set is there and damaged', () => {
  const folder = mkdtempSync(join(tmpdir(), 'offramp-demo-'));
  try {
    mkdirSync(join(folder, 'cifar10'));
    throwsCode(() => demoImages(photographs, folder), 'DATA_MISSING', 'test_batch.bin.gz is missing');
    writeFileSync(join(folder, 'cifar10', 'test_batch.bin.gz'), 'no gzip');
    throwsCode(() => demoImages(photographs, folder), 'DATA_CORRUPT', 'test_batch.bin.gz');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

Images.run();

const Blobs = suite('made-up pictures');

Blobs('are the same each time, differ from each other, and are smooth', () => {
  const one = blobPicture([32, 32, 3], 7);
  assert.equal(blobPicture([32, 32, 3], 7), one);
  assert.not.equal(blobPicture([32, 32, 3], 8), one);
  assert.ok(new Set(one).size > 40, 'a picture of few colours');
  let most = 0;
  for (let at = 3; at < one.length; at++) {
    const firstOfRow = Math.floor(at / 3) % 32 === 0;
    if (!firstOfRow) most = Math.max(most, Math.abs((one[at] ?? 0) - (one[at - 3] ?? 0)));
  }
  assert.ok(most < 80, `two neighbours differ by ${most}`);
});

Blobs.run();

const Picture = suite('a picture in characters');

Picture('goes by brightness, grey or in colour, two rows a line', () => {
  const grey = Uint8Array.of(255, 0, 255, 0, 255, 0, 255, 0);
  assert.is(picture(grey, [4, 2, 1]), '@\n@');
  const colour = Uint8Array.from({ length: 24 }, (_, at) => (at % 6 < 3 ? 0 : 255));
  assert.is(picture(colour, [4, 2, 3]), ' @\n @');
  // Red alone is a third as bright as white.
  assert.is(picture(Uint8Array.of(255, 0, 0, 255, 0, 0), [2, 1, 3]), '-');
});

Picture.run();

function answer(change: Partial<DemoAnswer> = {}): DemoAnswer {
  return {
    ...{
      label: 3,
      className: 'cat',
      route: 'exit',
      degraded: false,
      entropy: 0.1,
      latencyMs: 2,
      bytesSent: 0,
    },
    device: { label: 3, entropy: 0.1 },
    ...change,
  };
}

const Totals = suite('totals of a demo');

Totals('count an answer as right or wrong only where the class is known', () => {
  const tally = new Tally();
  tally.add(0, 3, answer());
  tally.add(1, 5, answer());
  assert.is(tally.accuracy, 0.5);
  tally.add(2, undefined, answer());
  assert.equal([tally.answers, tally.accuracy, tally.routes.exit?.accuracy], [3, 0.5, 0.5]);
});

Totals('leave the accuracy out where no class is known', () => {
  const tally = new Tally();
  tally.add(0, undefined, answer({ route: 'features', bytesSent: 100, device: { label: 9, entropy: 0.9 } }));
  assert.ok(Number.isNaN(tally.accuracy));
  assert.is(tally.rescue, undefined);
  assert.match(tally.render(), /^features +1 +100\.0 % +- /m);
});

Totals('keep an image that the device got wrong and the cloud right', () => {
  const tally = new Tally();
  tally.add(4, 3, answer({ route: 'features', device: { label: 9, entropy: 0.9 } }));
  assert.is(tally.rescue?.image, 4);
});

Totals.run();
