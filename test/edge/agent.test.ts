import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent, type AgentOptions, type CloudLink, type Offload, Uplink } from '../../edge/agent/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { type ErrorCode, errorCodes, OfframpError } from '../../shared/errors.ts';
import { argmax, decideExit } from '../../shared/exits/index.ts';
import { clientWireBytes, encodeInfer } from '../../shared/protocol/index.ts';
import { rejectsCode, throwsCode } from '../protocol/expect.ts';
import {
  drawnImage,
  furthest,
  openRealBundle,
  runAlone,
  segmentGraphs,
  startPool,
  wholeGraph,
  withThreshold,
} from '../runtime/real-bundle.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { TestCloud } from './link-source.ts';

const bundle = await openRealBundle();
const classes = bundle.manifest.classes.length;
const pool = await startPool([...segmentGraphs(bundle), await wholeGraph(bundle, 'whole')]);
const images = Array.from({ length: 6 }, (_, index) => drawnImage(index * 97));
const alone = await runAlone(pool, bundle, images);
const image = images[0] ?? new Uint8Array(0);
const [confident, unsure] = [withThreshold(bundle, 1), withThreshold(bundle, 0)];

function agentWith(change: Partial<AgentOptions> = {}): Agent {
  return new Agent({
    bundle: confident,
    runner: pool,
    clock: systemClock,
    cut: 1,
    defaultBudgetMs: 1000,
    maxInFlight: 10,
    ...change,
  });
}

/** A cloud that answers with the final logits of the image at `index`, and remembers what it was asked. */
function answering(
  index: number,
  change: { queueMicros?: number; runMicros?: number; depthCut?: number[] } = {},
) {
  const asked: Offload[] = [];
  const link: CloudLink = {
    connected: true,
    async infer(offload) {
      asked.push(offload);
      const logits = alone[index]?.logits[1] ?? new Float32Array(0);
      const times = { queueMicros: 100, runMicros: 200, ...change };
      return { id: 1, exits: [1], logits, ...times, batchRows: 1, queuedRows: 0, bytesSent: 60 };
    },
  };
  return { asked, link };
}

function failing(code: ErrorCode): CloudLink {
  return { connected: false, infer: () => Promise.reject(new OfframpError(code, 'on purpose')) };
}

function addsUp(answer: Awaited<ReturnType<Agent['classify']>>): void {
  const sum = Object.values(answer.stagesMs).reduce((total, ms) => total + ms, 0);
  assert.ok(Math.abs(sum - answer.latencyMs) < 1e-6, `stages ${sum} ms, latency ${answer.latencyMs} ms`);
  assert.ok(Object.values(answer.stagesMs).every((ms) => ms >= 0));
}

const Device = suite('answers on the device');

Device('a confident image leaves by the branch and nothing is sent', async () => {
  const { asked, link } = answering(0);
  const answer = await agentWith({ cloud: link }).classify(image);
  const branch = alone[0]?.logits[0] ?? new Float32Array(0);
  const decision = decideExit({ ...confident.exit(0), logits: branch });
  assert.is(answer.route, 'exit');
  assert.is(answer.exit, bundle.exit(0).name);
  assert.is(answer.label, argmax(branch));
  assert.is(answer.className, bundle.manifest.classes[answer.label]);
  assert.ok(furthest(answer.probabilities, decision.probabilities) < 1e-5);
  assert.ok(Math.abs(answer.entropy - decision.entropy) < 1e-5);
  assert.equal([answer.degraded, answer.reason, answer.bytesSent], [false, undefined, 0]);
  const { runMs = 0, ...opinion } = answer.device ?? {};
  const { exit, label, entropy, probabilities } = answer;
  const { threshold } = confident.exit(0);
  assert.equal(opinion, { exit, label, entropy, probabilities, threshold });
  assert.ok(runMs > 0 && runMs <= answer.stagesMs.device, `${runMs} of ${answer.stagesMs.device} ms`);
  assert.is(asked.length, 0);
  addsUp(answer);
});

Device(
  'making the pixels is timed, takes from the budget, and a picture that cannot be read says so',
  async () => {
    const slow = () => new Promise<Uint8Array>((resolve) => setTimeout(() => resolve(image), 30));
    const answer = await agentWith().classify(slow);
    assert.ok(answer.stagesMs.prepare >= 25, `${answer.stagesMs.prepare} ms`);
    addsUp(answer);
    const { asked, link } = answering(0);
    const late = await agentWith({ bundle: unsure, cloud: link }).classify(slow, { budgetMs: 10 });
    assert.equal([late.degraded, late.reason, asked.length], [true, 'BUDGET_SPENT', 0]);
    const agent = agentWith();
    const unreadable = () => Promise.reject(new OfframpError('IMAGE_INVALID', 'no picture'));
    await rejectsCode(agent.classify(unreadable), 'IMAGE_INVALID', 'no picture');
    assert.is(agent.inFlight, 0);
  },
);

Device("the image passed in stays whole and the caller's", async () => {
  const own = new Uint8Array(image);
  await agentWith().classify(own);
  assert.equal(own, image);
  assert.is(own.buffer.byteLength, image.length);
  const pooled = Buffer.from(image);
  await agentWith().classify(pooled);
  assert.ok(pooled.equals(image));
  const larger = new Uint8Array(image.length + 5);
  larger.set(image, 3);
  const answer = await agentWith().classify(larger.subarray(3, 3 + image.length));
  assert.is(answer.label, argmax(alone[0]?.logits[0] ?? []));
});

Device('edge-only gives the label and logits of the whole network', async () => {
  const agent = agentWith({ bundle: unsure, cut: 2 });
  for (const [index, one] of images.entries()) {
    const { outputs } = await pool.run('whole', new Uint8Array(one), 1);
    const whole = outputs[1] ?? new Float32Array(0);
    const answer = await agent.classify(one);
    assert.is(answer.route, 'edge-only');
    assert.is(answer.label, argmax(whole), `image ${index}`);
    const { probabilities } = decideExit({ ...bundle.exit(1), logits: whole });
    assert.ok(furthest(answer.probabilities, probabilities) < 1e-4, `image ${index}`);
    assert.equal([answer.degraded, answer.bytesSent, answer.exit], [false, 0, bundle.exit(1).name]);
    addsUp(answer);
  }
});

Device('edge-only still lets confident images leave early', async () => {
  const answer = await agentWith({ cut: 2 }).classify(image);
  assert.is(answer.route, 'exit');
});

Device('without a cloud an image that is not confident is degraded, and says why', async () => {
  const answer = await agentWith({ bundle: unsure }).classify(image);
  assert.equal([answer.route, answer.degraded, answer.reason], ['exit', true, 'CLOUD_UNREACHABLE']);
  assert.is(answer.label, argmax(alone[0]?.logits[0] ?? []));
  assert.is(answer.bytesSent, 0);
  addsUp(answer);
});

Device.run();

const Cloud = suite('answers of the cloud');

Cloud('a priority goes with every request', async () => {
  const { asked, link } = answering(0);
  await agentWith({ bundle: unsure, cloud: link, priority: 2 }).classify(image);
  await agentWith({ bundle: unsure, cloud: link }).classify(image);
  assert.equal(
    asked.map(({ priority }) => priority),
    [2, undefined],
  );
});

Cloud('an answer whose depth was cut in the cloud is its answer, degraded, and says why', async () => {
  const { link } = answering(0, { depthCut: [0] });
  const answer = await agentWith({ bundle: unsure, cloud: link }).classify(image);
  assert.equal([answer.route, answer.degraded, answer.reason], ['features', true, 'DEPTH_CUT']);
  assert.is(answer.label, argmax(alone[0]?.logits[1] ?? []));
});

Cloud("the codes of an image that is not confident go out, the cloud's answer comes back", async () => {
  const { asked, link } = answering(0, { queueMicros: 1, runMicros: 2 });
  const answer = await agentWith({ bundle: unsure, cloud: link }).classify(image, { budgetMs: 400 });
  const [offload] = asked;
  assert.equal([asked.length, offload?.cut, offload?.classes], [1, 1, classes]);
  assert.is(offload?.bundleTag, Number.parseInt(bundle.digest.slice(0, 8), 16));
  const sent = bundle.codec(1).decode(offload?.rows[0] ?? new Uint8Array(0));
  assert.equal(sent, alone[0]?.codes);
  assert.ok(
    (offload?.budgetMs ?? 0) > 0 && (offload?.budgetMs ?? 0) < 400,
    'the time spent is not taken off',
  );
  assert.equal([answer.route, answer.degraded, answer.bytesSent], ['features', false, 60]);
  assert.is(answer.exit, bundle.exit(1).name);
  assert.is(answer.label, argmax(alone[0]?.logits[1] ?? []));
  assert.is(answer.device?.exit, bundle.exit(0).name);
  assert.is(answer.device?.label, argmax(alone[0]?.logits[0] ?? []));
  assert.is(answer.stagesMs.cloudRun, 0.002);
  assert.is(answer.stagesMs.cloudQueue, 0.001);
});

Cloud('stages add up even when a server claims more time than there was', async () => {
  for (const change of [{ queueMicros: 1e9 }, { runMicros: 1e9 }, { queueMicros: 0, runMicros: 0 }]) {
    const { link } = answering(0, change);
    addsUp(await agentWith({ bundle: unsure, cloud: link }).classify(image));
  }
});

for (const code of errorCodes) {
  Cloud(`a link that fails with ${code} gives the branch's answer, degraded by it`, async () => {
    const answer = await agentWith({ bundle: unsure, cloud: failing(code) }).classify(image);
    assert.equal([answer.route, answer.degraded, answer.reason], ['exit', true, code]);
    assert.is(answer.label, argmax(alone[0]?.logits[0] ?? []));
    addsUp(answer);
  });
}

Cloud('a link that fails with no error of ours is degraded too', async () => {
  const link: CloudLink = { connected: true, infer: () => Promise.reject(new TypeError('a slip')) };
  const answer = await agentWith({ bundle: unsure, cloud: link }).classify(image);
  assert.equal([answer.degraded, answer.reason], [true, 'INTERNAL']);
  const thrower: CloudLink = {
    connected: true,
    infer: () => {
      throw new OfframpError('BUSY', 'at once');
    },
  };
  assert.is((await agentWith({ bundle: unsure, cloud: thrower }).classify(image)).reason, 'BUSY');
});

Cloud('an answer from an exit the bundle does not have, or without sense, is no answer', async () => {
  const logits = new Float32Array(classes);
  const base = { id: 1, queueMicros: 0, runMicros: 0, batchRows: 1, queuedRows: 0, bytesSent: 1 };
  const wrong = [
    { ...base, exits: [9], logits },
    { ...base, exits: [1], logits: new Float32Array(classes).fill(Number.NaN) },
    { ...base, exits: [1], logits: new Float32Array(0) },
  ];
  for (const result of wrong) {
    const link: CloudLink = { connected: true, infer: () => Promise.resolve(result) };
    const answer = await agentWith({ bundle: unsure, cloud: link }).classify(image);
    assert.is(answer.degraded, true);
    assert.is(answer.label, argmax(alone[0]?.logits[0] ?? []));
  }
});

Cloud('a budget that the device alone spends is BUDGET_SPENT, and nothing is sent', async () => {
  const { asked, link } = answering(0);
  const answer = await agentWith({ bundle: unsure, cloud: link }).classify(image, { budgetMs: 1e-6 });
  assert.equal([answer.degraded, answer.reason, asked.length], [true, 'BUDGET_SPENT', 0]);
  addsUp(answer);
});

Cloud('bytes that were sent are counted though the answer came too late', async () => {
  const cloud = new TestCloud();
  const clock = new VirtualClock();
  const { id } = bundle.manifest;
  const hello = { agent: 'edge/test', bundles: [{ id, digest: bundle.digest }] };
  const uplink = new Uplink({ dial: cloud.dial, hello, clock, random: () => 1 });
  uplink.start();
  cloud.last.accept({ bundles: hello.bundles, maxFrameBytes: 100_000 });
  const answering = agentWith({ bundle: unsure, cloud: uplink, clock }).classify(image, { budgetMs: 50 });
  for (let turn = 0; turn < 500 && cloud.last.requests.length === 0; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  clock.advance(50);
  const answer = await answering;
  uplink.close();
  const [request] = cloud.last.requests;
  assert.ok(request !== undefined);
  assert.equal([answer.degraded, answer.reason, answer.latencyMs], [true, 'BUDGET_SPENT', 50]);
  if (request === undefined) return;
  assert.is(answer.bytesSent, clientWireBytes(encodeInfer(request).length));
});

Cloud.run();

const Refusals = suite('images that are refused');

Refusals("another length than the bundle's is IMAGE_INVALID and says both", async () => {
  for (const length of [0, 783, 785, 784 * 3]) {
    await rejectsCode(agentWith().classify(new Uint8Array(length)), 'IMAGE_INVALID', `${length} bytes`);
  }
});

Refusals('a budget that is no time is IMAGE_INVALID', async () => {
  for (const budgetMs of [Number.NaN, 0, -1, Number.NEGATIVE_INFINITY]) {
    await rejectsCode(agentWith().classify(image, { budgetMs }), 'BUDGET_INVALID', `${budgetMs} ms`);
  }
});

Refusals('beyond maxInFlight an image is BUSY, and a finished one makes room', async () => {
  const agent = agentWith({ maxInFlight: 2 });
  const taken = [agent.classify(image), agent.classify(image)];
  assert.is(agent.inFlight, 2);
  await rejectsCode(agent.classify(image), 'BUSY', '2 images');
  await Promise.all(taken);
  assert.is(agent.inFlight, 0);
  await agent.classify(image);
});

Refusals('a refused image takes no place', async () => {
  const agent = agentWith({ maxInFlight: 1 });
  await rejectsCode(agent.classify(new Uint8Array(1)), 'IMAGE_INVALID');
  assert.is(agent.inFlight, 0);
  await agent.classify(image);
});

Refusals('a cut that is none is CUT_UNSUPPORTED', () => {
  for (const cut of [-1, 3, 1.5, Number.NaN]) throwsCode(() => agentWith({ cut }), 'CUT_UNSUPPORTED');
});

Refusals('a device that cannot compute says so and keeps count', async () => {
  const agent = agentWith();
  await pool.close();
  await rejectsCode(agent.classify(image), 'RUNTIME_STOPPED');
  assert.is(agent.inFlight, 0);
});

Refusals.run();
