import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { linearScale, logScale } from '../../../scripts/plot/index.ts';

const Linear = suite('linear scale');

Linear('begins and ends at round numbers around the values and names those between', () => {
  const scale = linearScale([76.2, 79.4]);
  assert.equal([scale.from, scale.to], [76, 80]);
  assert.equal(scale.ticks, [76, 77, 78, 79, 80]);
  assert.is(scale.place(77), 0.25);
});

Linear('keeps the ends that it is given, save where a value lies outside of them', () => {
  const scale = linearScale([3, 11], { from: 0, to: 10 });
  assert.equal([scale.from, scale.to], [0, 11]);
  assert.equal(scale.ticks, [0, 2, 4, 6, 8, 10]);
});

Linear('goes a little beyond a value that is round itself, and never below 0 for that', () => {
  const { from, to, ticks } = linearScale([0, 4]);
  assert.is(from, 0);
  assert.ok(to > 4 && to < 4.2, String(to));
  assert.is(ticks.at(-1), 4);
});

Linear('writes as many decimals as tell its ticks apart', () => {
  const scale = linearScale([0.1, 0.32]);
  assert.equal(scale.ticks, [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]);
  assert.equal(scale.ticks.map(scale.format).slice(0, 2), ['0.10', '0.15']);
});

Linear('writes large values with the prefix of the largest', () => {
  const { ticks, format } = linearScale([0, 3_900_000]);
  assert.equal(ticks.map(format), ['0', '1 M', '2 M', '3 M', '4 M']);
});

Linear('has room on both sides of a single value', () => {
  for (const value of [0, -3, 99.2]) {
    const { place } = linearScale([value]);
    assert.ok(place(value) > 0 && place(value) < 1, String(value));
  }
});

Linear('places every value within the axis, in its order, whatever the values', () => {
  const amounts = fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(amounts, (values) => {
      const { place, ticks, from, to } = linearScale(values);
      const sorted = [...values].sort((a, b) => a - b).map(place);
      assert.ok(sorted.every((at, index) => at >= 0 && at <= 1 && at >= (sorted[index - 1] ?? 0)));
      assert.ok(ticks.length >= 2 && ticks.length <= 12, `${ticks.length} ticks`);
      const slack = (to - from) * 1e-6;
      assert.ok(ticks.every((tick) => tick >= from - slack && tick <= to + slack));
    }),
  );
});

Linear.run();

const Log = suite('logarithmic scale');

Log('goes from one round number to another and names 1, 2 and 5 times the powers of ten', () => {
  const scale = logScale([16, 328]);
  assert.equal([scale.from, scale.to], [10, 500]);
  assert.equal(scale.ticks, [10, 20, 50, 100, 200, 500]);
});

Log('places equal ratios at equal distances', () => {
  const { place } = logScale([1, 100]);
  assert.ok(Math.abs(place(10) - 0.5) < 1e-12);
});

Log('names powers of ten only over many of them', () => {
  assert.equal(logScale([1, 1_000_000]).ticks, [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]);
});

Log('names values at equal distances where powers of ten are too far apart', () => {
  const { ticks } = logScale([2.1, 3.4]);
  assert.ok(ticks.length >= 3, ticks.join());
});

Log('has room for a single value', () => {
  const { from, to } = logScale([50]);
  assert.ok(from <= 50 && to > from);
});

Log.run();
