import type { Direction, Link } from '../../links/index.ts';
import { type CostProfile, standIns } from '../../profile/index.ts';
import { quantile } from '../../quantiles.ts';
import { type Cell, type FixedPolicy, type PreparedBundle, runCell } from '../../simulate/index.ts';
import { openDirectSite } from './direct-link.ts';
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
const cell: Cell = { bundle: 0, link: 0, devices: 1, policy: 0 };
const keptQuantiles = 101;
/** What {@link measureHere} runs. */
export const directCells = [{ cell }, { cell }] as const;

/**
 * What everything but the device's segments takes on this machine, at this pace of images, where nothing is between device and server:
 * a profile of another machine, or of one that has more to do, knows only what it took there. Two runs as long as those of the scenario.
 */
export async function measureHere(setup: LiveSetup): Promise<CostProfile> {
  const { costs } = setup.prepared;
  const split = await runDirectly(setup, features);
  const whole = await runDirectly(setup, picture);
  const scale = split.busySeconds / split.simulatedBusySeconds;
  const aroundMs = split.samples.map(({ network, cloudQueue }) => Math.max(0, network + cloudQueue));
  const [first] = costs.cloud.segments;
  const firstMs = scale * ((first?.fixedMs ?? 0) + (first?.perRowMs ?? 0));
  const usualAroundMs = quantile(Float64Array.from(aroundMs).sort(), 0.5);
  // Of pictures that left by the first exit it is known what was computed.
  const shallow = whole.samples.filter(({ exitName }) => exitName === setup.prepared.bundle.exit(0).name);
  const decodeMs = shallow.map(({ network, cloudQueue, cloudRun }) =>
    Math.max(0, network + cloudQueue + cloudRun - usualAroundMs - firstMs),
  );
  const of = (stage: (sample: StageSample) => number) => standIns(split.samples.map(stage), keptQuantiles);
  const [, ...otherEncodeMs] = costs.device.encodeMs;
  return {
    ...costs,
    device: {
      segmentMs: costs.device.segmentMs,
      exitMs: of(({ exit }) => exit),
      encodeMs: [of(({ encode }) => encode), ...otherEncodeMs],
      prepareMs: of(({ prepare }) => prepare),
      callMs: standIns(
        [...split.samples, ...whole.samples].map(({ call }) => Math.max(0, call)),
        keptQuantiles,
      ),
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
