import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../scripts/calibrate/random.ts';
import { DriftWatch, shareSequence } from '../../shared/exits/index.ts';
import { throwsCode } from '../protocol/expect.ts';

/** Audits until the alarm; `most` when there is none by then. */
function untilAlarm(allowed: number, share: (audit: number) => number, most: number, seed: number): number {
  const random = seededRandom(seed);
  const watch = new DriftWatch({ allowed });
  for (let audit = 1; audit <= most; audit++) {
    if (watch.observe(random() < share(audit))) return audit;
  }
  return most;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

const Drift = suite('the watch for drift');

Drift('hardly ever cries wolf while the share is allowed', () => {
  for (const share of [0.001, 0.005, 0.01]) {
    const runs = Array.from({ length: 60 }, (_, seed) => untilAlarm(0.01, () => share, 5000, seed));
    const alarms = runs.filter((audits) => audits < 5000).length;
    // With one in 10,000 audits at most, 60 runs of 5,000 would have 30 at the very worst.
    assert.ok(alarms <= (share < 0.01 ? 0 : 6), `${alarms} alarms at ${share}`);
  }
});

Drift('finds a share that has grown, the sooner the more it has', () => {
  const delay = (share: number) =>
    mean(Array.from({ length: 40 }, (_, seed) => untilAlarm(0.01, () => share, 20_000, seed)));
  const [twice, fourTimes, tenTimes] = [delay(0.02), delay(0.04), delay(0.1)];
  assert.ok(tenTimes < 120 && fourTimes < 500 && twice < 2500, [tenTimes, fourTimes, twice].join(' '));
  assert.ok(tenTimes < fourTimes && fourTimes < twice);
});

Drift('a long time in which all was well does not make it slower', () => {
  const seeds = Array.from({ length: 400 }, (_, seed) => seed);
  const fresh = mean(seeds.map((seed) => untilAlarm(0.01, () => 0.05, 20_000, seed)));
  const late = mean(
    seeds.map((seed) => untilAlarm(0.01, (audit) => (audit <= 20_000 ? 0.002 : 0.05), 40_000, seed) - 20_000),
  );
  assert.ok(late > 0 && late < 1.1 * fresh, `${late} after ${fresh}`);
});

Drift('counts what it has seen, and says where the share may lie', () => {
  const watch = new DriftWatch({ allowed: 0.01 });
  assert.equal(watch.figures.range, { low: 0, high: 1 });
  for (let audit = 0; audit < 1000; audit++) watch.observe(audit % 50 === 0);
  const { audits, disagreements, range, evidence } = watch.figures;
  assert.equal([audits, disagreements], [1000, 20]);
  assert.ok(
    range.low > 0.005 && range.low < 0.02 && range.high > 0.02 && range.high < 0.05,
    JSON.stringify(range),
  );
  assert.ok(evidence > 1);
});

Drift('an allowed share that is none is refused', () => {
  for (const allowed of [0, -1, 0.9, 1, Number.NaN])
    throwsCode(() => new DriftWatch({ allowed }), 'CONFIG_INVALID');
});

Drift.run();

const Sequence = suite('confidence sequence');

/** Whether the share leaves the range at some count. */
function isMissed(share: number, random: () => number): boolean {
  let hits = 0;
  for (let trial = 1; trial <= 400; trial++) {
    if (random() < share) hits++;
    // At every count would take long; the range changes little between these.
    if (trial % 8 !== 0) continue;
    const { low, high } = shareSequence(hits, trial, 0.1);
    if (share < low || share > high) return true;
  }
  return false;
}

Sequence('holds the true share at every count at once, as often as it says', () => {
  for (const share of [0.003, 0.05, 0.5]) {
    const random = seededRandom(Math.round(share * 1000));
    const missed = Array.from({ length: 200 }, () => isMissed(share, random)).filter(Boolean).length;
    assert.ok(missed <= 20 + 3 * Math.sqrt(200 * 0.1 * 0.9), `${missed} of 200 at ${share}`);
  }
});

Sequence('holds the share seen, shrinks with trials, and widens with confidence', () => {
  for (const [hits, trials] of [
    [0, 10],
    [10, 10],
    [3, 300],
    [150, 300],
  ] as const) {
    const { low, high } = shareSequence(hits, trials, 0.05);
    assert.ok(low <= hits / trials && hits / trials <= high);
    const more = shareSequence(10 * hits, 10 * trials, 0.05);
    assert.ok(more.high - more.low < high - low);
    const surer = shareSequence(hits, trials, 0.001);
    assert.ok(surer.low <= low && surer.high >= high);
  }
});

Sequence('without a hit the share may be 0, with nothing else it may be 1', () => {
  assert.is(shareSequence(0, 50, 0.05).low, 0);
  assert.is(shareSequence(50, 50, 0.05).high, 1);
  assert.equal(shareSequence(0, 0, 0.05), { low: 0, high: 1 });
});

Sequence.run();
