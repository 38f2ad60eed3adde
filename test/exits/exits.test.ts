import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../shared/errors.ts';
import { argmax, decideExit, normalisedEntropy, softmax } from '../../shared/exits/index.ts';

const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const moderate = fc.double({ min: -50, max: 50, noNaN: true });
const temperatures = fc.double({ min: 0.05, max: 20, noNaN: true });
const floats = (values: readonly number[]) => Float32Array.from(values);

function throwsCode(action: () => unknown, code: string, part: string): void {
  assert.throws(action, (error: unknown) => {
    return error instanceof OfframpError && error.code === code && error.message.includes(part);
  });
}

const Softmax = suite('softmax');

Softmax('gives the textbook values', () => {
  const [a, b, c] = softmax(floats([0, Math.log(2), Math.log(5)]), 1);
  assert.ok(Math.abs((a ?? 0) - 1 / 8) < 1e-7);
  assert.ok(Math.abs((b ?? 0) - 2 / 8) < 1e-7);
  assert.ok(Math.abs((c ?? 0) - 5 / 8) < 1e-7);
});

Softmax('sums to 1 for any finite logits and temperature', () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 1, maxLength: 40 }), temperatures, (logits, temperature) => {
      const probabilities = softmax(floats(logits), temperature);
      const sum = probabilities.reduce((total, value) => total + value, 0);
      assert.ok(Math.abs(sum - 1) < 1e-12, `sum ${sum}`);
      assert.ok(probabilities.every((value) => value >= 0 && value <= 1));
    }),
  );
});

Softmax('does not change when all logits shift', () => {
  fc.assert(
    fc.property(
      fc.array(moderate, { minLength: 2, maxLength: 20 }),
      moderate,
      temperatures,
      (logits, shift, t) => {
        const plain = softmax(logits, t);
        const shifted = softmax(
          logits.map((logit) => logit + shift),
          t,
        );
        assert.ok(plain.every((value, index) => Math.abs(value - (shifted[index] ?? 0)) < 1e-9));
      },
    ),
  );
});

Softmax('keeps the order of the logits', () => {
  fc.assert(
    fc.property(fc.array(moderate, { minLength: 2, maxLength: 20 }), temperatures, (logits, temperature) => {
      const probabilities = softmax(logits, temperature);
      for (let i = 1; i < logits.length; i++) {
        const [before = 0, here = 0] = [logits[i - 1], logits[i]];
        if (before < here) assert.ok((probabilities[i - 1] ?? 0) <= (probabilities[i] ?? 0));
      }
    }),
  );
});

Softmax('survives the largest float32 logits', () => {
  assert.equal(softmax(floats([3.4e38, -3.4e38]), 0.01), Float64Array.of(1, 0));
});

Softmax('refuses a temperature that is not above 0 and finite', () => {
  for (const temperature of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    throwsCode(() => softmax([1, 2], temperature), 'CONFIG_INVALID', `got temperature ${temperature}`);
  }
});

Softmax('refuses logits that are not finite, naming the place', () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    throwsCode(() => softmax(floats([1, 2, bad]), 1), 'TENSOR_INVALID', `got ${bad} at 2`);
  }
  throwsCode(() => softmax([], 1), 'TENSOR_INVALID', 'got none');
});

Softmax.run();

const Entropy = suite('normalised entropy');

Entropy('is 0 for a one-hot distribution and 1 for a uniform one', () => {
  for (const classes of [2, 3, 10, 100, 1000]) {
    const oneHot = new Float64Array(classes);
    oneHot[classes - 1] = 1;
    assert.is(normalisedEntropy(oneHot), 0);
    const uniform = normalisedEntropy(new Float64Array(classes).fill(1 / classes));
    assert.ok(uniform <= 1 && uniform > 1 - 1e-12, `${classes}: ${uniform}`);
  }
});

Entropy('gives the textbook value of a half, a quarter and a quarter', () => {
  assert.ok(Math.abs(normalisedEntropy([0.5, 0.25, 0.25]) - (1.5 * Math.LN2) / Math.log(3)) < 1e-15);
});

Entropy('stays within 0 and 1', () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 2, maxLength: 40 }), temperatures, (logits, temperature) => {
      const entropy = normalisedEntropy(softmax(floats(logits), temperature));
      assert.ok(entropy >= 0 && entropy <= 1, `entropy ${entropy}`);
    }),
  );
});

Entropy('does not depend on the order of the classes', () => {
  fc.assert(
    fc.property(fc.array(moderate, { minLength: 2, maxLength: 20 }), (logits) => {
      const forwards = normalisedEntropy(softmax(logits, 1));
      const backwards = normalisedEntropy(softmax(logits.toReversed(), 1));
      assert.ok(Math.abs(forwards - backwards) < 1e-12);
    }),
  );
});

Entropy('grows with the temperature', () => {
  fc.assert(
    fc.property(
      fc.array(moderate, { minLength: 2, maxLength: 20 }),
      temperatures,
      temperatures,
      (logits, a, b) => {
        const cold = normalisedEntropy(softmax(logits, Math.min(a, b)));
        const hot = normalisedEntropy(softmax(logits, Math.max(a, b)));
        assert.ok(cold <= hot + 1e-12, `${cold} at ${Math.min(a, b)}, ${hot} at ${Math.max(a, b)}`);
      },
    ),
  );
});

Entropy('refuses fewer than two classes and what is no probability', () => {
  throwsCode(() => normalisedEntropy([1]), 'TENSOR_INVALID', 'got 1 probabilities');
  for (const bad of [Number.NaN, -0.1, 1.1]) {
    throwsCode(() => normalisedEntropy([0.5, bad]), 'TENSOR_INVALID', `got ${bad} at 1`);
  }
});

Entropy.run();

const Argmax = suite('argmax');

Argmax('finds the largest, the first of equals', () => {
  assert.is(argmax([1, 5, 2, 5]), 1);
  assert.is(argmax([-3]), 0);
  assert.is(argmax(floats([-2, -1, -3])), 1);
});

Argmax('refuses what is not finite, wherever it stands', () => {
  throwsCode(() => argmax([Number.NaN, 1]), 'TENSOR_INVALID', 'at 0');
  throwsCode(() => argmax([1, Number.POSITIVE_INFINITY]), 'TENSOR_INVALID', 'at 1');
  throwsCode(() => argmax([]), 'TENSOR_INVALID', 'got none');
});

Argmax.run();

const Rule = suite('exit rule');

Rule('leaves strictly below the threshold and stays at it', () => {
  const logits = floats([2, 1, 0.5]);
  const { entropy } = decideExit({ logits, temperature: 1, threshold: 0 });
  assert.ok(entropy > 0 && entropy < 1);
  assert.is(decideExit({ logits, temperature: 1, threshold: entropy }).confident, false);
  assert.is(decideExit({ logits, temperature: 1, threshold: entropy + 1e-12 }).confident, true);
});

Rule('never leaves at threshold 0, not even with a certain answer', () => {
  const decision = decideExit({ logits: [1000, 0], temperature: 1, threshold: 0 });
  assert.is(decision.entropy, 0);
  assert.is(decision.confident, false);
});

Rule('always answers without a threshold', () => {
  assert.is(decideExit({ logits: [1, 1], temperature: 1, threshold: undefined }).confident, true);
  assert.is(decideExit({ logits: [1, 1], temperature: 1 }).confident, true);
});

Rule('gives the same label at every temperature', () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 2, maxLength: 20 }), temperatures, (logits, temperature) => {
      const row = floats(logits);
      assert.is(decideExit({ logits: row, temperature }).label, argmax(row));
    }),
  );
});

Rule('agrees with its parts', () => {
  const decision = decideExit({ logits: floats([0, 3, 1]), temperature: 1.5, threshold: 0.5 });
  assert.is(decision.label, 1);
  assert.equal(decision.probabilities, softmax([0, 3, 1], 1.5));
  assert.is(decision.entropy, normalisedEntropy(decision.probabilities));
});

Rule('reads one row of a batch in place and leaves the batch as it was', () => {
  const batch = floats([9, 9, 9, 0, 3, 1, -9, Number.POSITIVE_INFINITY, 9]);
  const before = batch.slice();
  const decision = decideExit({ logits: batch.subarray(3, 6), temperature: 1.5, threshold: 0.5 });
  assert.equal(decision, decideExit({ logits: floats([0, 3, 1]), temperature: 1.5, threshold: 0.5 }));
  assert.equal(batch, before);
});

Rule('refuses broken logits and a threshold that is none', () => {
  throwsCode(() => decideExit({ logits: [0, Number.NaN], temperature: 1 }), 'TENSOR_INVALID', 'NaN at 1');
  throwsCode(() => decideExit({ logits: [1], temperature: 1 }), 'TENSOR_INVALID', 'expected at least 2');
  for (const threshold of [Number.NaN, -0.1, 1.1]) {
    throwsCode(
      () => decideExit({ logits: [0, 1], temperature: 1, threshold }),
      'CONFIG_INVALID',
      `${threshold}`,
    );
  }
});

Rule.run();
