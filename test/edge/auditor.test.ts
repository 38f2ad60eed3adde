/** The device's own answers held against the cloud's, on real inference threads. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Agent,
  Auditor,
  allowedDisagreement,
  type CloudLink,
  type Drift,
  type Offload,
} from '../../edge/agent/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { until } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from '../runtime/real-bundle.ts';

const bundle = await openRealBundle();
const { length: classes } = bundle.manifest.classes;
const pool = await startPool(segmentGraphs(bundle), { maxQueuedRuns: 1000 });

/** A cloud that gives every image the label that the test wants, or none. */
class Cloud implements CloudLink {
  connected = true;
  label: number | undefined;
  readonly asked: Offload[] = [];

  async infer(offload: Offload) {
    this.asked.push(offload);
    if (this.label === undefined) throw new OfframpError('RUNTIME_FAILED', 'no label');
    const logits = new Float32Array(classes);
    logits[this.label] = 30;
    const times = { queueMicros: 0, runMicros: 0, batchRows: 1, queuedRows: 0 };
    return { id: 1, exits: [1], logits, ...times, bytesSent: 50 };
  }
}

interface Setting {
  readonly agent: Agent;
  readonly auditor: Auditor;
  readonly cloud: Cloud;
  readonly drifts: Drift[];
}

function setting(share: number, allowed = 0.01): Setting {
  const cloud = new Cloud();
  const drifts: Drift[] = [];
  const auditor = new Auditor({
    ...{ share, allowedDisagreement: allowed, random: Math.random },
    onDrift: (drift) => drifts.push(drift),
  });
  const agent = new Agent({
    ...{ bundle, runner: pool, cloud, auditor, clock: systemClock, cut: 1 },
    ...{ defaultBudgetMs: 5000, maxInFlight: 64 },
  });
  return { agent, auditor, cloud, drifts };
}

/** Index of an image that the device is sure of, and its label. */
async function sureImage(): Promise<{ image: Uint8Array; label: number }> {
  const { agent } = setting(0);
  for (let index = 0; index < 100; index++) {
    const image = drawnImage(index);
    const answer = await agent.classify(image).catch(() => undefined);
    if (answer?.route === 'exit' && !answer.degraded) return { image, label: answer.label };
  }
  throw new Error('the device is sure of nothing');
}

const { image, label } = await sureImage();

const Audit = suite('audits');
Audit.after(() => pool.close());

Audit('a share of the sure answers is sent as well, and the answer stays as it is', async () => {
  const { agent, auditor, cloud } = setting(1);
  cloud.label = label;
  for (let index = 0; index < 20; index++) {
    const answer = await agent.classify(image);
    assert.equal([answer.route, answer.label, answer.degraded, answer.bytesSent], ['exit', label, false, 0]);
    await until(() => auditor.status.audits === index + 1);
  }
  assert.is(cloud.asked.length, 20);
  assert.equal([auditor.status.disagreements, auditor.thresholdScale], [0, 1]);
  const [first] = cloud.asked;
  const codec = bundle.codec(1);
  assert.is(codec.decode(first?.rows[0] ?? new Uint8Array(0)).length, codec.count);
  assert.equal([first?.cut, first?.priority], [1, 64]);
});

Audit('with a share of 0, or without a connection, none is', async () => {
  for (const [share, connected] of [
    [0, true],
    [1, false],
  ] as const) {
    const { agent, cloud } = setting(share);
    Object.assign(cloud, { label, connected });
    for (let index = 0; index < 20; index++) await agent.classify(image);
    assert.is(cloud.asked.length, 0);
  }
});

Audit(
  'a cloud that disagrees makes the thresholds stricter, until nothing leaves on the device',
  async () => {
    const { agent, auditor, cloud, drifts } = setting(1);
    cloud.label = (label + 1) % classes;
    let answers = 0;
    for (; answers < 2000 && auditor.thresholdScale > 0; answers++) {
      const { route } = await agent.classify(image);
      if (route !== 'exit') break;
      // Each answer is audited, and what it told is taken in before the next one.
      await until(() => auditor.status.audits > 0 || drifts.length > 0);
      assert.is(cloud.asked.length, answers + 1);
    }
    // The image is very sure, so it leaves until its threshold is nearly gone.
    const scales = drifts.map(({ thresholdScale }) => thresholdScale);
    assert.equal(scales, [0.5, 0.25, 0.125, 1 / 16, 1 / 32, 0].slice(0, scales.length));
    assert.ok(scales.length >= 1, 'no drift was seen');
    for (const { figures } of drifts) assert.ok(figures.range.low > 0.01, JSON.stringify(figures));
    const last = await agent.classify(image);
    assert.equal([last.route, last.label], ['features', cloud.label]);
  },
);

Audit('a cloud that fails tells nothing', async () => {
  const { agent, auditor, cloud } = setting(1);
  for (let index = 0; index < 30; index++) {
    const answer = await agent.classify(image);
    assert.not(answer.degraded);
  }
  await until(() => cloud.asked.length > 0);
  assert.equal([auditor.status.audits, auditor.thresholdScale], [0, 1]);
});

Audit('no more than four are under way', async () => {
  const { agent, cloud } = setting(1);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const answer = cloud.infer.bind(cloud);
  cloud.label = label;
  cloud.infer = async (offload) => {
    const result = await answer(offload);
    await held;
    return result;
  };
  for (let index = 0; index < 30; index++) await agent.classify(image);
  assert.is(cloud.asked.length, 4);
  release();
});

Audit.run();

const Allowed = suite('the disagreement that is allowed');

const measured = { deviceShare: 0.5, accuracy: 0.9, agreement: 0.99 };
const calibration = { ...bundle.manifest.calibration, measured };

Allowed('is what the calibration promises, on the images that leave on the device', () => {
  const rule = { loss: 'disagreement', method: 'ltt' } as const;
  const risk = { ...rule, epsilon: 0.02, delta: 0.05, images: 100, measured: 0.001 };
  assert.is(allowedDisagreement({ calibration: { ...calibration, risk } }), 0.04);
});

Allowed('without a promise is twice what was found, and 1 % at least', () => {
  const { risk: _, ...plain } = calibration;
  assert.ok(Math.abs(allowedDisagreement({ calibration: plain }) - 0.04) < 1e-12);
  const good = { ...plain, measured: { ...measured, agreement: 0.9999 } };
  assert.is(allowedDisagreement({ calibration: good }), 0.01);
  const none = { ...plain, measured: { ...measured, deviceShare: 0 } };
  assert.ok(allowedDisagreement({ calibration: none }) > 0);
});

Allowed.run();
