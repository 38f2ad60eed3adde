import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../shared/errors.ts';
import {
  bettingBoundHolds,
  bettingUpperBound,
  binomialCdf,
  conformalRiskHolds,
  hoeffdingBentkusP,
} from '../../shared/exits/index.ts';

const losses = fc.array(fc.constantFrom(0, 0, 0, 1, 0.5), { minLength: 1, maxLength: 120 });
const levels = fc.double({ min: 0.01, max: 0.9, noNaN: true });

function near(got: number, expected: number, tolerance = 1e-9): void {
  assert.ok(
    Math.abs(got - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${got}, not ${expected}`,
  );
}

function throwsCode(action: () => unknown, code: string, part: string): void {
  assert.throws(action, (error: unknown) => {
    return error instanceof OfframpError && error.code === code && error.message.includes(part);
  });
}

/** P(X <= successes) with whole numbers of any length: exact until the last division. */
function exactBinomialCdf(successes: number, trials: number, parts: number, whole: number): number {
  let choose = 1n;
  let sum = 0n;
  for (let count = 0; count <= successes; count++) {
    if (count > 0) choose = (choose * BigInt(trials - count + 1)) / BigInt(count);
    sum += choose * BigInt(parts) ** BigInt(count) * BigInt(whole - parts) ** BigInt(trials - count);
  }
  const scale = 10n ** 18n;
  return Number((sum * scale) / BigInt(whole) ** BigInt(trials)) / 1e18;
}

/** The bound from its definition, every sum afresh, over a grid of means. */
function naiveBettingBound(x: readonly number[], delta: number, steps: number): number {
  const n = x.length;
  const mu = x.map((_, i) => (0.5 + x.slice(0, i + 1).reduce((a, b) => a + b, 0)) / (2 + i));
  const variance = x.map((_, i) => {
    const squares = x.slice(0, i + 1).map((loss, j) => (loss - (mu[j] ?? 0)) ** 2);
    return (0.25 + squares.reduce((a, b) => a + b, 0)) / (2 + i);
  });
  const stakes = x.map((_, i) =>
    Math.min(1, Math.sqrt((2 * Math.log(1 / delta)) / (n * (i === 0 ? 0.25 : (variance[i - 1] ?? 0))))),
  );
  for (let step = 0; step <= steps; step++) {
    let capital = 1;
    for (const [i, loss] of x.entries()) {
      capital *= 1 - (stakes[i] ?? 0) * (loss - step / steps);
      if (capital >= 1 / delta) return step / steps;
    }
  }
  return 1;
}

const Binomial = suite('binomial distribution');

Binomial('is exact to twelve digits', () => {
  for (const [trials, parts, whole] of [
    [1, 1, 2],
    [10, 3, 10],
    [60, 1, 100],
    [200, 1, 50],
    [300, 9, 10],
  ] as const) {
    for (let successes = 0; successes < trials; successes++) {
      const exact = exactBinomialCdf(successes, trials, parts, whole);
      near(binomialCdf(successes, trials, parts / whole), exact, 1e-12);
    }
  }
});

Binomial('keeps its relative precision far out in the tail', () => {
  near(binomialCdf(0, 5000, 0.01) / Math.exp(5000 * Math.log(0.99)), 1, 1e-10);
  near(binomialCdf(1, 5000, 0.01) / (Math.exp(4999 * Math.log(0.99)) * (0.99 + 50)), 1, 1e-10);
});

Binomial('is 0 below and 1 from all trials on, and refuses a probability that is none', () => {
  assert.is(binomialCdf(-1, 10, 0.5), 0);
  assert.is(binomialCdf(10, 10, 0.5), 1);
  for (const probability of [0, 1, Number.NaN, -0.1]) {
    throwsCode(() => binomialCdf(1, 10, probability), 'CONFIG_INVALID', 'probability');
  }
});

Binomial.run();

const Bentkus = suite('Hoeffding-Bentkus p-value');

Bentkus('has the values worked out by hand', () => {
  // No loss among 10 at one half: exp(-10 ln 2); Bentkus's part is e times as much.
  near(hoeffdingBentkusP(0, 10, 0.5), 2 ** -10);
  // One among 100 at 0.1: Hoeffding's part wins; five: Bentkus's.
  near(hoeffdingBentkusP(1, 100, 0.1), Math.exp(-100 * (0.01 * Math.log(0.1) + 0.99 * Math.log(0.99 / 0.9))));
  near(hoeffdingBentkusP(5, 100, 0.1), Math.E * exactBinomialCdf(5, 100, 1, 10));
  // As many as allowed say nothing.
  assert.is(hoeffdingBentkusP(5, 10, 0.5), 1);
  assert.is(hoeffdingBentkusP(10, 10, 0.5), 1);
});

Bentkus('lies in 0 to 1, rises with the losses, falls with the images and with epsilon', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.integer({ min: 1, max: 500 }), levels, (sum, more, epsilon) => {
      const count = sum + more;
      const p = hoeffdingBentkusP(sum, count, epsilon);
      assert.ok(p >= 0 && p <= 1, `${p}`);
      assert.ok(hoeffdingBentkusP(sum + 1, count, epsilon) >= p - 1e-12);
      assert.ok(hoeffdingBentkusP(sum, count + 1, epsilon) <= p + 1e-12);
      assert.ok(hoeffdingBentkusP(sum, count, epsilon + 0.05) <= p + 1e-12);
    }),
  );
});

Bentkus('is no surer than the exact test, which it bounds', () => {
  for (const sum of [0, 1, 3, 10]) {
    assert.ok(hoeffdingBentkusP(sum, 200, 0.1) >= exactBinomialCdf(sum, 200, 1, 10));
  }
});

Bentkus('refuses sums that cannot be and an epsilon that is none', () => {
  throwsCode(() => hoeffdingBentkusP(11, 10, 0.1), 'TENSOR_INVALID', 'a sum of 11');
  throwsCode(() => hoeffdingBentkusP(0, 0, 0.1), 'TENSOR_INVALID', 'over 0 losses');
  throwsCode(() => hoeffdingBentkusP(Number.NaN, 10, 0.1), 'TENSOR_INVALID', 'NaN');
  throwsCode(() => hoeffdingBentkusP(1, 10, 0), 'CONFIG_INVALID', 'epsilon');
});

Bentkus.run();

const Betting = suite('upper bound by betting');

Betting('has the values worked out by hand', () => {
  // All stakes are 1, so the capital after n images without a loss is (1 + m)^n.
  near(bettingUpperBound([0], 0.5), 1, 1e-6);
  near(bettingUpperBound([0, 0], 0.5), Math.SQRT2 - 1, 1e-6);
});

Betting('agrees with a calculation from the definition', () => {
  fc.assert(
    fc.property(losses, fc.constantFrom(0.01, 0.05, 0.3), (x, delta) => {
      const bound = bettingUpperBound(x, delta);
      const naive = naiveBettingBound(x, delta, 2000);
      assert.ok(naive >= bound - 1e-6 && naive <= bound + 1 / 2000 + 1e-6, `${bound} and ${naive}`);
    }),
  );
});

Betting('holds for an epsilon exactly when the bound is at most that', () => {
  fc.assert(
    fc.property(losses, levels, (x, epsilon) => {
      const bound = bettingUpperBound(x, 0.1);
      if (Math.abs(bound - epsilon) < 1e-6) return;
      assert.is(bettingBoundHolds(x, epsilon, 0.1), bound < epsilon);
    }),
  );
});

Betting('lies in 0 to 1 and does not fall when the last image turns out a loss', () => {
  fc.assert(
    fc.property(losses, (x) => {
      const without = bettingUpperBound([...x, 0], 0.05);
      const withLoss = bettingUpperBound([...x, 1], 0.05);
      assert.ok(without >= 0 && withLoss <= 1);
      assert.ok(withLoss >= without - 1e-9);
    }),
  );
});

Betting('falls as images without a loss go on', () => {
  const bounds = [10, 100, 1000, 4000].map((n) => bettingUpperBound(new Uint8Array(n), 0.05));
  for (const [index, bound] of bounds.slice(1).entries()) assert.ok(bound < (bounds[index] ?? 0));
  // The capital is at most (1 + m)^n, so that ln(1 / delta) / n is about the least it can be.
  assert.ok((bounds[3] ?? 0) >= Math.log(20) / 4001);
  assert.ok((bounds[3] ?? 1) < 0.001);
});

Betting('is tighter than Hoeffding where losses are rare', () => {
  const x = Uint8Array.from({ length: 4000 }, (_, image) => (image % 200 === 0 ? 1 : 0));
  const hoeffding = 0.005 + Math.sqrt(Math.log(20) / 8000);
  const bound = bettingUpperBound(x, 0.05);
  assert.ok(bound > 0.005 && bound < hoeffding / 2, `${bound} against ${hoeffding}`);
});

Betting('refuses losses outside 0 to 1 and a delta that is none', () => {
  for (const loss of [-0.1, 1.1, Number.NaN]) {
    throwsCode(() => bettingUpperBound([0, loss], 0.1), 'TENSOR_INVALID', 'at 1');
  }
  for (const delta of [0, 1, Number.NaN]) {
    throwsCode(() => bettingUpperBound([0], delta), 'CONFIG_INVALID', 'delta');
  }
});

Betting.run();

const Conformal = suite('conformal risk control');

Conformal('counts one loss more among one image more', () => {
  assert.is(conformalRiskHolds(0, 99, 0.01), true);
  assert.is(conformalRiskHolds(0, 98, 0.01), false);
  assert.is(conformalRiskHolds(4, 499, 0.01), true);
  assert.is(conformalRiskHolds(5, 499, 0.01), false);
});

Conformal.run();
