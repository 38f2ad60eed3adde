import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RateBucket } from '../../shared/host/index.ts';

const Bucket = suite('rate bucket');

Bucket('gives its burst at once, then at its rate', () => {
  const bucket = new RateBucket({ perSecond: 10, burst: 3 }, 1000);
  assert.equal(
    [1, 1, 1].map((amount) => bucket.take(amount, 1000)),
    [0, 0, 0],
  );
  assert.is(bucket.take(1, 1000), 100);
  assert.is(bucket.take(1, 1060), 40);
  assert.is(bucket.take(1, 1100), 0);
  assert.is(bucket.take(1, 1100), 100);
});

Bucket('what was refused has taken nothing', () => {
  const bucket = new RateBucket({ perSecond: 1, burst: 2 }, 0);
  assert.is(bucket.take(2, 0), 0);
  for (let time = 0; time < 100; time++) assert.is(bucket.take(1, 500), 500);
  assert.is(bucket.take(1, 1000), 0);
});

Bucket('an amount above the burst passes when it is full, and is paid for afterwards', () => {
  const bucket = new RateBucket({ perSecond: 10, burst: 10 }, 0);
  assert.is(bucket.take(64, 0), 0);
  assert.is(bucket.take(1, 0), 5500);
  assert.is(bucket.take(64, 6300), 100);
  assert.is(bucket.take(64, 6400), 0);
});

Bucket('a pause fills it no further than the burst', () => {
  const bucket = new RateBucket({ perSecond: 10, burst: 3 }, 0);
  const at = 1e9;
  assert.equal(
    [1, 1, 1].map((amount) => bucket.take(amount, at)),
    [0, 0, 0],
  );
  assert.is(bucket.take(1, at), 100);
});

Bucket('a clock that steps back gives nothing and breaks nothing', () => {
  const bucket = new RateBucket({ perSecond: 1, burst: 1 }, 1000);
  assert.is(bucket.take(1, 1000), 0);
  assert.is(bucket.take(1, 0), 1000);
});

Bucket('another rate holds from the moment it is set', () => {
  const bucket = new RateBucket({ perSecond: 1, burst: 100 }, 0);
  bucket.take(50, 0);
  bucket.retune({ perSecond: 10, burst: 20 }, 0);
  assert.is(bucket.take(20, 0), 0);
  assert.is(bucket.take(1, 0), 100);
});

Bucket('over any time gives no more than its burst, its rate and one amount above the burst', () => {
  const [rate, largest] = [{ perSecond: 20, burst: 10 }, 30];
  const step = fc.record({ waitMs: fc.nat({ max: 500 }), amount: fc.integer({ min: 1, max: largest }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const bucket = new RateBucket(rate, 0);
      let now = 0;
      let taken = 0;
      for (const { waitMs, amount } of steps) {
        now += waitMs;
        const wait = bucket.take(amount, now);
        if (wait === 0) taken += amount;
        else {
          now += wait;
          // What it said to wait is enough, but for the last digit of a float.
          assert.is(bucket.take(amount, now + 1e-6), 0);
          taken += amount;
        }
        assert.ok(taken <= largest + ((now + 1e-6) / 1000) * rate.perSecond + 1e-6, `${taken} by ${now} ms`);
      }
    }),
    { numRuns: 200, seed: 5 },
  );
});

Bucket.run();
