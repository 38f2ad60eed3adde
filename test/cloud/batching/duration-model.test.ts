import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DurationModel, type WarmUpBatch } from '../../../cloud/batching/index.ts';
import { throwsCode } from '../../protocol/expect.ts';

/** Numbers from 0 to 1 that look like chance and are the same in every run: hashes (murmur3's last step) of a counter. */
function chance(seed: number): () => number {
  let count = seed * 0x1000000;
  return () => {
    let bits = Math.imul(count++, 0x9e3779b1);
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}

interface Machine {
  readonly perRowMs: number;
  readonly fixedMs: number;
  /** Standard deviation as a share of the duration. */
  readonly noise: number;
}

const slow: Machine = { perRowMs: 0.5, fixedMs: 5, noise: 0.05 };

function trueMs({ perRowMs, fixedMs }: Machine, rows: number): number {
  return perRowMs * rows + fixedMs;
}

function durationMs(machine: Machine, rows: number, random: () => number): number {
  // Twelve uniform numbers make a nearly normal one (Irwin-Hall).
  const normal = Array.from({ length: 12 }, random).reduce((sum, one) => sum + one, -6);
  return Math.max(0, trueMs(machine, rows) * (1 + machine.noise * normal));
}

function observe(model: DurationModel, machine: Machine, batches: number, random = chance(1)): void {
  for (let index = 0; index < batches; index++) {
    const rows = 1 + Math.floor(random() * 64);
    model.observe('m@1', 1, rows, durationMs(machine, rows, random));
  }
}

function modelOf(exits: readonly number[] = [1], warmUp: readonly WarmUpBatch[] = []): DurationModel {
  const model = new DurationModel();
  model.register('m@1', exits, warmUp);
  return model;
}

function isNear(got: number, expected: number, share: number): void {
  assert.ok(
    Math.abs(got / expected - 1) <= share,
    `got ${got}, expected ${expected} within ${100 * share} %`,
  );
}

const meanAt = (model: DurationModel, rows: number, exit = 1) => model.meanMs('m@1', exit, rows);
const predictedAt = (model: DurationModel, rows: number, exit = 1) => model.predictMs('m@1', exit, rows);

const Line = suite('learned line');

Line('both parts come out of noisy batches', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const model = modelOf();
    observe(model, slow, 50, chance(seed));
    const perRowMs = (meanAt(model, 64) - meanAt(model, 0)) / 64;
    isNear(perRowMs, slow.perRowMs, 0.08);
    isNear(meanAt(model, 0), slow.fixedMs, 0.12);
    for (const rows of [1, 8, 64]) isNear(meanAt(model, rows), trueMs(slow, rows), 0.08);
  }
});

Line('they come out exactly where there is no noise, also a part that is nothing', () => {
  for (const machine of [
    { perRowMs: 0.5, fixedMs: 5, noise: 0 },
    { perRowMs: 2, fixedMs: 0, noise: 0 },
    { perRowMs: 0, fixedMs: 7, noise: 0 },
  ]) {
    const model = modelOf();
    observe(model, machine, 50);
    for (const rows of [1, 16, 64]) isNear(meanAt(model, rows), trueMs(machine, rows), 0.001);
  }
});

Line('a change is followed within 50 batches, and for the most part within 25', () => {
  const faster = { ...slow, perRowMs: 0.2, fixedMs: 2 };
  for (const [from, to] of [
    [slow, faster],
    [faster, slow],
  ] as const) {
    const model = modelOf();
    const random = chance(3);
    observe(model, from, 100, random);
    isNear(meanAt(model, 32), trueMs(from, 32), 0.05);
    observe(model, to, 25, random);
    const left = (meanAt(model, 32) - trueMs(to, 32)) / (trueMs(from, 32) - trueMs(to, 32));
    assert.ok(Math.abs(left) < 0.3, `${left} of the change is left after 25 batches`);
    observe(model, to, 25, random);
    for (const rows of [1, 32, 64]) isNear(meanAt(model, rows), trueMs(to, rows), 0.1);
    isNear(predictedAt(model, 32), trueMs(to, 32), 0.25);
  }
});

Line('an outlier is shrugged off, wherever in the history and however large, and so is a second one', () => {
  for (const at of [4, 20, 49]) {
    for (const rows of [1, 64]) {
      const [plain, odd] = [modelOf(), modelOf()];
      const [random, same] = [chance(5), chance(5)];
      observe(plain, slow, at, random);
      observe(odd, slow, at, same);
      odd.observe('m@1', 1, rows, 3000);
      for (const asked of [1, 8, 64]) isNear(meanAt(odd, asked), meanAt(plain, asked), at < 10 ? 0.2 : 0.05);
      isNear(predictedAt(odd, 8), predictedAt(plain, 8), 0.2);
      odd.observe('m@1', 1, rows, 5000);
      observe(plain, slow, 20, random);
      observe(odd, slow, 20, same);
      isNear(meanAt(odd, 8), meanAt(plain, 8), 0.05);
    }
  }
});

Line('the prediction is what about 95 of 100 batches do not exceed', () => {
  const machine = { ...slow, noise: 0.1 };
  let over = 0;
  const trials = 100;
  const batches = 40;
  for (let seed = 1; seed <= trials; seed++) {
    const model = modelOf();
    const random = chance(seed * 7919);
    observe(model, machine, 50, random);
    for (let index = 0; index < batches; index++) {
      const rows = 1 + Math.floor(random() * 64);
      if (durationMs(machine, rows, random) > predictedAt(model, rows)) over++;
    }
  }
  const share = over / (trials * batches);
  assert.ok(share > 0.03 && share < 0.07, `${100 * share} % took longer`);
});

Line.run();

const Start = suite('start');

Start('without any measurement a guess stands in, that grows with rows and depth', () => {
  const model = modelOf([1, 2]);
  assert.ok(meanAt(model, 1) > 0);
  assert.ok(meanAt(model, 8) > meanAt(model, 1));
  assert.ok(meanAt(model, 1, 2) > meanAt(model, 1));
  assert.ok(predictedAt(model, 1) > meanAt(model, 1));
});

Start('a few batches already tell the size', () => {
  const model = modelOf();
  observe(model, { ...slow, fixedMs: 200 }, 3);
  isNear(meanAt(model, 16), trueMs({ ...slow, fixedMs: 200 }, 16), 0.25);
});

Start('the warm-up says what to expect, and a first odd batch does not undo it', () => {
  const warmUp = [1, 8, 64].map((rows) => ({ exit: 1, rows, durationMs: trueMs(slow, rows) }));
  const model = modelOf([1], warmUp);
  for (const rows of [1, 4, 64]) isNear(meanAt(model, rows), trueMs(slow, rows), 0.01);
  model.observe('m@1', 1, 1, 900);
  isNear(meanAt(model, 8), trueMs(slow, 8), 0.1);
});

Start('where all batches are of one size the shape of the warm-up goes on counting', () => {
  const warmUp = [1, 64].map((rows) => ({ exit: 1, rows, durationMs: trueMs(slow, rows) }));
  const model = modelOf([1], warmUp);
  const random = chance(11);
  const busy = { perRowMs: 1, fixedMs: 10, noise: 0.05 };
  for (let index = 0; index < 100; index++) model.observe('m@1', 1, 2, durationMs(busy, 2, random));
  isNear(meanAt(model, 2), trueMs(busy, 2), 0.05);
  isNear(meanAt(model, 64), trueMs(busy, 64), 0.25);
});

Start('what is no duration is not learned from', () => {
  const model = modelOf([1], [{ exit: 1, rows: 4, durationMs: Number.NaN }]);
  const before = meanAt(model, 8);
  for (const [rows, ms] of [
    [0, 5],
    [Number.NaN, 5],
    [4, -1],
    [4, Number.NaN],
    [4, Number.POSITIVE_INFINITY],
  ] as const) {
    model.observe('m@1', 1, rows, ms);
  }
  assert.is(meanAt(model, 8), before);
});

Start.run();

const Exits = suite('exits');

Exits('an exit never measured goes by its neighbour, in proportion to the segments run', () => {
  const model = modelOf([1, 2, 3, 4]);
  for (let index = 0; index < 50; index++) model.observe('m@1', 2, 1 + index, 2 * (10 + index));
  isNear(meanAt(model, 20, 2), 58, 0.01);
  isNear(meanAt(model, 20, 1), 29, 0.01);
  isNear(meanAt(model, 20, 4), 116, 0.01);
  isNear(
    predictedAt(model, 20, 4) / meanAt(model, 20, 4),
    predictedAt(model, 20, 2) / meanAt(model, 20, 2),
    0.001,
  );
});

Exits('or in proportion to the warm-up, where both were run then', () => {
  const warm = (exit: number, factor: number) =>
    [1, 32].map((rows) => ({ exit, rows, durationMs: factor * (10 + rows) }));
  // The warm-up of exit 2 ran and that of exit 1 did; then the machine is twice as slow, as exit 2 alone can tell.
  const model = modelOf([1, 2, 3], warm(2, 5));
  isNear(meanAt(model, 16, 1), 65, 0.01);
  isNear(meanAt(model, 16, 3), 195, 0.01);
  const both = modelOf([1, 2], [...warm(1, 1), ...warm(2, 5)]);
  isNear(meanAt(both, 16, 1), 26, 0.01);
  isNear(meanAt(both, 16, 2), 130, 0.01);
});

Exits('those between two that were measured stay between them', () => {
  const model = modelOf([1, 2, 3, 4]);
  for (let index = 0; index < 50; index++) {
    model.observe('m@1', 1, 1 + index, 100 + index);
    model.observe('m@1', 4, 1 + index, 110 + index);
  }
  const durations = [1, 2, 3, 4].map((exit) => meanAt(model, 20, exit));
  assert.equal(
    durations,
    [...durations].sort((one, other) => one - other),
  );
  isNear(durations[0] ?? 0, 119, 0.01);
  isNear(durations[3] ?? 0, 129, 0.01);
});

Exits(
  'whatever was observed, predictions never fall with more rows or a deeper exit, and lie above the mean',
  () => {
    const batch = fc.record({
      exit: fc.constantFrom(1, 2, 4),
      rows: fc.integer({ min: 1, max: 64 }),
      durationMs: fc.oneof(fc.double({ min: 0, max: 50, noNaN: true }), fc.constantFrom(0, 1e-9, 1e7)),
    });
    fc.assert(
      fc.property(
        fc.array(batch, { maxLength: 6 }),
        fc.array(batch, { maxLength: 150 }),
        (warmUp, batches) => {
          const model = modelOf([1, 2, 3, 4], warmUp);
          for (const { exit, rows, durationMs: ms } of batches) model.observe('m@1', exit, rows, ms);
          for (const of of [meanAt, predictedAt]) {
            let shallower = [1, 2, 17, 64].map(() => 0);
            for (const exit of [1, 2, 3, 4]) {
              const these = [1, 2, 17, 64].map((rows) => of(model, rows, exit));
              assert.ok(these.every((ms, index) => Number.isFinite(ms) && ms >= (shallower[index] ?? 0)));
              assert.equal(
                these,
                [...these].sort((a, b) => a - b),
              );
              shallower = these;
            }
          }
          assert.ok(predictedAt(model, 9, 2) >= meanAt(model, 9, 2));
        },
      ),
      { numRuns: 150 },
    );
  },
);

Exits.run();

const Lanes = suite('lanes of the model');

Lanes('are learned apart, and forgotten when they are registered anew', () => {
  const model = modelOf();
  model.register('n@1', [1]);
  const before = model.meanMs('n@1', 1, 8);
  observe(model, { ...slow, fixedMs: 300 }, 20);
  assert.is(model.meanMs('n@1', 1, 8), before);
  assert.ok(meanAt(model, 8) > 250);
  model.register('m@1', [1]);
  assert.is(meanAt(model, 8), before);
});

Lanes('give their exits as they were registered', () => {
  assert.equal(modelOf([1, 2, 5]).exits('m@1'), [1, 2, 5]);
});

Lanes('must be registered to be asked for, and not to be observed', () => {
  const model = modelOf();
  model.observe('unloaded', 1, 4, 10);
  model.observe('m@1', 7, 4, 10);
  throwsCode(() => model.exits('unloaded'), 'INTERNAL', "'unloaded' is not registered");
  throwsCode(() => model.predictMs('unloaded', 1, 4), 'INTERNAL');
  throwsCode(() => model.predictMs('m@1', 7, 4), 'INTERNAL', 'no exit 7');
  model.forget('m@1');
  throwsCode(() => model.meanMs('m@1', 1, 4), 'INTERNAL');
});

Lanes('are bounded', () => {
  const model = new DurationModel(2);
  for (const lane of ['a', 'b', 'a']) model.register(lane, [1]);
  throwsCode(() => model.register('c', [1]), 'CONFIG_INVALID', "Got 'c' after 2 other lanes");
  model.forget('a');
  model.register('c', [1]);
});

Lanes.run();
