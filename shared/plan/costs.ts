import type { ArrivingImages } from './device-queue.ts';
import type { Timing } from './distribution.ts';
import type { LinkView } from './link-estimate.ts';

/** How many bytes something takes. */
export interface Sizes {
  readonly meanBytes: number;
  /** The mean where absent: always the same. */
  readonly p95Bytes?: number;
}

export interface DeviceCosts {
  /** From the pixels to the decision of each exit, [exits], or fewer on a device that does not have all segments. */
  readonly exitMs: readonly Timing[];
  /** From a picture file to pixels; absent where pixels come. Not spent at cut 0, where the file is sent. */
  readonly prepareMs?: Timing;
  /** From codes to a stream of all channels, by cut from 1 on; fewer channels take proportionally less. */
  readonly encodeMs?: readonly Timing[];
  /** Absent: images come one after the other, each when the one before has its answer. */
  readonly arriving?: ArrivingImages;
  /** Images that the device computes at the same time. Default: 1. */
  readonly parallel?: number;
}

/** `perRowMs * rows + fixedMs` for a batch that comes in at `cut` and of which no row goes deeper than `exit`. */
export interface CloudLine {
  readonly cut: number;
  readonly exit: number;
  readonly perRowMs: number;
  readonly fixedMs: number;
}

export interface CloudCosts {
  readonly link: Pick<LinkView, 'predictMs'>;
  /** Wait in the server's queue. */
  readonly queueMs: Timing;
  /** Rows of the batches that an image runs in, at least 1. */
  readonly batchRows: number;
  /** At least one. What is missing follows from the nearest one and the operations of the segments. */
  readonly lines: readonly CloudLine[];
  /** By which factor one batch in twenty takes longer than its line says. Default: 1. */
  readonly p95Factor?: number;
  /** From a picture file to pixels on the server; absent where pixels are sent. */
  readonly decodeMs?: Timing;
}

/** Streams as they were measured on the way; instead of what the manifest says. */
export interface StreamSizes extends Sizes {
  readonly cut: number;
  readonly channels: number;
}

/** What things cost now. */
export interface PlanCosts {
  readonly device: DeviceCosts;
  /** Absent: there is no cloud, and edge-only is the only plan. */
  readonly cloud?: CloudCosts;
  /** Of an image as it is sent at cut 0; absent: raw pixels. */
  readonly image?: Sizes;
  readonly streams?: readonly StreamSizes[];
  /** Frame and WebSocket framing of one request. Default: 32. */
  readonly frameBytes?: number;
}

/**
 * Whether two states of the costs differ by more than `share` (0.1 for a tenth) in any figure that a plan depends on. A
 * planner need not be asked again before they do.
 */
export function costsDiffer(before: PlanCosts, after: PlanCosts, share: number): boolean {
  const [one, other] = [figuresOf(before), figuresOf(after)];
  if (one.length !== other.length) return true;
  return one.some((figure, at) => {
    const next = other[at] ?? 0;
    return Math.abs(next - figure) > share * Math.max(Math.abs(figure), Math.abs(next), leastFigure);
  });
}

/** Milliseconds and bytes below which no figure matters. */
const leastFigure = 0.01;
/** Messages by which two links are compared. */
const comparedBytes = [100, 1000, 10_000];

function figuresOf({ device, cloud, image, streams = [], frameBytes = 0 }: PlanCosts): number[] {
  const timing = ({ medianMs, p95Ms = medianMs }: Timing) => [medianMs, p95Ms];
  const sizes = ({ meanBytes, p95Bytes = meanBytes }: Sizes) => [meanBytes, p95Bytes];
  const optional = [device.prepareMs, cloud?.decodeMs].flatMap((one) => (one ? timing(one) : [-1]));
  const own = [...device.exitMs, ...(device.encodeMs ?? [])].flatMap(timing);
  const { imagesPerSecond = 0, gapVariation = 0 } = device.arriving ?? {};
  // Counted in full steps: a plan hardly depends on how even the gaps are.
  const load = [imagesPerSecond, Math.round(4 * gapVariation), device.parallel ?? 1];
  const sent = [...(image ? sizes(image) : [-1]), ...streams.flatMap(sizes), frameBytes];
  if (cloud === undefined) return [...optional, ...own, ...load, ...sent];
  const link = comparedBytes.flatMap((bytes) => {
    const { ms } = cloud.link.predictMs(bytes);
    return [ms[ms.length >> 1] ?? 0, ms.at(-4) ?? 0];
  });
  const lines = cloud.lines.flatMap(({ perRowMs, fixedMs }) => [perRowMs, fixedMs]);
  return [
    ...optional,
    ...own,
    ...load,
    ...sent,
    ...link,
    ...lines,
    ...timing(cloud.queueMs),
    cloud.batchRows,
  ];
}
