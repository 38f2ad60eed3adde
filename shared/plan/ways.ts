import { OfframpError } from '../errors.ts';
import type { CloudCosts, CloudLine, PlanCosts, Sizes } from './costs.ts';
import { constant, fromTiming, type Timing } from './distribution.ts';
import { Duration } from './duration.ts';
import type { PlannedManifest } from './plan.ts';

/** Mean milliseconds of the stages of an answer, as answers themselves give them; they add up. */
export interface StageMeans {
  readonly prepare: number;
  readonly device: number;
  readonly encode: number;
  readonly network: number;
  readonly cloudQueue: number;
  readonly cloudRun: number;
}

/** How an image comes to an answer at one exit. */
export interface Leg {
  readonly duration: Duration;
  readonly stagesMs: StageMeans;
}

/** What is sent at one cut and rate, and how long it takes to each exit behind the cut. */
export interface Way {
  /** Per image sent, framing included. */
  readonly bytes: number;
  /** By exit; those before the cut are absent. */
  readonly legs: readonly (Leg | undefined)[];
}

const defaultFrameBytes = 32;
const normalP95 = 1.645;
const none = Duration.of(constant(0));
const noStages: StageMeans = { prepare: 0, device: 0, encode: 0, network: 0, cloudQueue: 0, cloudRun: 0 };

/** Answers of the device by itself, [exits that it can reach]. */
export function deviceLegs({ device: { exitMs, prepareMs } }: PlanCosts): Leg[] {
  const prepare = timed(prepareMs);
  return exitMs.map((timing) => {
    const device = timed(timing);
    const stagesMs = { ...noStages, prepare: prepare.meanMs, device: device.meanMs };
    return { duration: prepare.plus(device), stagesMs };
  });
}

/** The way of what is sent at a cut, with `channels` of the codes where it is codes. */
export function cloudWay(
  manifest: PlannedManifest,
  costs: PlanCosts,
  cloud: CloudCosts,
  cut: number,
  channels: number | undefined,
): Way {
  const sizes = sizesOf(manifest, costs, cut, channels);
  const frameBytes = costs.frameBytes ?? defaultFrameBytes;
  const prepare = cut === 0 ? none : timed(costs.device.prepareMs);
  const device = timed(costs.device.exitMs[cut - 1]);
  const encode = timed(encodeTiming(manifest, costs, cut, channels));
  const network = networkOf(cloud, sizes, frameBytes);
  const queue = timed(cloud.queueMs);
  const decode = cut === 0 ? timed(cloud.decodeMs) : none;
  const own = prepare.plus(device).plus(encode.plus(decode));
  const before = own.plus(network.plus(queue));
  const stages = {
    prepare: prepare.meanMs,
    device: device.meanMs,
    encode: encode.meanMs,
    network: network.meanMs,
    cloudQueue: queue.meanMs,
  };
  const legs = manifest.exits.map((_, exit) => {
    if (exit < cut) return undefined;
    const run = runOf(manifest, cloud, cut, exit);
    const stagesMs = { ...stages, cloudRun: run.meanMs + decode.meanMs };
    return { duration: before.plus(run), stagesMs };
  });
  return { bytes: sizes.meanBytes + frameBytes, legs };
}

/** Milliseconds of a batch of `rows` that comes in at `cut` and goes to `exit`. */
export function batchMs(
  manifest: PlannedManifest,
  cloud: CloudCosts,
  cut: number,
  exit: number,
  rows: number,
): number {
  const { perRowMs, fixedMs } = lineAt(manifest, cloud, cut, exit);
  return perRowMs * rows + fixedMs;
}

/** The line of a cut and exit: as measured, or in proportion to the operations from the one that is nearest in these. */
export function lineAt(
  manifest: PlannedManifest,
  { lines }: CloudCosts,
  cut: number,
  exit: number,
): CloudLine {
  const known = lines.find((line) => line.cut === cut && line.exit === exit);
  if (known !== undefined) return known;
  const macs = (from: number, to: number) =>
    Math.max(
      1,
      manifest.segments.slice(from, to + 1).reduce((total, segment) => total + segment.macs, 0),
    );
  const wanted = macs(cut, exit);
  const factor = (line: CloudLine) => wanted / macs(line.cut, line.exit);
  const [nearest] = [...lines].sort(
    (one, other) => Math.abs(Math.log(factor(one))) - Math.abs(Math.log(factor(other))),
  );
  if (nearest === undefined) {
    throw new OfframpError('CONFIG_INVALID', 'cloud.lines: got none, expected at least one');
  }
  const times = factor(nearest);
  return { cut, exit, perRowMs: nearest.perRowMs * times, fixedMs: nearest.fixedMs * times };
}

function runOf(manifest: PlannedManifest, cloud: CloudCosts, cut: number, exit: number): Duration {
  const medianMs = batchMs(manifest, cloud, cut, exit, Math.max(1, cloud.batchRows));
  return timed({ medianMs, p95Ms: medianMs * (cloud.p95Factor ?? 1) });
}

/** Round trips of messages whose sizes vary, by three sizes that have the mean and the variance of a normal distribution. */
function networkOf({ link }: CloudCosts, { meanBytes, p95Bytes }: Sizes, frameBytes: number): Duration {
  const middle = meanBytes + frameBytes;
  const apart = (Math.sqrt(3) * Math.max(0, (p95Bytes ?? meanBytes) - meanBytes)) / normalP95;
  const message = (bytes: number) => Duration.of(link.predictMs(bytes));
  if (apart < 1) return message(middle);
  return Duration.either([
    { share: 1 / 6, duration: message(Math.max(frameBytes, middle - apart)) },
    { share: 2 / 3, duration: message(middle) },
    { share: 1 / 6, duration: message(middle + apart) },
  ]);
}

/** Measured on the way, else by the manifest, else the most that codes can take: packed, with their checksum. */
function sizesOf(
  { input, segments, cuts }: PlannedManifest,
  { image, streams }: PlanCosts,
  cut: number,
  channels: number | undefined,
): Sizes {
  const [height, width, colours] = input.shape;
  if (channels === undefined) return image ?? { meanBytes: height * width * colours };
  const seen = streams?.find((one) => one.cut === cut && one.channels === channels);
  if (seen !== undefined) return seen;
  const spec = cuts[cut - 1];
  const measured = spec?.rates?.find((rate) => rate.channels === channels)?.measured;
  if (measured !== undefined) return { meanBytes: measured.bytesMean, p95Bytes: measured.bytesP95 };
  const [, rows = 0, columns = 0] = segments[cut - 1]?.codes?.shape ?? [];
  return { meanBytes: Math.ceil((channels * rows * columns * (spec?.bits ?? 8)) / 8) + 2 };
}

function encodeTiming(
  { segments }: PlannedManifest,
  { device: { encodeMs } }: PlanCosts,
  cut: number,
  channels: number | undefined,
): Timing | undefined {
  const all = segments[cut - 1]?.codes?.shape[0];
  const timing = encodeMs?.[cut - 1];
  if (timing === undefined || all === undefined || channels === undefined) return undefined;
  const share = channels / all;
  const { medianMs, p95Ms = medianMs } = timing;
  return { medianMs: medianMs * share, p95Ms: p95Ms * share };
}

function timed(timing: Timing | undefined): Duration {
  return timing === undefined ? none : Duration.of(fromTiming(timing));
}
