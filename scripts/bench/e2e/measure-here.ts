import { OfframpError } from '../../../shared/errors.ts';
import type { Direction, Link } from '../../links/index.ts';
import { type CostProfile, standIns } from '../../profile/index.ts';
import { quantile } from '../../quantiles.ts';
import { type Cell, type FixedPolicy, type PreparedBundle, runCell } from '../../simulate/index.ts';
import { openDirectSite } from './direct-link.ts';
import { inTurns } from './in-turns.ts';
import { type LiveSetup, runLiveCell } from './live-cell.ts';
import type { StageSample } from './stage-samples.ts';

const free: Direction = {
  rate: { kind: 'constant', bitsPerSecond: Number.POSITIVE_INFINITY },
  ...{ delayMs: 0, jitterMs: 0, lossShare: 0, queueBytes: Number.MAX_SAFE_INTEGER },
};
/** That there is none. */
const noLink: Link = {
  name: 'direct',
  source: 'device and server on one machine',
  up: free,
  down: free,
  outages: [],
};

const picture: FixedPolicy = { name: 'the picture', cut: 0 };
const features: FixedPolicy = { name: 'features', cut: 1, exits: 'none' };
const alone: FixedPolicy = { name: 'alone', cut: 'all' };
const policies = [features, picture, alone];
const cell: Cell = { bundle: 0, link: 0, devices: 1, policy: 0 };
const keptQuantiles = 101;
/** What {@link measureHere} runs. */
export const directCells = policies.map(() => ({ cell }));

/**
 * What everything takes on this machine, at this pace of images and with as many cells at once, where nothing is between device and server: a
 * profile of another machine, or of one that has more to do, knows only what it took there. Three runs as long as those of the scenario.
 * The device's segments keep the times of the profile, to which the agent under test holds them, and get what it takes to do that here.
 */
export async function measureHere(setup: LiveSetup, jobs: number): Promise<CostProfile> {
  const { costs, bundle, scenario } = setup.prepared;
  const [split, whole, own] = await inTurns(policies, jobs, (policy) => runDirectly(setup, policy));
  if (split === undefined || whole === undefined || own === undefined)
    throw new OfframpError('INTERNAL', 'No run');
  const scale = split.busySeconds / split.simulatedBusySeconds;
  const aroundMs = split.samples.map(({ network, cloudQueue }) => Math.max(0, network + cloudQueue));
  const [first] = costs.cloud.segments;
  const firstMs = scale * ((first?.fixedMs ?? 0) + (first?.perRowMs ?? 0));
  const usualAroundMs = median(aroundMs);
  // Of pictures that left by the first exit it is known what was computed.
  const shallow = whole.samples.filter(({ exitName }) => exitName === bundle.exit(0).name);
  const decodeMs = shallow.map(({ network, cloudQueue, cloudRun }) =>
    Math.max(0, network + cloudQueue + cloudRun - usualAroundMs - firstMs),
  );
  const of = (
    stage: (sample: StageSample) => number,
    ...runs: readonly { samples: readonly StageSample[] }[]
  ) =>
    standIns(
      runs.flatMap(({ samples }) => samples.map(stage)),
      keptQuantiles,
    );
  const [, ...otherEncodeMs] = costs.device.encodeMs;
  return {
    ...costs,
    device: {
      segmentMs: heldSegmentMs(costs, scenario.deviceSlowdown ?? 1, bundle, own.samples),
      exitMs: of(({ exit }) => exit, split, own),
      encodeMs: [of(({ encode }) => encode, split), ...otherEncodeMs],
      prepareMs: of(({ prepare }) => prepare, split, own),
      callMs: of(({ call }) => Math.max(0, call), split, whole, own),
    },
    cloud: {
      segments: costs.cloud.segments.map(({ fixedMs, perRowMs, spread }) => ({
        ...{ fixedMs: scale * fixedMs, perRowMs: scale * perRowMs, spread },
      })),
      decodeMs: standIns(decodeMs, keptQuantiles),
      aroundMs: standIns(aroundMs, keptQuantiles),
    },
  };
}

/**
 * Times of segments as the profile has them, each longer by what it was longer here. That is told by the median of the images that left
 * behind it, fewer than half of which wait for others.
 */
function heldSegmentMs(
  { device }: CostProfile,
  slowdown: number,
  bundle: PreparedBundle['bundle'],
  samples: readonly StageSample[],
): number[][] {
  let beforeMs = 0;
  return device.segmentMs.map((own, segment) => {
    const { name } = bundle.exit(segment);
    const here = samples.filter(({ exitName }) => exitName === name).map((sample) => sample.device);
    const usualMs = slowdown * (own[own.length >> 1] ?? 0);
    if (here.length === 0) return [...own];
    const times = Math.max(1, (median(here) - beforeMs) / usualMs);
    beforeMs += times * usualMs;
    return own.map((ms) => times * ms);
  });
}

function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

async function runDirectly(setup: LiveSetup, policy: FixedPolicy) {
  const { prepared } = setup;
  const scenario = { ...prepared.scenario, policies: [policy], devices: [1] };
  const direct: PreparedBundle = { ...prepared, scenario, links: [{ name: 'direct', link: noLink }] };
  const live = await runLiveCell({ ...setup, prepared: direct, openSite: openDirectSite }, cell, policy);
  const simulated = await runCell({ scenario, links: direct.links, bundles: [direct] }, cell);
  return {
    samples: live.stages.samples,
    busySeconds: live.result.cloudSecondsPer1000Images ?? 0,
    simulatedBusySeconds: simulated.cloudSecondsPer1000Images ?? 0,
  };
}
