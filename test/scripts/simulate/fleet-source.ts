import type { Direction, Link } from '../../../scripts/links/index.ts';
import type { CostProfile } from '../../../scripts/profile/index.ts';
import { findBundle } from '../../../scripts/project.ts';
import { type FleetOptions, planOf } from '../../../scripts/simulate/index.ts';
import { replayImages } from '../../../scripts/simulate/replayed-images.ts';
import { fixedSteering } from '../../../scripts/simulate/steering.ts';
import { openBundle } from '../../../shared/bundle/index.ts';
import { bundleFolder } from '../../../shared/host/index.ts';

export const bundle = await openBundle(bundleFolder(findBundle('b-lenet-mnist')));
export const images = await replayImages(bundle, 'test', undefined);

/** Quantiles of an exponential distribution with mean 1, as many as a profile may have. */
export const exponential = Array.from({ length: 1001 }, (_, index) => -Math.log(1 - (index + 0.5) / 1001.5));

/** What everything costs: the device's segments `segmentMs` each, the server's batches `fixedMs + perRowMs * rows`, all else nothing. */
export function costs(
  segmentMs: readonly number[],
  cloud: { readonly fixedMs: number; readonly perRowMs: number } = { fixedMs: 1, perRowMs: 0 },
): CostProfile {
  const segments = bundle.manifest.segments.map(() => ({ ...cloud, spread: [1] }));
  return {
    schemaVersion: 1,
    bundle: bundle.manifest.id,
    digest: bundle.digest,
    device: {
      segmentMs: bundle.manifest.segments.map(() => [...segmentMs]),
      ...{ exitMs: [0], encodeMs: bundle.manifest.cuts.map(() => [0]), prepareMs: [0], callMs: [0] },
    },
    cloud: { segments, decodeMs: [0], aroundMs: [0] },
  };
}

const free: Direction = {
  rate: { kind: 'constant', bitsPerSecond: Number.POSITIVE_INFINITY },
  ...{ delayMs: 0, jitterMs: 0, lossShare: 0, queueBytes: 1e9 },
};

/** A link that takes `delayMs` in each direction, and no time for any number of bytes. */
export function plainLink(delayMs: number): Link {
  return {
    name: 'plain',
    source: 'the test',
    up: { ...free, delayMs },
    down: { ...free, delayMs },
    outages: [],
  };
}

export const edgeOnly = planOf(bundle, { name: 'edge only', cut: 'all', exits: 'none' });

/** One device that runs one segment for every image, unless `change` says otherwise. */
export function fleet(change: Partial<FleetOptions> = {}): FleetOptions {
  return {
    ...{ bundle, images, costs: costs([10]), devices: 1, deviceSlowdown: 1 },
    arrivals: { kind: 'poisson', imagesPerSecond: 30 },
    ...{ seconds: 4000, warmUpSeconds: 20, budgetMs: 100_000, maxInFlight: 100_000 },
    ...{ link: plainLink(0), linkStarts: 'together' as const, seed: 1 },
    cloud: { executors: 1, scheduler: 'offramp', maxBatchRows: 64 },
    steering: () => fixedSteering(edgeOnly),
    ...change,
  };
}
