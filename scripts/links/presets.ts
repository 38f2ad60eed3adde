import type { Direction, Link, Outage } from './link.ts';
import { usualQueueBytes } from './rates.ts';

/** A link in the figures that links are usually described by. */
export interface LinkFigures {
  /** Of both directions together, without what waits. */
  readonly rttMs: number;
  /** Standard deviation of it. */
  readonly jitterMs: number;
  readonly downMbitPerSecond: number;
  readonly upMbitPerSecond: number;
  /** Share of packets, in each direction. */
  readonly lossShare: number;
}

/** Figures with a name, and where they are from. */
export interface Preset extends LinkFigures {
  readonly name: string;
  readonly source: string;
  readonly outages: readonly Outage[];
}

const lte = {
  ...{ rttMs: 70, jitterMs: 10, downMbitPerSecond: 12, upMbitPerSecond: 6, lossShare: 0.002 },
  outages: [],
} as const;
const lteSource =
  'round trip and downlink: WebPageTest, LTE; uplink: mean of the Verizon LTE recording of the Mahimahi traces (5.95 Mbit/s); ' +
  'jitter and loss: Loadero, 4G';

/** In the order of their quality, from best to worst. */
export const presets: readonly Preset[] = [
  {
    name: 'ideal-lan',
    ...{ rttMs: 1, jitterMs: 0, downMbitPerSecond: 1000, upMbitPerSecond: 1000, lossShare: 0, outages: [] },
    source: 'assumed: gigabit Ethernet with a switch or two, nobody else on it',
  },
  {
    name: 'wifi-good',
    ...{ rttMs: 5, jitterMs: 2, downMbitPerSecond: 50, upMbitPerSecond: 20, lossShare: 0.001, outages: [] },
    source:
      'assumed: the uplink of 20 Mbit/s is near the 18.88 that papers on split inference give for Wi-Fi',
  },
  {
    name: 'wifi-busy',
    ...{ rttMs: 20, jitterMs: 15, downMbitPerSecond: 20, upMbitPerSecond: 8, lossShare: 0.01, outages: [] },
    source: 'assumed: the former with a full house',
  },
  {
    name: '5g',
    ...{ rttMs: 70, jitterMs: 5, downMbitPerSecond: 100, upMbitPerSecond: 10, lossShare: 0.002, outages: [] },
    source:
      'round trip: median 72 ms of 2,264 pings on 5G in the dataset of Raca et al., MMSys 2020; downlink and loss: Loadero, 4G; ' +
      'jitter and uplink: assumed',
  },
  { name: 'lte', ...lte, source: lteSource },
  {
    name: 'outage',
    ...lte,
    outages: [{ atMs: 10_000, lastsMs: 5000, everyMs: 30_000 }],
    source:
      'lte, with 5 s of nothing every 30 s: the Mahimahi recordings have gaps of 4.1 s (AT&T LTE) and 5.8 s (T-Mobile UMTS)',
  },
  {
    name: '3g',
    ...{
      ...{ rttMs: 150, jitterMs: 30, downMbitPerSecond: 1.6, upMbitPerSecond: 0.75, lossShare: 0.005 },
      outages: [],
    },
    source:
      'round trip and rates: WebPageTest, 3G fast, and Lighthouse, slow 4G; loss: Loadero, 3G; jitter: assumed',
  },
  {
    name: '3g-bad',
    ...{
      rttMs: 400,
      jitterMs: 100,
      downMbitPerSecond: 0.4,
      upMbitPerSecond: 0.4,
      lossShare: 0.01,
      outages: [],
    },
    source: 'round trip and rates: WebPageTest, 3G slow; jitter and loss: assumed',
  },
  {
    name: 'satellite',
    ...{ rttMs: 600, jitterMs: 0, downMbitPerSecond: 1, upMbitPerSecond: 0.25, lossShare: 0, outages: [] },
    source: 'Loadero, satellite',
  },
];

/** The link of a preset; `undefined` when there is none of that name. */
export function presetLink(name: string): Link | undefined {
  const preset = presets.find((candidate) => candidate.name === name);
  if (preset === undefined) return undefined;
  const { source, outages, upMbitPerSecond, downMbitPerSecond } = preset;
  const up = directionOf(preset, upMbitPerSecond);
  return { name, source, up, down: directionOf(preset, downMbitPerSecond), outages };
}

/** Half the round trip, and of its jitter what two independent directions make the whole of. */
function directionOf({ rttMs, jitterMs, lossShare }: LinkFigures, mbitPerSecond: number): Direction {
  const rate = { kind: 'constant', bitsPerSecond: mbitPerSecond * 1e6 } as const;
  return {
    ...{ rate, delayMs: rttMs / 2, jitterMs: jitterMs * Math.SQRT1_2, lossShare },
    queueBytes: usualQueueBytes(rate),
  };
}
