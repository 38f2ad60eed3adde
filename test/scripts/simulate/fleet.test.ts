/** A simulated device and server against what queueing theory says, and against the sum of their parts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SteeringParts } from '../../../scripts/simulate/fleet.ts';
import { planOf, simulateFleet, type VirtualTime } from '../../../scripts/simulate/index.ts';
import { fixedSteering } from '../../../scripts/simulate/steering.ts';
import { exitTaken } from '../../../shared/exits/index.ts';
import { bundle, costs, edgeOnly, exponential, fleet, images, plainLink } from './fleet-source.ts';

function isNear(got: number, expected: number, share: number): void {
  assert.ok(
    Math.abs(got - expected) <= share * expected,
    `got ${got}, expected ${expected} within ${100 * share} %`,
  );
}

const meanOf = (samples: readonly number[]) => samples.reduce((sum, ms) => sum + ms, 0) / samples.length;

const Queues = suite('a simulated device');
/** A threshold of 1 lets every image go. */
const oneSegment = planOf(bundle, { name: 'first exit', cut: 1, thresholds: [1] });

Queues('waits half of rho / (1 - rho) services when all take the same (M/D/1)', async () => {
  for (const use of [0.3, 0.6, 0.8]) {
    const arrivals = { kind: 'poisson' as const, imagesPerSecond: 100 * use };
    const options = { arrivals, steering: () => fixedSteering(oneSegment), seconds: 3000 };
    const { latencyMs } = await simulateFleet(fleet(options));
    isNear(latencyMs.mean.ms, 10 + (5 * use) / (1 - use), 0.04);
  }
});

Queues('lets an image that goes on wait behind those that came meanwhile, as the agent does', async () => {
  // Each pair comes at once: s0 of both, then s1 of both.
  const arrivals = { kind: 'bursty' as const, imagesPerSecond: 0.1, burstImages: 2 };
  const { latencyMs } = await simulateFleet(fleet({ arrivals, seconds: 4000, warmUpSeconds: 0 }));
  // 30 and 40 ms; were each finished before the next, 20 and 40.
  isNear(latencyMs.mean.ms, 35, 0.02);
  assert.is(Math.round(latencyMs.p95.ms), 40);
});

Queues(
  'waits rho / (1 - rho) services when they are exponential (M/M/1), and as long at the 95th percentile',
  async () => {
    const service = exponential.map((ms) => 10 * ms);
    for (const use of [0.3, 0.6]) {
      const arrivals = { kind: 'poisson' as const, imagesPerSecond: (1000 * use) / meanOf(service) };
      const options = {
        arrivals,
        costs: costs(service),
        steering: () => fixedSteering(oneSegment),
        seconds: 20_000,
      };
      const { latencyMs, routes } = await simulateFleet(fleet(options));
      assert.ok(routes.exit > 0.99, 'a threshold of 1 lets every image go');
      isNear(latencyMs.mean.ms, meanOf(service) / (1 - use), 0.05);
      isNear(latencyMs.p95.ms, (-Math.log(0.05) * meanOf(service)) / (1 - use), 0.08);
    }
  },
);

Queues('refuses what is more than it may have under way, and answers the rest', async () => {
  const arrivals = { kind: 'bursty' as const, imagesPerSecond: 30, burstImages: 10 };
  const found = await simulateFleet(fleet({ arrivals, maxInFlight: 4, seconds: 100, warmUpSeconds: 0 }));
  assert.ok(found.refused > 0 && found.images > 0);
  isNear(found.images + found.refused, 3000, 0.3);
});

Queues.run();

const Server = suite('a simulated server');
const sent = planOf(bundle, { name: 'send all', cut: 0 });

Server('over a link that takes no time takes as long as it computes', async () => {
  const options = { costs: costs([10], { fixedMs: 3, perRowMs: 0.5 }), steering: () => fixedSteering(sent) };
  const arrivals = { kind: 'periodic' as const, imagesPerSecond: 20 };
  const found = await simulateFleet(fleet({ ...options, arrivals, seconds: 100 }));
  const last = images.table.exits - 1;
  const thresholds = bundle.manifest.exits.slice(0, -1).map(({ threshold = 0 }) => threshold);
  const deep = Array.from(
    { length: found.images },
    (_, image) => exitTaken(images.table, image, thresholds) === last,
  );
  assert.is(found.routes.image, 1);
  assert.is(Math.round(1000 * found.latencyMs.p50.ms) / 1000, 3.5);
  assert.is(Math.round(1000 * found.latencyMs.max) / 1000, 7, 'both segments');
  // Warm-up images come before those that are counted; the share of deep ones is that of the records.
  const share = deep.filter(Boolean).length / deep.length;
  isNear(found.latencyMs.mean.ms, 3.5 * (1 + share), 0.02);
});

Server('adds the link both ways, and the device when it has the first segment', async () => {
  const split = planOf(bundle, { name: 'split', cut: 1, exits: 'none' });
  const arrivals = { kind: 'periodic' as const, imagesPerSecond: 5 };
  const options = { arrivals, link: plainLink(20), steering: () => fixedSteering(split), seconds: 100 };
  const found = await simulateFleet(fleet({ ...options, costs: costs([7], { fixedMs: 2, perRowMs: 1 }) }));
  assert.is(found.routes.features, 1);
  assert.is(Math.round(1000 * found.latencyMs.p50.ms) / 1000, 7 + 40 + 3);
  assert.is(found.degraded.share, 0);
});

Server(
  'serves a full batch in the time of one where rows cost nothing, so that many devices wait little',
  async () => {
    const arrivals = { kind: 'poisson' as const, imagesPerSecond: 1 };
    const options = { arrivals, devices: 200, costs: costs([1], { fixedMs: 10, perRowMs: 0 }), seconds: 60 };
    const found = await simulateFleet(fleet({ ...options, steering: () => fixedSteering(sent) }));
    assert.ok((found.batchRows ?? 0) > 1.5, `${found.batchRows} rows a batch`);
    // Bulk service: who comes while a batch runs waits for its end at most, then runs; 20 ms for the exit behind the second segment.
    assert.ok(found.latencyMs.p50.ms >= 10 && found.latencyMs.p50.ms <= 20, `${found.latencyMs.p50.ms} ms`);
  },
);

/**
 * Bulk service: Poisson arrivals, one executor, and batches that take `durationMs` whatever their rows. What waits is handed over
 * `leadMs` before the batch that runs ends (cloud/running-batches.ts); if nothing does, whoever comes first goes alone. The state is
 * how long before its start a batch was handed over: 0 after an idle time, `leadMs` in a queue, between them for one that came just
 * before the end. The chain is solved on a grid.
 * @returns mean rows of a batch and mean latency, milliseconds.
 */
function bulkService(imagesPerMs: number, durationMs: number, leadMs: number) {
  const steps = 200;
  const aheadMs = Array.from({ length: steps + 1 }, (_, step) => (step * leadMs) / steps);
  let shares = aheadMs.map(() => 1 / (steps + 1));
  let [rows, latencySum] = [0, 0];
  for (let round = 0; round < 300; round++) {
    const after = aheadMs.map(() => 0);
    const add = (step: number, share: number, images: number, meanMs: number) => {
      after[step] = (after[step] ?? 0) + share;
      rows += share * images;
      latencySum += share * images * meanMs;
    };
    [rows, latencySum] = [0, 0];
    for (const [step, share] of shares.entries()) {
      const windowMs = (aheadMs[step] ?? 0) + durationMs - leadMs;
      const nobody = Math.exp(-imagesPerMs * windowMs);
      const some = 1 - nobody;
      add(steps, share * some, (imagesPerMs * windowMs) / some, windowMs / 2 + leadMs + durationMs);
      add(0, share * nobody * Math.exp(-imagesPerMs * leadMs), 1, durationMs);
      for (let late = 1; late <= steps; late++) {
        const [from, to] = [leadMs - (aheadMs[late] ?? 0), leadMs - (aheadMs[late - 1] ?? 0)];
        const comes = Math.exp(-imagesPerMs * from) - Math.exp(-imagesPerMs * to);
        add(late, share * nobody * comes, 1, durationMs + leadMs - (from + to) / 2);
      }
    }
    shares = after;
  }
  return { rows, meanMs: latencySum / rows };
}

Server('has the batches and the waits of bulk service', async () => {
  const last = planOf(bundle, { name: 'to the last segment', cut: 1, exits: 'none' });
  for (const [durationMs, leadMs, imagesPerSecond] of [
    [10, 2.5, 30],
    [10, 2.5, 300],
    [20, 3, 50],
    [20, 3, 1000],
  ] as const) {
    const found = await simulateFleet(
      fleet({
        costs: costs([0], { fixedMs: durationMs, perRowMs: 0 }),
        arrivals: { kind: 'poisson', imagesPerSecond },
        ...{ seconds: 40_000 / imagesPerSecond, steering: () => fixedSteering(last) },
      }),
    );
    const theory = bulkService(imagesPerSecond / 1000, durationMs, leadMs);
    assert.is(found.routes.features, 1);
    isNear(found.batchRows ?? 0, theory.rows, 0.02);
    isNear(found.latencyMs.mean.ms, theory.meanMs, 0.01);
  }
});

Server('that is too late leaves the answer to the device, marked so', async () => {
  const split = planOf(bundle, { name: 'split', cut: 1, exits: 'none' });
  const arrivals = { kind: 'periodic' as const, imagesPerSecond: 5 };
  const options = {
    arrivals,
    link: plainLink(300),
    budgetMs: 200,
    steering: () => fixedSteering(split),
    seconds: 100,
  };
  const found = await simulateFleet(fleet(options));
  assert.is(found.degraded.share, 1);
  assert.is(found.lateShare, 0);
  assert.ok(found.latencyMs.max <= 200);
  assert.ok((found.degraded.accuracy ?? 0) > 0.9, 'the branch is right as often as it is recorded to be');
});

Server.run();

const Large = suite('a large fleet');

/** What a fleet asks of the clock: actions in all, and the most that wait at the same time. */
async function clockWork(devices: number) {
  let clock: VirtualTime | undefined;
  let mostWaiting = 0;
  const steering = ({ time }: SteeringParts) => {
    clock = time;
    return {
      plan: () => {
        mostWaiting = Math.max(mostWaiting, time.waiting);
        return sent;
      },
    };
  };
  const arrivals = { kind: 'poisson' as const, imagesPerSecond: 0.5 };
  const few = { ...{ seconds: 60, warmUpSeconds: 0 }, arrivals, link: plainLink(20), budgetMs: 500 };
  const { images } = await simulateFleet(fleet({ ...few, devices, steering }));
  return { images, happened: clock?.happened ?? 0, left: clock?.waiting, mostWaiting };
}

Large('does as much for an image as a small one, and keeps as much for a device', async () => {
  const [small, large] = await Promise.all([clockWork(25), clockWork(400)]);
  isNear(large.images, 16 * small.images, 0.15);
  // Fewer where batches are shared.
  assert.ok(large.happened / large.images <= 1.1 * (small.happened / small.images), JSON.stringify(large));
  assert.ok(large.mostWaiting <= 6 * 400, `${large.mostWaiting} actions waited`);
  assert.equal([small.left, large.left], [0, 0]);
});

Large('keeps no more the longer it runs', async () => {
  let mostWaiting = 0;
  const most = async (seconds: number) => {
    mostWaiting = 0;
    const steering = ({ time }: SteeringParts) => ({
      plan: () => {
        mostWaiting = Math.max(mostWaiting, time.waiting);
        return sent;
      },
    });
    const arrivals = { kind: 'periodic' as const, imagesPerSecond: 2 };
    await simulateFleet(fleet({ seconds, arrivals, devices: 30, link: plainLink(20), steering }));
    return mostWaiting;
  };
  assert.ok((await most(200)) <= 1.2 * (await most(40)) + 5);
});

Large.run();

const Seeds = suite('a seed');

Seeds('fixes every figure', async () => {
  const options = { devices: 5, seconds: 30, link: plainLink(10), steering: () => fixedSteering(sent) };
  const [one, same] = await Promise.all([simulateFleet(fleet(options)), simulateFleet(fleet(options))]);
  const other = await simulateFleet(fleet({ ...options, seed: 2 }));
  assert.equal(one, same);
  assert.not.equal(one.latencyMs, other.latencyMs);
});

Seeds('gives every policy the same images at the same moments', async () => {
  const [one, other] = await Promise.all(
    [sent, edgeOnly].map((plan) =>
      simulateFleet(fleet({ seconds: 30, steering: () => fixedSteering(plan) })),
    ),
  );
  assert.is(one?.images, other?.images);
  assert.ok((one?.images ?? 0) > 100);
});

Seeds.run();
