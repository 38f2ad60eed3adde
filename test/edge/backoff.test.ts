import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { backoffMs, defaultBackoff } from '../../edge/agent/index.ts';

const Backoff = suite('backoff');
const limits = { firstMs: 100, maxMs: 5000 };

Backoff('doubles from the first pause to the longest, and stays there', () => {
  const ceilings = [0, 1, 2, 3, 4, 5, 6, 7, 60, 10_000].map((attempt) => backoffMs(attempt, limits, 1));
  assert.equal(ceilings, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000]);
});

Backoff('the jitter takes off up to nine tenths, never all', () => {
  assert.is(backoffMs(0, limits, 0), 10);
  assert.ok(Math.abs(backoffMs(0, limits, 0.5) - 55) < 1e-9);
  assert.is(backoffMs(9, limits, 0), 500);
});

Backoff('is within its bounds, grows with the attempt and with the random number', () => {
  const attempt = fc.nat({ max: 2000 });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const range = fc.record({ firstMs: fc.integer({ min: 1, max: 1000 }), maxMs: fc.nat({ max: 60_000 }) });
  fc.assert(
    fc.property(attempt, random, range, (number, drawn, { firstMs, maxMs }) => {
      const own = { firstMs, maxMs: firstMs + maxMs };
      const pause = backoffMs(number, own, drawn);
      assert.ok(pause >= own.firstMs / 10 && pause <= own.maxMs);
      assert.ok(backoffMs(number + 1, own, drawn) >= pause);
      assert.ok(backoffMs(number, own, drawn / 2) <= pause);
    }),
  );
});

Backoff('the defaults come back within a second at first and within ten at last', () => {
  assert.ok(backoffMs(0, defaultBackoff, 0.999) <= 1000);
  assert.ok(backoffMs(50, defaultBackoff, 0.999) <= 10_000);
});

Backoff.run();
