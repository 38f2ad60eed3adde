/** Which plan is followed at which costs, and what the answers say of it; on real inference threads where something is computed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdaptiveAgent, type Answer, type CloudLink, type Offload, Pilot } from '../../edge/agent/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { type Aim, LinkEstimate, type LinkView, Planner } from '../../shared/plan/index.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const bundle = await openRealBundle();
const planner = new Planner({ manifest: bundle.manifest, records: await bundle.records('calibration') });
const { length: segments } = bundle.manifest.segments;

/** A link on which this has been seen again and again. */
function link(rttMs: number, bitsPerSecond: number): LinkView {
  const estimate = new LinkEstimate();
  for (let at = 0; at < 200; at++) {
    const sentBytes = at % 2 === 0 ? 60 : 5000;
    estimate.observe({ sentBytes, roundTripMs: rttMs + (8000 * sentBytes) / bitsPerSecond, atMs: at * 50 });
  }
  return estimate.at(10_000);
}

interface Made {
  readonly pilot: Pilot;
  readonly followed: string[];
  /** What the way to the server is from now on. */
  set(view: LinkView | undefined): void;
}

function pilotFor(aim: Aim, segmentMs: number, first: LinkView | undefined): Made {
  let view = first;
  const followed: string[] = [];
  const pilot = new Pilot({
    ...{ bundle, planner, objective: { aim, deadlineMs: 500 } },
    segmentMs: Array.from({ length: segments }, () => segmentMs),
    link: () => view,
    onPlan: ({ prediction }) => followed.push(prediction.plan.key),
  });
  return {
    pilot,
    followed,
    set(next) {
      view = next;
    },
  };
}

/** Of an image that comes when the costs of that moment have been looked at. */
function cutNow({ pilot }: Made, nowMs: number): number | undefined {
  pilot.review(nowMs);
  return pilot.plan(nowMs)?.prediction.plan.cut;
}

/** An answer of the cloud, as far as costs are learnt from it. */
function cloudAnswer(cloudRun: number): Answer {
  const stages = { prepare: 0, device: 1, exit: 0, encode: 0, network: 5, cloudQueue: 0, cloudRun };
  const device = {
    exit: bundle.exit(0).name,
    label: 1,
    probabilities: new Float64Array(10),
    entropy: 0.5,
    runMs: 1,
  };
  return {
    ...{ label: 1, className: '1', probabilities: new Float64Array(10), entropy: 0, exit: 'final' },
    ...{
      route: 'features',
      degraded: false,
      device,
      latencyMs: 6 + cloudRun,
      stagesMs: stages,
      bytesSent: 50,
    },
  };
}

const Plans = suite('plans while running');

Plans('without a way to the server all segments run on the device', () => {
  assert.is(cutNow(pilotFor('latency', 1, undefined), 0), segments);
});

Plans('a quick device on a slow link keeps its images, a slow device on a quick link sends them', () => {
  assert.is(cutNow(pilotFor('latency', 0.1, link(300, 1e5)), 0), segments);
  const made = pilotFor('latency', 400, link(2, 1e8));
  for (let image = 0; image < 50; image++) made.pilot.learn(cloudAnswer(1), { cut: 1, channels: 6 });
  assert.ok((cutNow(made, 0) ?? segments) < segments);
});

Plans('the fewest bytes are those that are not sent', () => {
  assert.is(cutNow(pilotFor('bytes', 1, link(5, 1e8)), 0), segments);
});

Plans('the least executor time is none', () => {
  assert.is(cutNow(pilotFor('cloud-time', 1, link(5, 1e8)), 0), segments);
});

Plans('a link that is gone is noticed at the next image, and its return as soon', () => {
  const made = pilotFor('latency', 400, link(2, 1e8));
  for (let image = 0; image < 50; image++) made.pilot.learn(cloudAnswer(1), { cut: 1, channels: 6 });
  assert.ok((cutNow(made, 0) ?? segments) < segments);
  made.set(undefined);
  assert.is(cutNow(made, 100), segments);
  made.set(link(2, 1e8));
  assert.ok((cutNow(made, 150) ?? segments) < segments);
  assert.is(made.followed.length, made.pilot.changes);
  assert.is(made.pilot.changes, 3);
  made.set(link(300, 1e5));
  assert.ok((cutNow(made, 200) ?? segments) < segments, 'looked before it was time');
});

Plans('a queue at the server is known from the first answers that waited in it', () => {
  const made = pilotFor('latency', 20, link(2, 1e8));
  const quick = cloudAnswer(1);
  const waited = { ...quick, stagesMs: { ...quick.stagesMs, cloudQueue: 400 } };
  for (let image = 0; image < 3; image++) made.pilot.learn(waited, { cut: 1, channels: 6 });
  assert.is(cutNow(made, 0), segments, 'images are still sent into the queue');
});

Plans('what hardly changes changes nothing', () => {
  const made = pilotFor('latency', 1, link(20, 1e7));
  const first = cutNow(made, 0);
  for (let look = 1; look < 50; look++) {
    made.set(link(20 + (look % 3) / 4, 1e7));
    assert.is(cutNow(made, look * 1000), first);
  }
  assert.is(made.pilot.changes, 1);
});

Plans('an accuracy that the calibration does not reach leaves the plan that misses it by least', () => {
  const pilot = new Pilot({
    ...{ bundle, planner, objective: { aim: 'latency', accuracyFloor: 0.9999 } },
    segmentMs: [1, 1],
    link: () => link(5, 1e8),
  });
  assert.ok((pilot.plan(0)?.shortfall ?? 0) > 0);
});

Plans('a device on which planning is slow looks less often', () => {
  const made = pilotFor('latency', 0.1, link(300, 1e5));
  assert.is(cutNow(made, 0), segments);
  made.pilot.onReviewed(40);
  made.set(undefined);
  made.set(link(0.01, 1e10));
  for (const nowMs of [500, 1000, 1900]) {
    made.pilot.review(nowMs);
  }
  const before = made.pilot.choice;
  made.pilot.review(2100);
  assert.ok(made.pilot.choice !== before, 'two percent of 2000 ms is 40 ms');
});

Plans('planning waits until the answer has left, and happens once for answers that come together', () => {
  const made = pilotFor('latency', 0.1, link(300, 1e5));
  const clock = new VirtualClock();
  made.pilot.plan(clock.now());
  const first = made.pilot.choice;
  clock.advance(300);
  made.set(link(0.01, 1e10));
  made.pilot.reviewSoon(clock);
  made.pilot.reviewSoon(clock);
  assert.is(clock.pending, 1);
  clock.advance(20);
  assert.is(made.pilot.choice, first, 'not while the answer is on its way');
  clock.advance(10);
  assert.ok(made.pilot.choice !== first);
  made.pilot.reviewSoon(clock);
  assert.is(clock.pending, 0, 'not due again so soon');
});

Plans('now and then an image tries a plan that sends more and seems hardly worse', () => {
  const made = pilotFor('latency', 20, link(20, 1e6));
  const cuts = Array.from({ length: 100 }, (_, image) => cutNow(made, image * 500));
  const followed = made.pilot.choice?.prediction.plan.cut ?? 0;
  assert.is(followed, segments);
  const tried = cuts.flatMap((cut, image) => (cut === followed ? [] : [image]));
  assert.equal(tried, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90], 'every 5 s');
  assert.ok(tried.every((image) => (cuts[image] ?? segments) < segments));
  const atOnce = Array.from({ length: 5 }, (_, image) => cutNow(made, 60_000 + image));
  assert.ok(atOnce.filter((cut) => cut !== followed).length <= 1, 'one at a time');
});

Plans.run();

const Adaptive = suite('an agent whose plan changes');

Adaptive('says of each answer which plan it followed and what that foresaw', async () => {
  const pool = await startPool(segmentGraphs(bundle), { maxQueuedRuns: 100, warmUpRows: [1] });
  const asked: Offload[] = [];
  const { length: classes } = bundle.manifest.classes;
  const cloud: CloudLink = {
    connected: true,
    async infer(offload) {
      asked.push(offload);
      const times = { queueMicros: 100, runMicros: 500, batchRows: 1, queuedRows: 0 };
      return { id: 1, exits: [1], logits: new Float32Array(classes).fill(1), ...times, bytesSent: 55 };
    },
  };
  let view: LinkView | undefined = link(1, 1e9);
  const pilot = new Pilot({
    ...{ bundle, planner, objective: { aim: 'latency', deadlineMs: 500 } },
    // A device so slow that the cloud is always worth it, if one believes this.
    segmentMs: [500, 500],
    link: () => view,
  });
  const agent = new AdaptiveAgent({
    ...{ bundle, runner: pool, cloud, pilot, clock: systemClock, defaultBudgetMs: 5000, maxInFlight: 8 },
  });
  try {
    const sent = await agent.classify(drawnImage(0));
    assert.is(sent.plan?.key.startsWith('cut0'), true, sent.plan?.key);
    assert.equal([sent.route, asked.length, asked[0]?.cut], ['image', 1, 0]);
    assert.ok((sent.plan?.predictedMs ?? 0) > 0);
    view = undefined;
    await new Promise((resolve) => setTimeout(resolve, 300));
    const own = await agent.classify(drawnImage(0));
    assert.is(own.plan?.key.startsWith(`cut${segments}`), true, own.plan?.key);
    assert.ok(own.route === 'edge-only' || own.route === 'exit', own.route);
    assert.equal([asked.length, agent.inFlight], [1, 0]);
  } finally {
    await pool.close();
  }
});

Adaptive.run();
