import type { Manifest } from '../bundle/index.ts';

/** How the thresholds of a plan relate to those of the manifest. */
export type Strictness = 'calibrated' | 'stricter' | 'other';

/** One way to answer the images of a bundle. */
export interface Plan {
  /** Names the plan among those of its bundle, as `cut1/8ch/0.0902`; for logs and metrics. */
  readonly key: string;
  /** Segments that the device runs: 0 sends the image, all of them are edge-only. */
  readonly cut: number;
  /** Threshold of every exit on the device but the last exit of all, [min(cut, exits - 1)]; the cloud's are the manifest's. */
  readonly thresholds: readonly number[];
  readonly strictness: Strictness;
  /** Channels of the codes that are sent; absent when no codes are. */
  readonly channels?: number;
}

/** What a planner needs of a manifest. */
export type PlannedManifest = Pick<Manifest, 'id' | 'input' | 'segments' | 'exits' | 'cuts'>;

/** Thresholds of all exits but the last under a plan: its own on the device, the manifest's behind the cut. */
export function thresholdsOf({ exits }: PlannedManifest, plan: Pick<Plan, 'thresholds'>): number[] {
  return exits.slice(0, -1).map(({ threshold = 0 }, exit) => plan.thresholds[exit] ?? threshold);
}

export function planKey(cut: number, thresholds: readonly number[], channels?: number): string {
  const parts = [`cut${cut}`];
  if (channels !== undefined) parts.push(`${channels}ch`);
  if (thresholds.length > 0) parts.push(thresholds.map((threshold) => threshold.toPrecision(4)).join('+'));
  return parts.join('/');
}

/** The rates, in channels, that a cut can be sent at; none where no codes cross it. */
export function ratesOf({ segments, cuts }: PlannedManifest, cut: number): number[] {
  const all = segments[cut - 1]?.codes?.shape[0];
  if (all === undefined) return [];
  return cuts[cut - 1]?.rates?.map(({ channels }) => channels) ?? [all];
}
