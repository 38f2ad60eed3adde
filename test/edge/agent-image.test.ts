/** The agent at cut 0: the image goes to the cloud, and the device answers when the cloud does not. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent, type AgentOptions, type Answer, type PictureFile, Uplink } from '../../edge/agent/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { argmax } from '../../shared/exits/index.ts';
import {
  clientWireBytes,
  encodeError,
  encodeInfer,
  encodeResult,
  type InferRequest,
  type Welcome,
} from '../../shared/protocol/index.ts';
import type { Runner } from '../../shared/runtime/index.ts';
import { rejectsCode, until } from '../protocol/expect.ts';
import {
  drawnImage,
  openRealBundle,
  runAlone,
  segmentGraphs,
  startPool,
  withThreshold,
} from '../runtime/real-bundle.ts';
import { greyFile } from '../support/pictures.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';
import { TestCloud } from './link-source.ts';

const bundle = await openRealBundle();
const { id: bundleId, classes } = bundle.manifest;
const pool = await startPool(segmentGraphs(bundle));
const image = drawnImage(0);
const [alone] = await runAlone(pool, bundle, [image]);
const branchLabel = argmax(alone?.logits[0] ?? []);
const [sure, unsure] = [withThreshold(bundle, 1), withThreshold(bundle, 0)];
const png = await greyFile(28, 28, 'png');
/** What a run of the first segment takes on the agent's clock. */
const runMs = 20;
const budgetMs = 500;

interface Setting {
  readonly clock: VirtualClock;
  readonly agent: Agent;
  readonly cloud: TestCloud;
  readonly uplink: Uplink;
  /** When each run of a segment began. */
  readonly runsAtMs: number[];
  /** The newest request, as soon as there are so many. */
  request(count?: number): Promise<InferRequest>;
  /** Answers the newest request. */
  answer(): void;
}

/** An agent at cut 0 on a clock that only runs of segments and the test move on. */
async function setting(
  change: Partial<AgentOptions> = {},
  {
    welcome = { maxImageBytes: 10_000 },
    warm = true,
  }: { welcome?: Partial<Welcome> | null; warm?: boolean } = {},
): Promise<Setting> {
  const clock = new VirtualClock();
  const cloud = new TestCloud();
  const bundles = [{ id: bundleId, digest: bundle.digest }];
  const uplink = new Uplink({
    dial: cloud.dial,
    hello: { agent: 'edge/test', bundles },
    clock,
    random: () => 1,
  });
  uplink.start();
  if (welcome !== null) cloud.last.accept({ bundles, maxFrameBytes: 100_000, credits: 64, ...welcome });
  const runsAtMs: number[] = [];
  const runner: Runner = {
    provider: 'cpu',
    parallel: 1,
    async run(key, input, rows) {
      runsAtMs.push(clock.now());
      const output = await pool.run(key, input, rows);
      clock.advance(runMs);
      return output;
    },
    close: () => pool.close(),
  };
  const agent = new Agent({
    ...{ bundle: unsure, runner, cloud: uplink, clock, cut: 0 },
    ...{ defaultBudgetMs: budgetMs, maxInFlight: 10 },
    ...change,
  });
  if (warm) await agent.warmUp();
  runsAtMs.length = 0;
  return {
    ...{ clock, agent, cloud, uplink, runsAtMs },
    async request(count = 1) {
      await until(() => cloud.last.requests.length >= count);
      const request = cloud.last.requests.at(-1);
      if (request === undefined) throw new Error('no request');
      return request;
    },
    answer() {
      const id = cloud.last.requests.at(-1)?.id ?? 0;
      const logits = alone?.logits[1] ?? new Float32Array(classes.length);
      const times = { queueMicros: 2000, runMicros: 3000, batchRows: 1, queuedRows: 0 };
      cloud.last.events.onMessage(encodeResult({ id, exits: [1], logits, ...times }));
    },
  };
}

/** A picture that counts how often it is decoded. */
function picture(decodeMs = 0, clock?: VirtualClock): PictureFile & { decoded: number } {
  return {
    file: png,
    format: 'png',
    decoded: 0,
    async decode() {
      this.decoded++;
      clock?.advance(decodeMs);
      return image;
    },
  };
}

function addsUp({ stagesMs, latencyMs }: Answer): void {
  const sum = Object.values(stagesMs).reduce((total, ms) => total + ms, 0);
  assert.ok(Math.abs(sum - latencyMs) < 1e-6, `stages ${sum} ms, latency ${latencyMs} ms`);
  assert.ok(Object.values(stagesMs).every((ms) => ms >= 0));
}

const Sends = suite('an image that is sent');

Sends('as pixels is answered by the cloud, and the device runs nothing', async () => {
  const { agent, clock, request, answer, runsAtMs } = await setting();
  const answering = agent.classify(image);
  const sent = await request();
  assert.equal([sent.cut, sent.format, sent.budgetMs], [0, undefined, budgetMs]);
  assert.equal(new Uint8Array(sent.rows[0] ?? []), image);
  clock.advance(40);
  answer();
  const got = await answering;
  assert.equal([got.route, got.degraded, got.reason, got.device], ['image', false, undefined, undefined]);
  assert.equal([got.label, got.exit], [argmax(alone?.logits[1] ?? []), bundle.exit(1).name]);
  assert.is(got.bytesSent, clientWireBytes(encodeInfer(sent).length));
  assert.equal([got.latencyMs, got.stagesMs.cloudQueue, got.stagesMs.cloudRun], [40, 2, 3]);
  assert.equal([got.stagesMs.device, got.stagesMs.prepare, got.stagesMs.network], [0, 0, 35]);
  addsUp(got);
  assert.equal(runsAtMs, []);
  assert.is(agent.inFlight, 0);
});

Sends('as a file goes byte by byte and is not decoded here', async () => {
  const exactly = { welcome: { maxImageBytes: png.length } };
  const { agent, clock, request, answer, runsAtMs } = await setting({}, exactly);
  const source = picture();
  const answering = agent.classify(source);
  const sent = await request();
  assert.is(sent.format, 'png');
  assert.equal(new Uint8Array(sent.rows[0] ?? []), png);
  clock.advance(10);
  answer();
  const got = await answering;
  assert.equal([got.route, got.stagesMs.prepare, source.decoded], ['image', 0, 0]);
  assert.equal(runsAtMs, []);
});

Sends('goes as pixels to a server that takes no such file, and decoding takes from the budget', async () => {
  for (const maxImageBytes of [undefined, png.length - 1]) {
    const welcome = maxImageBytes === undefined ? {} : { maxImageBytes };
    const { agent, clock, request, answer } = await setting({}, { welcome });
    const source = picture(30, clock);
    const answering = agent.classify(source);
    const sent = await request();
    assert.equal(
      [sent.format, sent.budgetMs, sent.rows[0]?.length],
      [undefined, budgetMs - 30, image.length],
    );
    answer();
    const got = await answering;
    assert.equal([got.route, got.stagesMs.prepare, source.decoded], ['image', 30, 1]);
    addsUp(got);
  }
});

Sends('made of a function goes as pixels', async () => {
  const { agent, request, answer } = await setting();
  const answering = agent.classify(async () => image);
  assert.is((await request()).format, undefined);
  answer();
  assert.is((await answering).route, 'image');
});

Sends.run();

const Late = suite('a cloud that is late');

Late('is answered for by the branch when the budget ends, from a run that began in time', async () => {
  const { agent, clock, request, runsAtMs } = await setting();
  const answering = agent.classify(image);
  const sent = await request();
  const startedAtMs = clock.now();
  clock.advance(budgetMs - runMs - 1);
  await settled();
  assert.equal(runsAtMs, [], 'the device began before it had to');
  clock.advance(1);
  const got = await answering;
  assert.equal(runsAtMs, [startedAtMs + budgetMs - runMs]);
  assert.equal([got.route, got.degraded, got.reason], ['exit', true, 'BUDGET_SPENT']);
  assert.equal([got.label, got.latencyMs], [branchLabel, budgetMs]);
  assert.equal([got.device?.label, got.stagesMs.device], [branchLabel, runMs]);
  assert.is(got.bytesSent, clientWireBytes(encodeInfer(sent).length));
  addsUp(got);
});

Late('may still answer while the device runs, up to the end of the budget', async () => {
  const { agent, clock, request, answer, runsAtMs } = await setting();
  const answering = agent.classify(image);
  await request();
  clock.advance(budgetMs - runMs);
  answer();
  const got = await answering;
  assert.equal([got.route, got.degraded, runsAtMs.length], ['image', false, 1]);
});

Late('is not waited for once the branch is sure', async () => {
  const { agent, clock, request, runsAtMs } = await setting({ bundle: sure });
  // With two under way each keeps the time for both, and the first has its answer before the budget ends.
  const both = [agent.classify(image), agent.classify(image)];
  await request(2);
  const startedAtMs = clock.now();
  clock.advance(budgetMs - 2 * runMs);
  const first = await both[0];
  assert.is(runsAtMs[0], startedAtMs + budgetMs - 2 * runMs);
  assert.equal([first?.route, first?.degraded, first?.reason], ['exit', false, undefined]);
  assert.is(first?.latencyMs, budgetMs - runMs);
  await both[1];
});

Late('costs the time to decode as well, which is kept in reserve from the first time on', async () => {
  const { agent, clock, request, runsAtMs } = await setting();
  const decodeMs = 50;
  const first = picture(decodeMs, clock);
  const answering = agent.classify(first);
  await request();
  // Not known yet, so half of the budget is kept for it.
  clock.advance(budgetMs / 2 - runMs);
  await until(() => first.decoded === 1);
  await until(() => runsAtMs.length === 1);
  clock.advance(budgetMs);
  const got = await answering;
  assert.equal([got.degraded, got.reason, got.stagesMs.prepare], [true, 'BUDGET_SPENT', decodeMs]);
  const second = picture(decodeMs, clock);
  const again = agent.classify(second);
  await request(2);
  clock.advance(budgetMs - runMs - decodeMs - 1);
  await settled();
  assert.is(second.decoded, 0);
  clock.advance(1);
  const late = await again;
  assert.equal([late.latencyMs, late.stagesMs.prepare, late.stagesMs.device], [budgetMs, decodeMs, runMs]);
  addsUp(late);
});

Late(
  'by many images at once: all of them are answered within the budget, one run after the other',
  async () => {
    const { agent, clock, request, runsAtMs } = await setting();
    const count = 8;
    const all = Array.from({ length: count }, () => agent.classify(image));
    await request(count);
    const startedAtMs = clock.now();
    clock.advance(budgetMs - count * runMs);
    const answers = await Promise.all(all);
    assert.is(runsAtMs[0], startedAtMs + budgetMs - count * runMs);
    assert.equal(
      answers.map(({ latencyMs, reason }) => [latencyMs, reason]),
      answers.map(() => [budgetMs, 'BUDGET_SPENT']),
    );
    // The wait for each other is not what a run takes: one image alone keeps no more time than before.
    const alone = agent.classify(image);
    await request(count + 1);
    const aloneAtMs = clock.now();
    clock.advance(budgetMs - runMs - 1);
    await settled();
    assert.is(runsAtMs.length, count);
    clock.advance(1);
    await alone;
    assert.is(runsAtMs[count], aloneAtMs + budgetMs - runMs);
  },
);

Late('has half of the budget while the device does not know what it needs itself', async () => {
  const { agent, clock, request, runsAtMs } = await setting({}, { warm: false });
  const answering = agent.classify(image);
  await request();
  clock.advance(budgetMs / 2);
  await until(() => runsAtMs.length === 1);
  clock.advance(budgetMs);
  assert.is((await answering).reason, 'BUDGET_SPENT');
});

Late.run();

const Gone = suite('a cloud that is gone, busy or refuses');

Gone('that is not there leaves the answer to the device at once', async () => {
  const nowhere = {
    connected: false,
    infer: () => Promise.reject(new OfframpError('CLOUD_UNREACHABLE', '')),
  };
  for (const change of [{}, { cloud: nowhere }]) {
    const { agent, runsAtMs } = await setting(change, { welcome: null });
    const source = picture();
    const got = await agent.classify(source);
    assert.equal([got.route, got.degraded, got.reason], ['exit', true, 'CLOUD_UNREACHABLE']);
    assert.equal([got.label, got.latencyMs, got.bytesSent], [branchLabel, runMs, 0]);
    assert.equal([source.decoded, runsAtMs.length], [1, 1]);
    addsUp(got);
  }
});

Gone('that goes in the middle leaves it to the device at once', async () => {
  const { agent, cloud, clock, request } = await setting();
  const answering = agent.classify(image);
  await request();
  clock.advance(30);
  cloud.last.events.onClose(1006, '');
  const got = await answering;
  assert.equal([got.degraded, got.reason, got.latencyMs], [true, 'CONNECTION_LOST', 30 + runMs]);
});

Gone('that refuses is the reason, and what the branch is sure of is not degraded', async () => {
  for (const [used, degraded] of [
    [unsure, true],
    [sure, false],
  ] as const) {
    const { agent, cloud, request } = await setting({ bundle: used });
    const answering = agent.classify(image);
    const { id } = await request();
    cloud.last.events.onMessage(encodeError(id, new OfframpError('BUSY', 'full')));
    const got = await answering;
    assert.equal([got.route, got.degraded, got.reason], ['exit', degraded, 'BUSY']);
    assert.is(got.label, branchLabel);
  }
});

Gone('or answers nonsense is no answer', async () => {
  const { agent, cloud, request } = await setting();
  const answering = agent.classify(image);
  const { id } = await request();
  const logits = new Float32Array(classes.length);
  const times = { queueMicros: 0, runMicros: 0, batchRows: 1, queuedRows: 0 };
  cloud.last.events.onMessage(encodeResult({ id, exits: [9], logits, ...times }));
  const got = await answering;
  assert.equal([got.route, got.degraded, got.label], ['exit', true, branchLabel]);
});

Gone('a picture that nobody can read is the failure of its reader here', async () => {
  const { agent, cloud, request } = await setting();
  const unreadable: PictureFile = {
    file: png,
    format: 'png',
    decode: () => Promise.reject(new OfframpError('IMAGE_INVALID', 'no picture')),
  };
  const answering = agent.classify(unreadable);
  const { id } = await request();
  cloud.last.events.onMessage(encodeError(id, new OfframpError('IMAGE_INVALID', 'Row 0: no picture')));
  await rejectsCode(answering, 'IMAGE_INVALID', 'no picture');
  assert.is(agent.inFlight, 0);
});

Gone('a budget that making the pixels spends is BUDGET_SPENT, and nothing is sent', async () => {
  const { agent, clock, cloud } = await setting();
  const slow = async () => {
    clock.advance(budgetMs);
    return image;
  };
  const got = await agent.classify(slow);
  assert.equal([got.degraded, got.reason, got.latencyMs], [true, 'BUDGET_SPENT', budgetMs + runMs]);
  assert.is(cloud.last.requests.length, 0);
});

Gone('pixels of another length are refused and not sent', async () => {
  const { agent, cloud } = await setting();
  await rejectsCode(agent.classify(new Uint8Array(783)), 'IMAGE_INVALID', '783 bytes');
  assert.is(cloud.last.requests.length, 0);
});

Gone.run();

const Broken = suite('a device that cannot compute');
Broken.before(() => pool.close());

Broken('still has images answered by the cloud', async () => {
  const { agent, clock, request, answer } = await setting({}, { warm: false });
  const answering = agent.classify(image);
  await request();
  clock.advance(budgetMs / 2);
  await settled();
  answer();
  assert.is((await answering).route, 'image');
});

Broken('fails when the cloud does too, and at warming up', async () => {
  const { agent, uplink } = await setting({}, { warm: false });
  uplink.close();
  await rejectsCode(agent.classify(image), 'RUNTIME_STOPPED');
  await rejectsCode(agent.warmUp(), 'RUNTIME_STOPPED');
});

Broken.run();
