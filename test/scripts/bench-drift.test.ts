/** `offramp bench drift`: the changes that it makes to pictures, the streams that it replays, and a small run with a real network. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent } from '../../edge/agent/index.ts';
import { benchDrift, type DriftBenchOptions } from '../../scripts/bench/drift/bench.ts';
import { type Opinions, recordOpinions } from '../../scripts/bench/drift/record.ts';
import { levelAt, replayStream } from '../../scripts/bench/drift/replay.ts';
import {
  addNoise,
  blur,
  changeContrast,
  type ImageShape,
  type Shift,
  shifts,
} from '../../scripts/bench/drift/shifts.ts';
import { seededRandom } from '../../scripts/calibrate/random.ts';
import { blobPicture } from '../../scripts/demo/blobs.ts';
import { findBundle } from '../../scripts/project.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { InlineRunner } from '../../shared/runtime/node/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { segmentGraphs } from '../runtime/real-bundle.ts';

const Shifts = suite('shifts of pictures');

function madeUp([height, width, channels]: ImageShape, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: height * width * channels }, () => Math.floor(256 * random()));
}

/** Mean and standard deviation of every `step`th value from `first` on. */
function moments(values: Uint8Array, first = 0, step = 1): readonly [mean: number, deviation: number] {
  const own = Array.from(values).filter((_, index) => index % step === first);
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  return [mean, Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length)];
}

const side = fc.integer({ min: 1, max: 9 });
const pictures = fc
  .tuple(side, side, fc.constantFrom(1, 3))
  .chain(([height, width, channels]) =>
    fc
      .uint8Array({ minLength: height * width * channels, maxLength: height * width * channels })
      .map((image) => ({ image, shape: [height, width, channels] as const })),
  );

Shifts('make a picture of the same size and leave the one given as it was', () => {
  fc.assert(
    fc.property(pictures, fc.nat(), ({ image, shape }, seed) => {
      const before = Array.from(image);
      for (const { name, apply } of shifts) {
        const changed = apply(image, shape, seededRandom(seed));
        assert.equal(Array.from(image), before, name);
        assert.is(changed.length, image.length, name);
        assert.is.not(changed.buffer, image.buffer, name);
        assert.equal(changed, apply(image, shape, seededRandom(seed)), `${name}, the same seed`);
      }
    }),
  );
});

Shifts('have a name each, and the first changes nothing', () => {
  assert.is(new Set(shifts.map(({ name }) => name)).size, shifts.length);
  const image = madeUp([8, 8, 3], 1);
  for (const [index, { name, apply }] of shifts.entries()) {
    const isSame = apply(image, [8, 8, 3], seededRandom(1)).join() === image.join();
    assert.is(isSame, index === 0, name);
  }
  assert.is(shifts[0]?.name, 'none');
});

Shifts('without contrast every channel is flat at its mean, with all of it nothing changes', () => {
  fc.assert(
    fc.property(pictures, ({ image, shape }) => {
      const [, , channels] = shape;
      const flat = changeContrast(image, shape, 0);
      for (let channel = 0; channel < channels; channel++) {
        const [mean] = moments(image, channel, channels);
        const [flatMean, deviation] = moments(flat, channel, channels);
        assert.ok(Math.abs(flatMean - mean) <= 0.5 + 1e-9 && deviation === 0, `${flatMean} for ${mean}`);
      }
      assert.equal(changeContrast(image, shape, 1), image);
    }),
  );
});

Shifts('less contrast is that part of the deviation', () => {
  const image = madeUp([32, 32, 1], 2);
  const [mean, deviation] = moments(image);
  for (const factor of [0.4, 0.2]) {
    const [newMean, newDeviation] = moments(changeContrast(image, [32, 32, 1], factor));
    assert.ok(Math.abs(newMean - mean) < 0.1, `${newMean} for ${mean}`);
    assert.ok(Math.abs(newDeviation - factor * deviation) < 0.2, `${newDeviation} of ${deviation}`);
  }
});

Shifts('noise has the deviation asked for and no bias', () => {
  const grey = new Uint8Array(64 * 64 * 3).fill(128);
  for (const sigma of [0.08, 0.15]) {
    const [mean, deviation] = moments(addNoise(grey, sigma, seededRandom(3)));
    assert.ok(Math.abs(mean - 128) < (5 * 255 * sigma) / Math.sqrt(grey.length), `mean ${mean}`);
    // At 0.15 a value in a thousand is cut off at black or white.
    assert.ok(Math.abs(deviation / (255 * sigma) - 1) < 0.03, `deviation ${deviation}`);
  }
});

Shifts('noise stops at black and white', () => {
  const light = addNoise(new Uint8Array(10_000).fill(250), 0.08, seededRandom(4));
  const dark = addNoise(new Uint8Array(10_000).fill(5), 0.08, seededRandom(5));
  assert.ok(light.every((value) => value > 120) && light.includes(255));
  assert.ok(dark.every((value) => value < 135) && dark.includes(0));
});

Shifts('blur keeps the mean of every channel', () => {
  fc.assert(
    fc.property(pictures, fc.constantFrom(0.5, 1, 2), ({ image, shape }, sigma) => {
      const [, , channels] = shape;
      for (let channel = 0; channel < channels; channel++) {
        const [mean] = moments(image, channel, channels);
        const [blurred] = moments(blur(image, shape, sigma), channel, channels);
        assert.ok(Math.abs(blurred - mean) <= 0.5 + 1e-9, `${blurred} for ${mean}`);
      }
    }),
  );
});

Shifts('blur spreads a line by the deviation asked for, across it and in its own channel alone', () => {
  const [height, width] = [5, 41];
  const line = new Uint8Array(height * width * 3);
  for (let row = 0; row < height; row++) line[(row * width + 20) * 3 + 1] = 255;
  for (const sigma of [1, 2]) {
    const blurred = blur(line, [height, width, 3], sigma);
    const row = Array.from(blurred).filter((_, index) => index < width * 3 && index % 3 === 1);
    const total = row.reduce((sum, value) => sum + value, 0);
    const variance = row.reduce((sum, value, place) => sum + value * (place - 20) ** 2, 0) / total;
    assert.ok(Math.abs(Math.sqrt(variance) - sigma) < 0.06 * sigma, `${Math.sqrt(variance)} for ${sigma}`);
    assert.equal(moments(blurred, 0, 3), [0, 0]);
    assert.equal(moments(blurred, 2, 3), [0, 0]);
  }
});

Shifts.run();

const Replay = suite('a replayed stream');

const rule = { threshold: 0.5, auditShare: 1, allowedDisagreement: 0.01, exitShare: 0.5 };

/** Every second image is too unsure to leave; of the others `disagrees` says which the cloud gives another label. */
function opinions(disagrees: (index: number) => boolean, images = 1000): Opinions {
  const indexes = Array.from({ length: images }, (_, index) => index);
  return {
    truths: new Uint16Array(images),
    entropies: Float64Array.from(indexes, (index) => (index % 2 === 0 ? 0.5 : (0.49 * index) / images)),
    deviceLabels: new Uint16Array(images),
    cloudLabels: Uint16Array.from(indexes, (index) => (disagrees(index) ? 1 : 0)),
  };
}

Replay('alarms soon where the cloud always disagrees, until nothing leaves', async () => {
  const always = opinions(() => true);
  const { images, audits, alarms, thresholdScale } = await replayStream(always, rule, 1e6, seededRandom(1));
  // With evidence of 16^n / 5 at the least, four audits are enough for 10,000, and three are not.
  assert.equal(
    alarms.map((alarm) => alarm.audits),
    [4, 8, 12, 16, 20, 24],
  );
  assert.equal([audits, thresholdScale], [24, 0]);
  assert.ok((alarms[0]?.images ?? 0) >= 4 && images === alarms.at(-1)?.images && images < 2000, `${images}`);
});

Replay('never alarms where it always agrees', async () => {
  const never = opinions(() => false);
  const run = await replayStream(never, { ...rule, auditShare: 0.1 }, 200_000, seededRandom(2));
  assert.equal([run.images, run.alarms, run.thresholdScale], [200_000, [], 1]);
  // A tenth of the half that leaves, within five deviations.
  assert.ok(Math.abs(run.audits - 10_000) < 500, `${run.audits}`);
});

Replay('ends at the scale at which the cloud agrees with what still leaves', async () => {
  const unsure = opinions((index) => index > 520);
  const run = await replayStream(unsure, rule, 100_000, seededRandom(3));
  assert.equal([run.images, run.alarms.length, run.thresholdScale], [100_000, 1, 0.5]);
});

Replay('says when the share that leaves is not the calibrated one', async () => {
  const never = opinions(() => false);
  const usual = await replayStream(never, rule, 20_000, seededRandom(6));
  assert.equal(usual.exitShareMovedAt, []);
  const moved = await replayStream(never, { ...rule, exitShare: 0.95 }, 20_000, seededRandom(6));
  assert.is(moved.exitShareMovedAt.length, 1);
  assert.ok((moved.exitShareMovedAt[0] ?? 0) < 200, moved.exitShareMovedAt.join());
});

Replay('depends on the seed alone', async () => {
  const some = opinions((index) => index % 40 === 1);
  const [one, same, other] = await Promise.all(
    [4, 4, 5].map((seed) => replayStream(some, rule, 20_000, seededRandom(seed))),
  );
  assert.equal(one, same);
  assert.not.equal(one, other);
});

Replay('says what the answers are worth before and after', () => {
  const four: Opinions = {
    truths: Uint16Array.of(1, 2, 3, 4),
    entropies: Float64Array.of(0.1, 0.2, 0.3, 0.4),
    deviceLabels: Uint16Array.of(1, 2, 0, 4),
    cloudLabels: Uint16Array.of(1, 0, 3, 0),
  };
  // The last is at the threshold, and so does not leave.
  assert.equal(levelAt(four, 0.4, 1), {
    ...{ thresholdScale: 1, deviceShare: 0.75, deviceAccuracy: 2 / 3, disagreement: 2 / 3, accuracy: 0.5 },
  });
  assert.equal(levelAt(four, 0.4, 0.5), {
    ...{ thresholdScale: 0.5, deviceShare: 0.25, deviceAccuracy: 1, disagreement: 0, accuracy: 0.5 },
  });
  const nothing = levelAt(four, 0.4, 0);
  assert.equal([nothing.deviceShare, nothing.accuracy], [0, 0.5]);
  assert.ok(Number.isNaN(nothing.deviceAccuracy) && Number.isNaN(nothing.disagreement));
});

Replay.run();

const Bench = suite('bench drift');

const unchanged: Shift = { name: 'none', apply: (image) => new Uint8Array(image) };

for (const id of ['b-lenet-mnist', 'b-resnet-cifar10']) {
  Bench(`${id}: device and cloud are what agents with one and with all segments answer`, async () => {
    const bundle = await openBundle(bundleFolder(findBundle(id)));
    const { input, segments } = bundle.manifest;
    const graphs = segmentGraphs(bundle);
    const runner = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 1 });
    const options = { bundle, runner, clock: systemClock, defaultBudgetMs: 60_000, maxInFlight: 1 };
    const device = new Agent({ ...options, cut: 1 });
    const behind = new Agent({ ...options, cut: segments.length, thresholds: [0] });
    try {
      const image = (index: number) => blobPicture(input.shape, index);
      const images = { source: 'blobs', count: 70, shape: input.shape, image, truth: () => 0 };
      const seen = await recordOpinions(bundle, runner, images, unchanged, Math.random);
      for (let index = 0; index < images.count; index++) {
        const [own, theirs] = [await device.classify(image(index)), await behind.classify(image(index))];
        assert.is(seen.deviceLabels[index], own.label);
        assert.is((seen.entropies[index] ?? 1) < (bundle.exit(0).threshold ?? 0), !own.degraded);
        assert.is(seen.cloudLabels[index], theirs.label);
      }
    } finally {
      await runner.close();
    }
  });
}

function benchOptions(changes: Partial<DriftBenchOptions> = {}): DriftBenchOptions {
  return {
    ...{ bundleFolder: findBundle('b-lenet-mnist'), dataFolder: undefined, auditShare: 0.1 },
    ...{ images: 5000, runs: 3, unshiftedRuns: 4, seed: 1, onProgress: () => {} },
    ...changes,
  };
}

Bench('finds digits that are hard to read, and says what was allowed of the others', async () => {
  const bench = await benchDrift(benchOptions());
  assert.match(bench.source, /drawn by this project/);
  assert.equal(
    bench.shifts.map(({ shift }) => shift),
    shifts.map(({ name }) => name),
  );
  const { unshifted } = bench;
  assert.equal([unshifted.runs, unshifted.allowedAlarms], [4, unshifted.audits / 10_000]);
  for (const { shift, runs, found, imagesToAlarm, auditsToAlarm, levels } of bench.shifts) {
    assert.is(runs, shift === 'none' ? 4 : 3);
    assert.is(found === runs, imagesToAlarm.worst !== undefined, shift);
    assert.ok((auditsToAlarm.median ?? 0) <= (imagesToAlarm.median ?? 0), shift);
    assert.is(levels[0]?.thresholdScale, 1, shift);
  }
  const [none] = bench.shifts;
  const blurred = bench.shifts.find(({ shift }) => shift === 'blur 2');
  const [before, after] = [none?.levels[0], blurred?.levels[0]];
  assert.ok((after?.accuracy ?? 1) < (before?.accuracy ?? 0), 'blur makes no difference');
  assert.is(blurred?.found, 3);
});

Bench('pictures that show nothing are refused', async () => {
  const run = benchDrift(benchOptions({ bundleFolder: findBundle('b-resnet-cifar10') }));
  await rejectsCode(run, 'DATA_MISSING', 'b-resnet-cifar10: got coloured blobs');
});

Bench.run();
