import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../scripts/calibrate/random.ts';
import { type ExitShareOptions, ExitShareWatch } from '../../shared/exits/index.ts';
import { throwsCode } from '../protocol/expect.ts';

/** Images until the alarm; `most` when there is none by then. */
function untilAlarm(options: ExitShareOptions, share: number, most: number, seed: number): number {
  const random = seededRandom(seed);
  const watch = new ExitShareWatch(options);
  for (let image = 1; image <= most; image++) {
    if (watch.observe(random() < share) === 'moved') return image;
  }
  return most;
}

function alarms(options: ExitShareOptions, share: number, most: number, runs: number): number[] {
  return Array.from({ length: runs }, (_, seed) => untilAlarm(options, share, most, seed + 1));
}

const Watch = suite('the watch for the share of images that leave');

Watch('says nothing while the share is tolerated, even at the very border', () => {
  for (const calibrated of [0.03, 0.6, 0.97]) {
    const { tolerated } = new ExitShareWatch({ calibrated }).figures;
    const usual = alarms({ calibrated }, calibrated, 20_000, 20);
    assert.equal(usual.filter((images) => images < 20_000).length, 0, `${calibrated}`);
    for (const share of [tolerated.low, tolerated.high]) {
      // With one in 1,000 images at most in the mean, 40 runs of 1,000 would have 40 at the very worst.
      const early = alarms({ calibrated, falseAlarmEvery: 1000 }, share, 1000, 40);
      assert.ok(early.filter((images) => images < 1000).length <= 8, `${share} at ${calibrated}: ${early}`);
    }
  }
});

Watch('finds more that leave and fewer within some dozen images, the sooner the more', () => {
  const median = (share: number) =>
    alarms({ calibrated: 0.6 }, share, 5000, 41).sort((a, b) => a - b)[20] ?? 0;
  assert.ok(median(0.03) <= 40, `${median(0.03)}`);
  assert.ok(median(0.03) <= median(0.13) && median(0.13) <= median(0.25), `${median(0.13)} ${median(0.25)}`);
  assert.ok(median(0.25) <= 300, `${median(0.25)}`);
  assert.ok(median(1) <= 60, `${median(1)}`);
});

Watch('tolerates odds so many times as high or as low', () => {
  const odds = (share: number) => share / (1 - share);
  for (const tolerance of [1.5, 2, 10]) {
    const { tolerated } = new ExitShareWatch({ calibrated: 0.8, tolerance }).figures;
    assert.ok(Math.abs(odds(tolerated.high) / odds(0.8) - tolerance) < 1e-9);
    assert.ok(Math.abs(odds(0.8) / odds(tolerated.low) - tolerance) < 1e-9);
  }
});

Watch('says once that the share has moved, and once that it is back', () => {
  const watch = new ExitShareWatch({ calibrated: 0.6 });
  const random = seededRandom(3);
  const said: string[] = [];
  const pass = (images: number, share: number) => {
    for (let image = 0; image < images; image++) {
      const change = watch.observe(random() < share);
      if (change !== undefined) said.push(change);
    }
  };
  pass(2000, 0.6);
  assert.equal(said, []);
  pass(3000, 0.1);
  assert.equal(said, ['moved']);
  assert.is(watch.figures.moved, true);
  assert.ok(Math.abs((watch.figures.recent ?? 0) - 0.1) < 0.08);
  pass(3000, 0.6);
  assert.equal(said, ['moved', 'back']);
  pass(3000, 0.99);
  assert.equal(said, ['moved', 'back', 'moved']);
  assert.equal([watch.figures.images, watch.figures.alarms], [11_000, 2]);
});

Watch('has no share before the first image', () => {
  assert.equal(new ExitShareWatch({ calibrated: 0.5 }).figures.recent, undefined);
});

Watch('refuses a share that is none and a tolerance that tolerates nothing', () => {
  for (const calibrated of [0, 1, -1, Number.NaN])
    throwsCode(() => new ExitShareWatch({ calibrated }), 'CONFIG_INVALID');
  for (const tolerance of [1, 0, -2, Number.NaN, Number.POSITIVE_INFINITY])
    throwsCode(() => new ExitShareWatch({ calibrated: 0.5, tolerance }), 'CONFIG_INVALID');
});

Watch.run();
