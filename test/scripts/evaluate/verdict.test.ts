import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Outcome, upperEnvelope } from '../../../scripts/evaluate/curve/envelope.ts';
import { accuracyAt, costOf } from '../../../scripts/evaluate/rate-curve/interpolate.ts';
import { compareCurves, type Verdict } from '../../../scripts/evaluate/rate-curve/verdict.ts';
import { verdictLine, verdictWords } from '../../../scripts/evaluate/rate-curve/verdict-words.ts';

/** Pairs of bytes and accuracy. */
function curve(...points: readonly (readonly [number, number])[]): Outcome[] {
  return points.map(([cost, accuracy]) => ({ cost, accuracy }));
}

function ranges({ stretches }: Verdict): (string | number | null)[][] {
  return stretches.map(({ leader, from, to }) => [leader, from, to]);
}

const Interpolation = suite('reading a curve');

const straight = curve([100, 0.5], [200, 0.7], [400, 0.8]);

Interpolation('takes the line between two settings, and the last setting beyond it', () => {
  assert.equal(
    [100, 150, 200, 300, 400, 4000].map((bytes) => accuracyAt(straight, bytes)?.toFixed(6)),
    ['0.500000', '0.600000', '0.700000', '0.750000', '0.800000', '0.800000'],
  );
});

Interpolation('has nothing below the smallest setting, and nothing without settings', () => {
  assert.is(accuracyAt(straight, 99.9), undefined);
  assert.is(accuracyAt([], 100), undefined);
});

Interpolation('finds the bytes of an accuracy, and none where it is never reached', () => {
  assert.equal(
    [0.1, 0.5, 0.6, 0.75, 0.8].map((accuracy) => costOf(straight, accuracy)?.toFixed(3)),
    ['100.000', '100.000', '150.000', '300.000', '400.000'],
  );
  assert.is(costOf(straight, 0.81), undefined);
  assert.is(costOf([], 0), undefined);
});

Interpolation.run();

const Comparison = suite('the verdict on two curves');

Comparison(
  'counts the rates alone below the smallest files, and their last accuracy beyond their largest',
  () => {
    const verdict = compareCurves(curve([40, 0.8], [100, 0.9]), curve([150, 0.7], [300, 0.88]));
    assert.equal(ranges(verdict), [['rates', 40, null]]);
    assert.equal(verdict.smallest, { rates: 40, webp: 150 });
    assert.is(verdict.widest.webp, null);
    assert.is(verdict.widest.rates?.bytes, 150);
    assert.ok(Math.abs((verdict.widest.rates?.by ?? 0) - 0.2) < 1e-12);
  },
);

Comparison('finds the crossing between two settings', () => {
  const verdict = compareCurves(curve([50, 0.8]), curve([100, 0.7], [200, 0.9]));
  assert.equal(
    ranges(verdict).map(([leader, from, to]) => [
      leader,
      Number(from).toFixed(6),
      to && Number(to).toFixed(6),
    ]),
    [
      ['rates', '50.000000', '150.000000'],
      ['webp', '150.000000', null],
    ],
  );
});

Comparison('says so where WebP is smaller than every rate', () => {
  const verdict = compareCurves(curve([200, 0.9]), curve([100, 0.5], [300, 0.6]));
  assert.equal(ranges(verdict), [
    ['webp', 100, 200],
    ['rates', 200, null],
  ]);
  assert.is(verdict.widest.webp, null, 'it leads nowhere where both have a setting');
});

Comparison('knows curves that are equal', () => {
  const same = curve([100, 0.5], [200, 0.7]);
  const verdict = compareCurves(same, same);
  assert.equal(ranges(verdict), [['neither', 100, null]]);
  assert.equal(verdict.widest, { rates: null, webp: null });
});

Comparison('lets neither side be hurt by a setting that costs more and reaches less', () => {
  const rates = curve([40, 0.8], [100, 0.9]);
  const files = curve([150, 0.7], [300, 0.95]);
  const worse = compareCurves([...rates, ...curve([120, 0.85])], [...files, ...curve([200, 0.1])]);
  assert.equal(worse.stretches, compareCurves(rates, files).stretches);
  assert.equal(worse.widest, compareCurves(rates, files).widest);
});

Comparison('tells for each rate what WebP does with its bytes and needs for its accuracy', () => {
  const { atRates } = compareCurves(
    curve([50, 0.6], [150, 0.75], [160, 0.99]),
    curve([100, 0.5], [200, 0.7], [400, 0.8]),
  );
  assert.equal(
    atRates.map(({ webpAccuracy, webpBytes }) => [webpAccuracy?.toFixed(3), webpBytes?.toFixed(1)]),
    [
      [undefined, '150.0'],
      ['0.600', '300.0'],
      ['0.620', undefined],
    ],
  );
});

Comparison('refuses a curve without points', () => {
  assert.throws(() => compareCurves([], curve([1, 0.5])), RangeError);
  assert.throws(() => compareCurves(curve([1, 0.5]), []), RangeError);
});

const anyCurve = fc.array(
  fc.record({ cost: fc.integer({ min: 1, max: 50 }), accuracy: fc.integer({ min: 0, max: 20 }) }),
  { minLength: 1, maxLength: 12 },
);

Comparison('leaves no gap, and holds at every byte count', () => {
  fc.assert(
    fc.property(anyCurve, anyCurve, fc.double({ min: 1, max: 60, noNaN: true }), (rates, webp, bytes) => {
      const { stretches } = compareCurves(rates, webp);
      assert.is(stretches[0]?.from, Math.min(...[...rates, ...webp].map(({ cost }) => cost)));
      assert.is(stretches.at(-1)?.to, null);
      for (const [index, { from, to }] of stretches.slice(0, -1).entries()) {
        assert.ok(to !== null && from < to, `stretch ${from} to ${to}`);
        assert.is(stretches[index + 1]?.from, to);
        assert.is.not(stretches[index + 1]?.leader, stretches[index]?.leader);
      }
      const here = stretches.find(({ from, to }) => bytes >= from && (to === null || bytes < to));
      const our = accuracyAt(upperEnvelope(rates), bytes) ?? Number.NEGATIVE_INFINITY;
      const their = accuracyAt(upperEnvelope(webp), bytes) ?? Number.NEGATIVE_INFINITY;
      // At a crossing rounding decides; neither side is far ahead there.
      if (here === undefined)
        assert.equal([our, their], [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
      else if (Math.abs(our - their) > 1e-9) assert.is(here.leader, our > their ? 'rates' : 'webp');
    }),
    { numRuns: 2000 },
  );
});

Comparison.run();

const Words = suite('the verdict in words');

Words('name every range, and say it where WebP lies above', () => {
  const verdict = compareCurves(curve([50, 0.8]), curve([100, 0.7], [200, 0.9]));
  assert.equal(verdictWords(verdict), [
    'The rates lie above from 50.0 to 150.0 bytes. WebP lies above from 150.0 bytes on, by at most 10.00 points.',
    'WebP has no files below 100.0 bytes.',
    'Where both have a setting, the rates lie furthest above at 100.0 bytes: by 10.00 points.',
    'Where both have a setting, WebP lies furthest above at 200.0 bytes: by 10.00 points.',
  ]);
});

Words('name WebP nowhere when it lies above nowhere', () => {
  const verdict = compareCurves(curve([40, 0.8]), curve([150, 0.7]));
  assert.is(verdictLine(verdict), 'The rates lie above from 40.0 bytes on.');
});

Words('say that curves are equal', () => {
  const same = curve([100, 0.5]);
  assert.equal(verdictWords(compareCurves(same, same)), ['Both are equal from 100.0 bytes on.']);
});

Words('count the ranges that they do not name', () => {
  const points = Array.from({ length: 30 }, (_, index) => [100 + index, 0.5 + index / 100] as const);
  const rates = points.map(
    ([bytes, share], index) => [bytes, share + (index % 2 === 0 ? 1e-3 : -1e-3)] as const,
  );
  const verdict = compareCurves(curve(...rates), curve(...points));
  const line = verdictLine(verdict);
  assert.match(line, /in \d+ more ranges/);
  assert.ok(line.length < 400, line);
});

Words.run();
