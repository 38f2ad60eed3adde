/** The share of images that are sure on the device, watched by the agent on real inference threads. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent, ExitShareMonitor } from '../../edge/agent/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from '../runtime/real-bundle.ts';

const bundle = await openRealBundle();
const pool = await startPool(segmentGraphs(bundle), { maxQueuedRuns: 1000 });

function setting(cut: number, thresholds?: readonly number[]) {
  const said: string[] = [];
  const exitShare = ExitShareMonitor.of(bundle, { onChange: (change) => said.push(change) });
  assert.ok(exitShare);
  const agent = new Agent({
    ...{ bundle, runner: pool, exitShare, clock: systemClock, cut },
    ...(thresholds !== undefined && { thresholds }),
    ...{ defaultBudgetMs: 5000, maxInFlight: 64 },
  });
  return { agent, exitShare, said };
}

/** Noise is sure of nothing. */
function noise(seed: number): Uint8Array {
  const pixels = bundle.manifest.input.shape.reduce((product, size) => product * size, 1);
  return Uint8Array.from({ length: pixels }, (_, index) => (index * 7919 + seed * 104_729) % 251);
}

const Monitor = suite('the watched share of sure images');
Monitor.after(() => pool.close());

Monitor(
  'is held to the calibration of the bundle, and notices when no picture is sure any more',
  async () => {
    const { agent, exitShare, said } = setting(1);
    assert.is(exitShare.figures.calibrated, bundle.manifest.calibration.measured.deviceShare);
    for (let seed = 0; said.length === 0 && seed < 200; seed++) await agent.classify(noise(seed));
    assert.equal(said, ['moved']);
    assert.ok(exitShare.figures.images < 100, `${exitShare.figures.images}`);
  },
);

Monitor(
  'counts images by the calibrated threshold, whatever threshold is in use and wherever they leave',
  async () => {
    const counted: (number | undefined)[] = [];
    for (const [cut, thresholds] of [
      [1, undefined],
      [1, [0]],
      [1, [1]],
      [bundle.manifest.segments.length, undefined],
    ] as const) {
      const { agent, exitShare } = setting(cut, thresholds);
      for (let index = 0; index < 20; index++) await agent.classify(drawnImage(index));
      assert.is(exitShare.figures.images, 20);
      counted.push(exitShare.figures.recent);
    }
    assert.is(new Set(counted).size, 1, counted.join());
  },
);

Monitor('takes an image for sure just below the calibrated threshold, and not at it', () => {
  const { threshold = 0 } = bundle.exit(0);
  const { exitShare } = setting(1);
  exitShare.observe(0.999 * threshold);
  assert.is(exitShare.figures.recent, 1);
  exitShare.observe(threshold);
  assert.is(exitShare.figures.recent, 0.5);
});

Monitor('does not count the run that warms the device up', async () => {
  const { agent, exitShare } = setting(0);
  await agent.warmUp();
  assert.is(exitShare.figures.images, 0);
});

Monitor('is not there for a bundle that says nothing of the first exit', () => {
  const { manifest } = bundle;
  const { measured } = manifest.calibration;
  const withCalibration = (calibration: object) =>
    ExitShareMonitor.of({
      ...bundle,
      exit: (index) => bundle.exit(index),
      manifest: { ...manifest, calibration: { ...manifest.calibration, ...calibration } },
    } as typeof bundle);
  assert.ok(withCalibration({}));
  assert.is(withCalibration({ cut: 2 }), undefined);
  assert.is(withCalibration({ measured: { ...measured, deviceShare: 1 } }), undefined);
  assert.is(withCalibration({ measured: { ...measured, deviceShare: 0 } }), undefined);
  assert.is(
    withCalibration({ cut: 2, measured: { ...measured, exitShares: [0.4, 0.6] } })?.figures.calibrated,
    0.4,
  );
});

Monitor.run();
