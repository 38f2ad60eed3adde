import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  cappedMeanAfter,
  constant,
  figuresOf,
  fromTiming,
  meanOf,
  mixture,
  shareWithin,
  sum,
} from '../../shared/plan/distribution.ts';
import { normalQuantile, normalShareBelow } from '../../shared/plan/normal.ts';
import { seeded } from './link-model.ts';

const timings = fc
  .tuple(fc.double({ min: 0.001, max: 1000, noNaN: true }), fc.double({ min: 1, max: 20, noNaN: true }))
  .map(([medianMs, factor]) => ({ medianMs, p95Ms: medianMs * factor }));

function isNear(got: number, expected: number, share: number, what: string): void {
  assert.ok(
    Math.abs(got - expected) <= share * Math.abs(expected),
    `${what}: got ${got}, expected ${expected}`,
  );
}

const Distributions = suite('distributions of durations');

Distributions('the normal distribution has the values of the tables', () => {
  for (const [level, value] of [
    [0.5, 0],
    [0.975, 1.959963985],
    [0.05, -1.644853627],
    [0.001, -3.090232306],
  ] as const) {
    assert.ok(Math.abs(normalQuantile(level) - value) < 1e-8, `${level}`);
    assert.ok(Math.abs(normalShareBelow(value) - level) < 2e-7, `${value}`);
  }
});

Distributions('a timing has the median and the 95th percentile it was made of', () => {
  const { p50Ms, p95Ms, meanMs } = figuresOf([
    { share: 1, distribution: fromTiming({ medianMs: 10, p95Ms: 30 }) },
  ]);
  isNear(p50Ms, 10, 0.05, 'median');
  isNear(p95Ms, 30, 0.05, 'p95');
  const sigma = Math.log(3) / 1.6448536;
  isNear(meanMs, 10 * Math.exp(sigma ** 2 / 2), 0.02, 'mean');
});

Distributions('a sum has the sum of the means, stays in order and weighs 1', () => {
  fc.assert(
    fc.property(timings, timings, (one, other) => {
      const [left, right] = [fromTiming(one), fromTiming(other)];
      const both = sum(left, right);
      const expected = meanOf(left) + meanOf(right);
      assert.ok(Math.abs(meanOf(both) - expected) <= 1e-9 * Math.max(1, expected));
      assert.ok(both.ms.every((ms, at) => ms >= (1 - 1e-9) * (both.ms[at - 1] ?? 0)));
      assert.ok(Math.abs(both.weights.reduce((total, weight) => total + weight, 0) - 1) < 1e-9);
      assert.ok(both.ms.length <= 30);
    }),
  );
});

Distributions('a sum and a mixture have the percentiles of many draws', () => {
  const random = seeded(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const draw = (medianMs: number, p95Ms: number) =>
    medianMs * Math.exp((Math.log(p95Ms / medianMs) / 1.6448536) * normal());
  const draws = Array.from({ length: 100_000 }, () =>
    random() < 0.6 ? draw(8, 11) : draw(8, 11) + draw(40, 160) + draw(5, 9),
  ).sort((one, other) => one - other);
  const near = fromTiming({ medianMs: 8, p95Ms: 11 });
  const far = sum(sum(near, fromTiming({ medianMs: 40, p95Ms: 160 })), fromTiming({ medianMs: 5, p95Ms: 9 }));
  const parts = [
    { share: 0.6, distribution: near },
    { share: 0.4, distribution: far },
  ];
  const { p50Ms, p95Ms, p99Ms, meanMs } = figuresOf(parts);
  isNear(p50Ms, draws[50_000] ?? 0, 0.03, 'p50');
  isNear(p95Ms, draws[95_000] ?? 0, 0.05, 'p95');
  isNear(p99Ms, draws[99_000] ?? 0, 0.07, 'p99');
  isNear(meanMs, draws.reduce((total, ms) => total + ms, 0) / draws.length, 0.02, 'mean');
  const all = mixture(parts);
  isNear(meanOf(all), meanMs, 1e-9, 'mean of the mixture');
  for (const limitMs of [9, 40, 100, 300]) {
    const within = draws.filter((ms) => ms <= limitMs).length / draws.length;
    const told = parts.reduce(
      (total, part) => total + part.share * shareWithin(part.distribution, limitMs),
      0,
    );
    assert.ok(Math.abs(told - within) < 0.01, `within ${limitMs} ms: got ${told}, expected ${within}`);
  }
});

Distributions('the share within a limit never falls and is all or nothing for what never varies', () => {
  fc.assert(
    fc.property(timings, fc.array(fc.double({ min: 0, max: 5000, noNaN: true })), (timing, limits) => {
      const distribution = fromTiming(timing);
      const shares = limits.sort((one, other) => one - other).map((ms) => shareWithin(distribution, ms));
      assert.ok(shares.every((share, at) => share >= (shares[at - 1] ?? 0) && share <= 1));
    }),
  );
  assert.is(shareWithin(constant(5), 4.999), 0);
  assert.is(shareWithin(constant(5), 5), 1);
});

Distributions('a mean is capped point by point', () => {
  const parts = [
    { share: 0.5, distribution: constant(10) },
    { share: 0.5, distribution: constant(90) },
  ];
  assert.ok(Math.abs(cappedMeanAfter(constant(0), mixture(parts), Number.POSITIVE_INFINITY) - 50) < 1e-9);
  assert.ok(Math.abs(cappedMeanAfter(constant(0), mixture(parts), 30) - 20) < 1e-9);
});

Distributions.run();
