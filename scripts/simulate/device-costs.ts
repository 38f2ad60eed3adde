import type { Manifest } from '../../shared/bundle/index.ts';
import type { CostProfile } from '../profile/index.ts';
import { sampler } from '../profile/index.ts';

/** Draws of what things take on one device, milliseconds. */
export interface DeviceCosts {
  segmentMs(segment: number): number;
  exitMs(): number;
  encodeMs(cut: number, channels: number | undefined): number;
  prepareMs(): number;
  callMs(): number;
}

/**
 * What devices of one kind take, drawn for each from its own random numbers.
 * @param slowdown how many times as long as on the measured machine a segment usually takes. It then always takes that: a smaller device
 * is slower, not as many times less steady, and `offramp edge --segment-ms` keeps to it as well. The rest, decoding, codec and exit rule, is taken as
 * measured, as that leaves it.
 */
export function deviceCosts(
  manifest: Pick<Manifest, 'segments'>,
  { segmentMs, exitMs, encodeMs, prepareMs, callMs }: CostProfile['device'],
  slowdown: number,
): (random: () => number) => DeviceCosts {
  // Once for all of a fleet's devices, of which there may be very many.
  const ownMs = segmentMs.map((samples) => slowed(samples, slowdown));
  const channelsOf = (cut: number) => manifest.segments[cut - 1]?.codes?.shape[0] ?? 1;
  return (random) => {
    const segments = ownMs.map((samples) => sampler(samples, random));
    const encodes = encodeMs.map((samples) => sampler(samples, random));
    return {
      segmentMs: (segment) => segments[segment]?.() ?? 0,
      exitMs: sampler(exitMs, random),
      encodeMs: (cut, channels) => {
        const all = channelsOf(cut);
        return ((channels ?? all) / all) * (encodes[cut - 1]?.() ?? 0);
      },
      prepareMs: sampler(prepareMs, random),
      callMs: sampler(callMs, random),
    };
  };
}

function slowed(ascending: readonly number[], slowdown: number): number[] {
  if (slowdown === 1) return [...ascending];
  const usualMs = slowdown * (ascending[ascending.length >> 1] ?? 0);
  return ascending.map((ms) => Math.max(ms, usualMs));
}
