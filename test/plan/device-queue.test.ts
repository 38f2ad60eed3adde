import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../scripts/calibrate/random.ts';
import { deviceWait } from '../../shared/plan/device-queue.ts';
import { meanOf, shareWithin } from '../../shared/plan/distribution.ts';

const Wait = suite('wait for the device');

const poisson = (imagesPerSecond: number) => ({ imagesPerSecond, gapVariation: 1 });
const always = (meanMs: number) => ({ meanMs, meanSquareMs: meanMs ** 2 });
const exponential = (meanMs: number) => ({ meanMs, meanSquareMs: 2 * meanMs ** 2 });

function isNear(got: number, expected: number, share = 1e-9): void {
  assert.ok(Math.abs(got - expected) <= share * expected, `got ${got}, expected ${expected}`);
}

Wait('is rho / (1 - rho) services in an M/M/1 queue, and half of that in an M/D/1 queue', () => {
  for (const use of [0.05, 0.3, 0.6, 0.9]) {
    const wait = deviceWait(poisson(10 * use), exponential(100), 1);
    isNear(meanOf(wait), (use / (1 - use)) * 100);
    isNear(meanOf(deviceWait(poisson(10 * use), always(100), 1)), (use / (1 - use)) * 50);
  }
});

Wait('is exponential for those who wait at all, as in an M/M/1 queue', () => {
  const wait = deviceWait(poisson(6), exponential(100), 1);
  // P(W <= t) = 1 - rho * exp(-(1 - rho) t / s)
  for (const ms of [50, 150, 400, 900]) {
    assert.ok(Math.abs(shareWithin(wait, ms) - (1 - 0.6 * Math.exp((-0.4 * ms) / 100))) < 0.03, `${ms} ms`);
  }
});

Wait('is nothing for a camera whose images all take the same', () => {
  assert.is(meanOf(deviceWait({ imagesPerSecond: 9, gapVariation: 0 }, always(100), 1)), 0);
});

Wait('is nothing where next to nothing is asked', () => {
  assert.is(meanOf(deviceWait(poisson(0.01), always(100), 1)), 0);
});

Wait('is as long as images of two kinds wait in a queue that is simulated', () => {
  const random = seededRandom(1);
  let [freeAtMs, nowMs, total] = [0, 0, 0];
  const images = 400_000;
  for (let image = 0; image < images; image++) {
    nowMs += -Math.log(1 - random()) * 200;
    const waitMs = Math.max(0, freeAtMs - nowMs);
    total += waitMs;
    freeAtMs = nowMs + waitMs + (random() < 0.4 ? 250 : 30);
  }
  const service = { meanMs: 0.4 * 250 + 0.6 * 30, meanSquareMs: 0.4 * 250 ** 2 + 0.6 * 30 ** 2 };
  isNear(meanOf(deviceWait(poisson(5), service, 1)), total / images, 0.03);
});

Wait('grows with what is asked, beyond what the device can do as well', () => {
  const rate = fc.double({ min: 0.2, max: 200, noNaN: true });
  const threads = fc.integer({ min: 1, max: 8 });
  fc.assert(
    fc.property(rate, rate, threads, (one, other, parallel) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      const at = (imagesPerSecond: number) =>
        meanOf(deviceWait(poisson(imagesPerSecond), exponential(40), parallel));
      assert.ok(at(low) <= at(high) + 1e-9);
      assert.ok(Number.isFinite(at(high)));
    }),
  );
});

Wait.run();
