import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import * as ort from 'onnxruntime-node';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readIdxPair } from '../../scripts/data/idx.ts';
import { drawDigits, sampleFiles, sampleSet } from '../../scripts/samples/draw-digits.ts';
import { centreOfInk, drawInk, smooth } from '../../scripts/samples/raster.ts';
import { skip } from '../support/data.ts';

const models = fileURLToPath(new URL('../../models', import.meta.url));
const committed = join(models, 'samples');
const drawn = drawDigits(sampleSet);

const samples = suite('samples');

samples('the committed files hold what the drawing gives', () => {
  for (const [name, bytes] of sampleFiles(sampleSet)) {
    // Compressed bytes may differ between builds of zlib; what they hold may not.
    const there = new Uint8Array(gunzipSync(readFileSync(join(committed, name))));
    assert.equal(there, new Uint8Array(gunzipSync(bytes)), name);
  }
});

samples('the files carry no date and no system in their gzip header', () => {
  for (const [name, bytes] of sampleFiles({ count: 10, seed: 1 })) {
    assert.equal([...bytes.subarray(0, 8)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], name);
    assert.is(bytes[9], 0xff);
    assert.is(readFileSync(join(committed, name))[9], 0xff);
  }
});

samples('the committed files read as labelled images, 60 of each digit', () => {
  const set = readIdxPair(
    join(committed, 'drawn-digits-images-idx3-ubyte.gz'),
    join(committed, 'drawn-digits-labels-idx1-ubyte.gz'),
  );
  assert.equal([set.count, ...set.shape], [600, 28, 28, 1]);
  for (let digit = 0; digit < 10; digit += 1) {
    assert.is(set.labels.filter((label) => label === digit).length, 60, String(digit));
  }
});

samples('the same seed draws the same, another seed something else', () => {
  assert.equal(drawDigits({ count: 20, seed: 5 }), drawDigits({ count: 20, seed: 5 }));
  assert.not.equal(drawDigits({ count: 20, seed: 5 }).pixels, drawDigits({ count: 20, seed: 6 }).pixels);
});

samples('the pictures keep the convention of MNIST', () => {
  assert.is(drawn.hard.filter(Boolean).length, 75);
  for (let index = 0; index < drawn.labels.length; index += 1) {
    if (drawn.hard[index]) continue;
    const image = drawn.pixels.subarray(index * 784, (index + 1) * 784);
    const centre = centreOfInk(Float64Array.from(image));
    assert.ok(Math.abs(centre.x - 14) < 1.5 && Math.abs(centre.y - 14) < 1.5, `image ${index} is centred`);
    assert.ok(Math.max(...image) >= 225, `image ${index} has full ink`);
    const border = image.filter((_, at) => at < 28 || at >= 756 || at % 28 === 0 || at % 28 === 27);
    assert.ok(
      border.every((grey) => grey <= 16),
      `image ${index} has no more than a fringe of blur at its border`,
    );
  }
});

samples('a line covers the pixels under it and no others', () => {
  const ink = drawInk([
    smooth([
      { x: 4, y: 10, radius: 1 },
      { x: 20, y: 10, radius: 1 },
    ]),
  ]);
  assert.is(ink[9 * 28 + 12], 1);
  assert.is(ink[10 * 28 + 12], 1);
  assert.is(ink[7 * 28 + 12], 0);
  assert.is(ink[10 * 28 + 24], 0);
  const sum = ink.reduce((total, share) => total + share, 0);
  assert.ok(Math.abs(sum - (16 * 2 + Math.PI)) < 1.5, `ink of ${sum} pixels`);
});

samples(
  'a network trained on MNIST reads nearly all easy ones and has trouble with the hard ones',
  async () => {
    const model = join(models, 'b-lenet-mnist', 'whole.onnx');
    if (!existsSync(model)) return skip('models/b-lenet-mnist is not there: no network reads the samples');
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
    const image = new ort.Tensor('uint8', drawn.pixels, [drawn.labels.length, 28, 28, 1]);
    const { logits1 } = await session.run({ image });
    const logits = logits1?.data;
    assert.instance(logits, Float32Array);
    const right = [...drawn.labels].map((label, index) => {
      const row = [...(logits as Float32Array).subarray(index * 10, (index + 1) * 10)];
      return row.indexOf(Math.max(...row)) === label;
    });
    const share = (hard: boolean): number => {
      const group = right.filter((_, index) => drawn.hard[index] === hard);
      return group.filter(Boolean).length / group.length;
    };
    assert.ok(share(false) > 0.97, `easy ones right: ${share(false)}`);
    assert.ok(share(true) > 0.4 && share(true) < 0.9, `hard ones right: ${share(true)}`);
    await session.release();
  },
);

samples.run();
