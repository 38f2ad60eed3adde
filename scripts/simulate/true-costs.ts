import type { Bundle } from '../../shared/bundle/index.ts';
import { constant, type LinkView, type PlanCosts, type Timing } from '../../shared/plan/index.ts';
import type { BundleRun } from '../../shared/protocol/index.ts';
import type { CostProfile } from '../profile/index.ts';
import type { SteeringParts } from './fleet.ts';
import type { ReplayedImages } from './replayed-images.ts';
import type { Scenario } from './scenario.ts';

export interface TrueCostsOptions {
  readonly bundle: Bundle;
  readonly images: ReplayedImages;
  readonly costs: CostProfile;
  readonly scenario: Scenario;
  readonly parts: SteeringParts;
}

/** What things cost at a moment, as only the simulation knows: of the link what it will do with a message that is sent now. */
export function trueCosts({
  images,
  costs,
  scenario,
  parts,
  bundle,
}: TrueCostsOptions): (nowMs: number) => PlanCosts {
  const slowdown = scenario.deviceSlowdown ?? 1;
  let medianMs = median(costs.device.exitMs);
  const exitMs = segmentMediansMs(costs, slowdown).map((ms): Timing => {
    medianMs += ms;
    return { medianMs };
  });
  const device = {
    exitMs,
    prepareMs: { medianMs: median(costs.device.prepareMs) },
    encodeMs: costs.device.encodeMs.map((samples) => ({ medianMs: median(samples) })),
    ...arrivingOf(scenario),
  };
  const lines = runsOf(bundle, costs.cloud).map(({ cut, exit, fixedMicros, perRowMicros }) => ({
    ...{ cut, exit, fixedMs: fixedMicros / 1000, perRowMs: perRowMicros / 1000 },
  }));
  const aroundMs = median(costs.cloud.aroundMs);
  const decodeMs = { medianMs: median(costs.cloud.decodeMs) };
  const meanPicture = meanBytes(images);
  return (nowMs) => ({
    device,
    cloud: {
      link: linkNow(parts, images.answerBytes, aroundMs, nowMs),
      queueMs: { medianMs: 0 },
      batchRows: 1,
      lines,
      decodeMs,
    },
    image: { meanBytes: meanPicture },
    frameBytes: 32,
  });
}

function linkNow(
  { up, down }: SteeringParts,
  answerBytes: number,
  aroundMs: number,
  nowMs: number,
): LinkView {
  const ms = (bytes: number) => {
    const there = up.peek(bytes, nowMs);
    return down.peek(answerBytes, there + aroundMs) - nowMs;
  };
  return {
    predictMs: (bytes) => constant(ms(bytes)),
    quantileMs: ms,
    shareWithin: (bytes, limitMs) => (ms(bytes) <= limitMs ? 1 : 0),
  };
}

function arrivingOf({ arrivals }: Scenario) {
  if (arrivals.kind === 'trace') return {};
  const gapVariation =
    arrivals.kind === 'periodic' ? 0 : arrivals.kind === 'bursty' ? 2 * arrivals.burstImages - 1 : 1;
  return { arriving: { imagesPerSecond: arrivals.imagesPerSecond, gapVariation } };
}

function meanBytes({ count, requestBytes }: ReplayedImages): number {
  let total = 0;
  for (let image = 0; image < count; image++) total += requestBytes(0, undefined, image);
  return total / count;
}

/** Median time of each segment on a device. */
export function segmentMediansMs({ device }: CostProfile, slowdown: number): number[] {
  return device.segmentMs.map((samples) => slowdown * median(samples));
}

/** What a server tells of its batches, as `welcome` has it. */
export function runsOf({ manifest }: Bundle, { segments }: CostProfile['cloud']): BundleRun[] {
  const runs: BundleRun[] = [];
  for (let cut = 0; cut < manifest.segments.length; cut++) {
    let [fixedMs, perRowMs] = [0, 0];
    for (let exit = cut; exit < manifest.segments.length; exit++) {
      fixedMs += segments[exit]?.fixedMs ?? 0;
      perRowMs += segments[exit]?.perRowMs ?? 0;
      runs.push({
        cut,
        exit,
        fixedMicros: Math.round(1000 * fixedMs),
        perRowMicros: Math.round(1000 * perRowMs),
      });
    }
  }
  return runs;
}

function median(ascending: readonly number[]): number {
  return ascending[ascending.length >> 1] ?? 0;
}
