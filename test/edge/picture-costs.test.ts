/** What a pilot learns of picture files, and what comes of it. */
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  AdaptiveAgent,
  type AnswerCosts,
  type CloudLink,
  type ImageSource,
  Pilot,
} from '../../edge/agent/index.ts';
import { MeasuredCosts } from '../../edge/agent/measured-costs.ts';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { LinkEstimate, type LinkView, Planner } from '../../shared/plan/index.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from '../runtime/real-bundle.ts';

const bundle = await openRealBundle();
const coloured = await openBundle(
  bundleFolder(fileURLToPath(new URL('../../models/b-alexnet-cifar10', import.meta.url))),
  { segments: [] },
);

async function plannerOf(planned: Bundle): Promise<Planner> {
  return new Planner({ manifest: planned.manifest, records: await planned.records('calibration') });
}

/** A link on which this has been seen again and again. */
function link(rttMs: number, bitsPerSecond: number): LinkView {
  const estimate = new LinkEstimate();
  for (let at = 0; at < 200; at++) {
    const sentBytes = at % 2 === 0 ? 60 : 5000;
    estimate.observe({ sentBytes, roundTripMs: rttMs + (8000 * sentBytes) / bitsPerSecond, atMs: at * 50 });
  }
  return estimate.at(10_000);
}

const { shape } = coloured.manifest.input;
const pixels = shape.reduce((product, side) => product * side, 1);
const fileBytes = 400;
/** What a frame around a picture takes, about. */
const frameBytes = 40;

/** What answers of the device by itself and of the cloud cost, where preparing the picture took so long. */
function ownCosts(prepare: number): AnswerCosts {
  const stagesMs = { prepare, exit: 0, cloudQueue: 0, cloudRun: 0 };
  const { name: exit } = coloured.exit(0);
  return { exit, route: 'exit', degraded: false, bytesSent: 0, device: { exit, runMs: 100 }, stagesMs };
}

function sentCosts(bytesSent: number): AnswerCosts {
  const stagesMs = { prepare: 0, exit: 0, cloudQueue: 0, cloudRun: 1 };
  return { exit: coloured.exit(2).name, route: 'image', degraded: false, bytesSent, stagesMs };
}

/** As of an image that the cloud finished from its codes. */
function finishedCosts(prepare: number): AnswerCosts {
  const own = ownCosts(prepare);
  const stagesMs = { ...own.stagesMs, cloudRun: 1 };
  return { ...own, exit: coloured.exit(2).name, route: 'features', bytesSent: 700, stagesMs };
}

const isNear = (value: number | undefined, expected: number, tolerance: number) =>
  assert.ok(
    Math.abs((value ?? Number.NaN) - expected) <= tolerance,
    `${value}, expected ${expected} within ${tolerance}`,
  );

const Pictures = suite('what pictures cost');

const measured = () => new MeasuredCosts({ bundle: coloured, segmentMs: [100, 100, 100] });

Pictures('is not known while callers bring pixels', () => {
  const costs = measured();
  for (let image = 0; image < 100; image++) costs.add(ownCosts(0), { cut: 1, channels: 16 }, pixels);
  const { device, image } = costs.costs({ link: link(5, 1e6) });
  assert.equal([device.prepareMs, image], [undefined, undefined]);
});

Pictures('is known from files that are not sent: their bytes, and the time to prepare them', () => {
  const costs = measured();
  for (let image = 0; image < 1000; image++) {
    const bytes = fileBytes + (image % 2 === 0 ? 100 : -100);
    costs.add(ownCosts(image % 2 === 0 ? 4 : 6), { cut: 1, channels: 16 }, bytes);
  }
  const { device, image } = costs.costs({ link: link(5, 1e6) });
  isNear(image?.meanBytes, fileBytes + frameBytes, 20);
  // Half of them at either end are as far apart as a normal distribution with this deviation.
  isNear(image?.p95Bytes, fileBytes + frameBytes + 1.645 * 100, 30);
  isNear(device.prepareMs?.medianMs, 5, 1.5);
});

Pictures('is known without a server too, as far as it is the device that prepares them', () => {
  const costs = measured();
  costs.add(ownCosts(4), { cut: 3 });
  const { device, image } = costs.costs({});
  assert.equal([device.prepareMs?.medianMs, image], [4, undefined]);
});

Pictures('is what was sent, where they were sent', () => {
  const costs = measured();
  for (let image = 0; image < 50; image++) costs.add(sentCosts(433), { cut: 0 }, fileBytes);
  const { device, image } = costs.costs({ link: link(5, 1e6) });
  assert.equal(device.prepareMs, undefined, 'the device prepared nothing');
  isNear(image?.meanBytes, 433, 1e-6);
  isNear(image?.p95Bytes, 433, 1e-3);
  costs.add({ ...sentCosts(5000), degraded: true }, { cut: 0 }, fileBytes);
  isNear(costs.costs({ link: link(5, 1e6) }).image?.meanBytes, 433, 1);
});

Pictures('goes back when callers bring pixels again', () => {
  const costs = measured();
  for (let image = 0; image < 100; image++) costs.add(ownCosts(5), { cut: 1, channels: 16 }, fileBytes);
  for (let image = 0; image < 300; image++) costs.add(ownCosts(0), { cut: 1, channels: 16 }, pixels);
  const { device, image } = costs.costs({ link: link(5, 1e6) });
  isNear(image?.meanBytes, pixels + frameBytes, 1);
  isNear(device.prepareMs?.medianMs, 0, 0.01);
});

Pictures('decides on a slow link whether the image is sent', async () => {
  const view = link(10, 1e5);
  const pilot = new Pilot({
    ...{ bundle: coloured, planner: await plannerOf(coloured) },
    objective: { aim: 'latency', deadlineMs: 2000 },
    segmentMs: [100, 100, 100],
    link: () => view,
  });
  const cut = (nowMs: number) => {
    pilot.review(nowMs);
    return pilot.plan(nowMs)?.prediction.plan.cut;
  };
  const learn = (count: number, prepare: number, bytes: number) => {
    const costs = finishedCosts(prepare);
    for (let image = 0; image < count; image++) pilot.learn(costs, { cut: 1, channels: 16 }, bytes);
  };
  learn(20, 0, pixels);
  assert.is(cut(0), 1, `${pixels} bytes take longer than a segment and its codes`);
  learn(20, 5, fileBytes);
  const soon = cut(1000);
  assert.is(cut(4000), 0, `${fileBytes} bytes take less; at first cut ${soon}`);
  learn(60, 0, pixels);
  cut(5000);
  assert.is(cut(8000), 1, 'pixels are sent');
});

Pictures.run();

const Learns = suite('an agent learns what images take');

for (const [what, maxImageBytes, connected, expected] of [
  ['a file is as large as it is', 1000, true, 400],
  ['a file that is more than servers take is as large as its pixels', 399, true, 784],
  ['a file is as large as its pixels where servers take none', undefined, true, 784],
  ['nothing is learnt of a file while no server is there', 1000, false, undefined],
] as const) {
  Learns(`${what}`, async () => {
    const pool = await startPool(segmentGraphs(bundle), { maxQueuedRuns: 100, warmUpRows: [1] });
    const learnt: (number | undefined)[] = [];
    class Watched extends Pilot {
      override learn(...[answer, way, imageBytes]: Parameters<Pilot['learn']>): void {
        learnt.push(imageBytes);
        super.learn(answer, way, imageBytes);
      }
    }
    const pilot = new Watched({
      ...{ bundle, planner: await plannerOf(bundle), objective: { aim: 'latency' }, segmentMs: [1, 1] },
      link: () => undefined,
    });
    const cloud: CloudLink = {
      connected,
      maxImageBytes,
      infer: () => Promise.reject(new Error('nothing is sent')),
    };
    const agent = new AdaptiveAgent({
      ...{ bundle, runner: pool, cloud, pilot, clock: systemClock, defaultBudgetMs: 5000, maxInFlight: 8 },
    });
    const file: ImageSource = {
      ...{ file: new Uint8Array(400), format: 'png' },
      decode: async () => drawnImage(0),
    };
    try {
      await agent.classify(file);
      await agent.classify(drawnImage(0));
      assert.equal(learnt, [expected, connected ? 784 : undefined]);
    } finally {
      await pool.close();
    }
  });
}

Learns.run();
