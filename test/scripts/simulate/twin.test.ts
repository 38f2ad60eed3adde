/**
 * The simulated device beside the agent itself: both on a virtual clock, with the same images, link and server. What the agent decides
 * of each image, the simulated device has to decide as well, at the same moment.
 */

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultCloudLimits, serveBundle } from '../../../cloud/index.ts';
import {
  AdaptiveAgent,
  Agent,
  type CloudLink,
  EndpointState,
  Endpoints,
  type Offload,
  type OffloadResult,
  Pilot,
} from '../../../edge/agent/index.ts';
import { seededRandom } from '../../../scripts/calibrate/random.ts';
import { type Link, OneWay, parseLink, readTraceFile } from '../../../scripts/links/index.ts';
import { type CostProfile, parseCostProfile, recordedStreams } from '../../../scripts/profile/index.ts';
import { findBundle } from '../../../scripts/project.ts';
import { SimulatedDevice } from '../../../scripts/simulate/device.ts';
import { deviceCosts } from '../../../scripts/simulate/device-costs.ts';
import { planOf } from '../../../scripts/simulate/index.ts';
import { markBytes, markRow, ReplayRunner } from '../../../scripts/simulate/replay-runner.ts';
import { replayImages } from '../../../scripts/simulate/replayed-images.ts';
import { type CloudReply, SimulatedCloud } from '../../../scripts/simulate/simulated-cloud.ts';
import { fixedSteering, pilotSteering, type Steering } from '../../../scripts/simulate/steering.ts';
import { VirtualTime } from '../../../scripts/simulate/virtual-time.ts';
import { type Bundle, openBundle } from '../../../shared/bundle/index.ts';
import type { Clock } from '../../../shared/clock.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import { Planner } from '../../../shared/plan/index.ts';

const bundle = await openBundle(bundleFolder(findBundle('b-resnet-cifar10')));
const profileFile = new URL('../../../scripts/simulate/profiles/b-resnet-cifar10.json', import.meta.url);
const measured = parseCostProfile(readFileSync(profileFile, 'utf8'), 'the profile');
const images = await replayImages(bundle, 'test', recordedStreams(measured));
const planner = new Planner({ manifest: bundle.manifest, records: await bundle.records('calibration') });
const slowdown = 40;

/** Without chance, so that nothing depends on who draws first; what the agent measures of itself takes no virtual time. */
const costs: CostProfile = {
  ...measured,
  device: {
    segmentMs: measured.device.segmentMs.map(middle),
    ...{ exitMs: [0], encodeMs: measured.device.encodeMs.map(() => [0]), callMs: [0] },
    prepareMs: middle(measured.device.prepareMs),
  },
  cloud: {
    segments: measured.cloud.segments.map((segment) => ({ ...segment, spread: [1] })),
    decodeMs: middle(measured.cloud.decodeMs),
    aroundMs: middle(measured.cloud.aroundMs),
  },
};

function middle(ascending: readonly number[]): number[] {
  return [ascending[ascending.length >> 1] ?? 0];
}

/** What became of an image, in the order in which they came. */
interface Decision {
  readonly image: number;
  readonly plan: string;
  readonly route: string;
  readonly exit: number;
  readonly label: number;
  readonly degraded: boolean;
  readonly reason: string | undefined;
  readonly bytesSent: number;
  readonly latencyMs: number;
}

interface Course {
  readonly link: Link;
  readonly budgetMs: number;
  /** `undefined`: the pilot's. */
  readonly cut: number | undefined;
  readonly arrivalsMs: readonly number[];
}

/** The parts that agent and simulated device have in common, made anew for each. */
function parts({ link }: Course) {
  const time = new VirtualTime();
  const linkRandom = seededRandom(5);
  const up = new OneWay(link.up, link.outages, linkRandom);
  const down = new OneWay(link.down, link.outages, linkRandom);
  const cloud = new SimulatedCloud({
    ...{ time, served: serveBundle(bundle), images, costs: costs.cloud, executors: 1 },
    ...{ scheduler: 'offramp', maxBatchRows: 64, random: seededRandom(6) },
  });
  return { time, up, down, cloud };
}

const segmentMs = measured.device.segmentMs.map((samples) => slowdown * (middle(samples)[0] ?? 0));

function pilotOptions(budgetMs: number) {
  return { planner, objective: { aim: 'latency', deadlineMs: budgetMs }, segmentMs } as const;
}

async function simulated(course: Course): Promise<Decision[]> {
  const { time, up, down, cloud } = parts(course);
  const server = new EndpointState();
  const { budgetMs, cut, arrivalsMs } = course;
  const steering: Steering =
    cut === undefined
      ? pilotSteering(
          bundle,
          { ...pilotOptions(budgetMs), clock: time, link: (nowMs) => server.view(nowMs) },
          images.pictureBytes,
        )
      : fixedSteering(planOf(bundle, { name: 'fixed', cut }));
  const decisions: Decision[] = [];
  const device = new SimulatedDevice({
    ...{ name: '0', time, images, cloud, up, down, server, budgetMs, maxInFlight: 1000, steering },
    calibrated: bundle.manifest.exits.map(({ threshold = 0 }) => threshold),
    costs: deviceCosts(bundle.manifest, costs.device, slowdown)(seededRandom(7)),
    onOutcome: ({ plan, ...outcome }) => decisions.push({ ...outcome, plan: plan.key }),
    onRefused: () => assert.unreachable('nothing is refused'),
  });
  device.connect(arrivalsMs.at(-1) ?? 0);
  for (const [image, atMs] of arrivalsMs.entries()) time.at(atMs, () => device.arrive(image));
  await time.run();
  return inOrder(decisions);
}

/** The agent with all that it is made of but its sockets and the graphs of its segments. */
async function real(course: Course): Promise<Decision[]> {
  const { time, up, down, cloud } = parts(course);
  const { budgetMs, cut, arrivalsMs } = course;
  const settling = (action: () => void) => () => {
    time.settle();
    action();
  };
  const clock: Clock = {
    now: () => time.now(),
    schedule: (delayMs, action) => time.schedule(delayMs, settling(action)),
  };
  const later = (ms: number) => new Promise<void>((resolve) => clock.schedule(ms, resolve));
  const link = new VirtualLink(time, up, down, cloud);
  const endpoints = new Endpoints({ links: [link], clock, random: seededRandom(8) });
  link.begin(arrivalsMs.at(-1) ?? 0, (bytes, ms) => endpoints.onRoundTrip(0, bytes, ms));
  const served = serveBundle(bundle);
  const runner = new ReplayRunner({
    ...{ time, served, images, executors: 1, random: seededRandom(7) },
    costs: { ...costs.cloud, segments: segmentMs.map((fixedMs) => ({ fixedMs, perRowMs: 0, spread: [1] })) },
  });
  const options = {
    ...{ bundle: withMarkedRows(bundle), runner, cloud: endpoints, clock },
    ...{ defaultBudgetMs: budgetMs, maxInFlight: 1000 },
  };
  const fixed = cut === undefined ? undefined : planOf(bundle, { name: 'fixed', cut });
  const agent =
    fixed === undefined
      ? new AdaptiveAgent({
          ...options,
          pilot: new Pilot({
            ...pilotOptions(budgetMs),
            bundle,
            link: (nowMs) => endpoints.quickestLink(nowMs),
          }),
        })
      : new Agent({ ...options, cut: fixed.cut });
  // Virtual time stands still until it is run.
  const warm = agent.warmUp();
  const decisions: Decision[] = [];
  const names = bundle.manifest.exits.map(({ name }) => name);
  const [prepareMs = 0] = costs.device.prepareMs;
  for (const [image, atMs] of arrivalsMs.entries()) {
    const picture = {
      file: marked(image, images.pictureBytes(image)),
      format: 'webp' as const,
      decode: async () => {
        await later(prepareMs);
        return marked(image, pixels);
      },
    };
    clock.schedule(atMs, () => {
      const sentAtMs = time.now();
      agent.classify(picture).then(({ plan, route, exit, label, degraded, reason, bytesSent }) => {
        const outcome = { image, route, exit: names.indexOf(exit), label, degraded, reason, bytesSent };
        decisions.push({ ...outcome, plan: plan?.key ?? fixed?.key ?? '', latencyMs: time.now() - sentAtMs });
      });
    });
  }
  await time.run();
  await warm;
  return inOrder(decisions);
}

function inOrder(decisions: readonly Decision[]): Decision[] {
  return decisions
    .map(({ image, plan, route, exit, label, degraded, reason, bytesSent, latencyMs }) => ({
      ...{ image, plan, route, exit, label, degraded, reason, bytesSent },
      latencyMs: Math.round(1e6 * latencyMs) / 1e6,
    }))
    .sort((one, other) => one.image - other.image);
}

const pixels = bundle.manifest.input.shape.reduce((product, size) => product * size, 1);

function marked(image: number, bytes: number): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(Math.max(markBytes, bytes));
  markRow(row, 0, image, 0);
  return row;
}

function markOf([low = 0, second = 0, third = 0]: Uint8Array): number {
  return low | (second << 8) | (third << 16);
}

/** Of which the agent does not know: framing is counted by whoever sends. */
const agentFrameBytes = 32;

/** The bundle with a codec whose streams are as long as those that were recorded, and say of which image they are. */
function withMarkedRows(given: Bundle): Bundle {
  const codecs = new Map<string, ReturnType<Bundle['codec']>>();
  const codecOf = (cut: number, channels?: number) => {
    const all = given.manifest.segments[cut - 1]?.codes?.shape[0];
    const key = `${cut} ${channels ?? all}`;
    const codec = codecs.get(key) ?? {
      ...given.codec(cut, channels),
      count: given.codec(cut, channels).count,
      encode: (codes: Uint8Array) => {
        const image = markOf(codes);
        return marked(
          image,
          images.requestBytes(cut, channels === all ? undefined : channels, image) - agentFrameBytes,
        );
      },
    };
    codecs.set(key, codec);
    return codec;
  };
  return new Proxy(given, {
    get: (target, name) => (name === 'codec' ? codecOf : Reflect.get(target, name, target)),
  });
}

/** A server behind the link: what `Connection` and the server's sessions do, without their sockets. */
class VirtualLink implements CloudLink {
  readonly connected = true;
  readonly maxImageBytes = 1e6;
  readonly lastError = new OfframpError('CLOUD_UNREACHABLE', 'never');
  readonly #time: VirtualTime;
  readonly #up: OneWay;
  readonly #down: OneWay;
  readonly #cloud: SimulatedCloud;

  constructor(time: VirtualTime, up: OneWay, down: OneWay, cloud: SimulatedCloud) {
    this.#time = time;
    this.#up = up;
    this.#down = down;
    this.#cloud = cloud;
  }

  /** The hello, then a ping every heartbeat. */
  begin(untilMs: number, onRoundTrip: (bytes: number, ms: number) => void): void {
    const time = this.#time;
    const roundTrip = (bytes: number, answerBytes: number) => {
      const sentAtMs = time.now();
      time.at(this.#up.send(bytes, sentAtMs), () =>
        time.at(this.#down.send(answerBytes, time.now()), () => onRoundTrip(bytes, time.now() - sentAtMs)),
      );
    };
    roundTrip(240, 320);
    const beat = () => {
      if (time.now() >= untilMs) return;
      roundTrip(6, 2);
      time.at(time.now() + heartbeatMs, beat);
    };
    time.at(heartbeatMs, beat);
  }

  infer({ cut, rows, channels, budgetMs, classes, onSent }: Offload): Promise<OffloadResult> {
    const time = this.#time;
    const [row = new Uint8Array(0)] = rows;
    const image = markOf(row);
    const bytes = images.requestBytes(cut, channels, image);
    onSent?.(bytes);
    return new Promise((resolve, reject) => {
      const cancel = time.schedule(budgetMs, () => {
        time.settle();
        reject(new OfframpError('BUDGET_SPENT', 'No answer in time'));
      });
      const onReply = (told: CloudReply) => {
        cancel();
        time.settle();
        if ('error' in told) return reject(told.error);
        const { exit, queueMicros, runMicros, queuedRows } = told.answer;
        const logits = images.logitsAt(exit, image, images.rateAt(cut, channels));
        assert.is(logits.length, classes);
        resolve({
          ...{ id: 1, exits: [exit], logits: new Float32Array(logits), queueMicros, runMicros, queuedRows },
          ...{ batchRows: 1, bytesSent: bytes },
        });
      };
      time.at(this.#up.send(bytes, time.now()), () =>
        this.#cloud.receive({ client: '0', image, cut, channels, budgetMs }, (told) =>
          time.at(this.#down.send(images.answerBytes, time.now()), () => onReply(told)),
        ),
      );
    });
  }
}

const { heartbeatMs } = defaultCloudLimits;

function poisson(perSecond: number, count: number): number[] {
  const random = seededRandom(9);
  let atMs = 1000;
  return Array.from({ length: count }, () => (atMs += (-1000 * Math.log(1 - random())) / perSecond));
}

const Twin = suite('the simulated device beside the agent');

const lte = 'rtt=60,jitter=12,up=8,down=20,loss=0.005';

/** Stands still for four seconds of every twelve. */
const holes: Link = {
  ...parseLink(lte, readTraceFile),
  outages: [{ atMs: 3000, lastsMs: 4000, everyMs: 12_000 }],
};

const courses: Readonly<Record<string, Course>> = {
  'pictures over a link in order': {
    ...{ link: parseLink('wifi-good', readTraceFile), budgetMs: 2000, cut: 0, arrivalsMs: poisson(5, 300) },
  },
  'pictures that the device must answer, since the budget is short': {
    ...{ link: parseLink(lte, readTraceFile), budgetMs: 110, cut: 0, arrivalsMs: poisson(5, 300) },
  },
  'features, with more images than the device can take': {
    ...{ link: parseLink(lte, readTraceFile), budgetMs: 500, cut: 1, arrivalsMs: poisson(40, 400) },
  },
  'two segments on the device': {
    ...{ link: parseLink(lte, readTraceFile), budgetMs: 300, cut: 2, arrivalsMs: poisson(4, 400) },
  },
  'all on the device': {
    ...{ link: parseLink('3g', readTraceFile), budgetMs: 500, cut: 3, arrivalsMs: poisson(3, 200) },
  },
  'features over a link that stops for seconds': {
    ...{ link: holes, budgetMs: 200, cut: 1, arrivalsMs: poisson(4, 350) },
  },
  'plans that change, over a link that stops for seconds': {
    ...{ link: holes, budgetMs: 200, cut: undefined, arrivalsMs: poisson(4, 350) },
  },
  'plans that change, on LTE': {
    ...{ link: parseLink('lte', readTraceFile), budgetMs: 2000, cut: undefined, arrivalsMs: poisson(3, 400) },
  },
  'plans that change, where answers come too late': {
    ...{ link: parseLink('3g', readTraceFile), budgetMs: 150, cut: undefined, arrivalsMs: poisson(3, 400) },
  },
};

const seen = new Set<string | undefined>();
const plans = new Set<string>();

for (const [name, course] of Object.entries(courses)) {
  Twin(`decides the same of every image: ${name}`, async () => {
    const [own, agents] = [await simulated(course), await real(course)];
    assert.is(agents.length, course.arrivalsMs.length);
    for (const [index, decision] of agents.entries()) {
      assert.equal(own[index], decision, `image ${index}`);
      seen.add(decision.route).add(decision.reason);
      plans.add(decision.plan);
    }
  });
}

Twin('came to every route, to late answers, to links that were too slow, and to several plans', () => {
  for (const one of ['exit', 'features', 'image', 'edge-only', 'BUDGET_SPENT', 'LINK_SLOW']) {
    assert.ok(seen.has(one), one);
  }
  assert.ok(plans.size >= 8, [...plans].join(' '));
});

Twin.run();
