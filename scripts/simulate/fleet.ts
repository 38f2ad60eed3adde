import { type SchedulerName, type ServedBundle, serveBundle } from '../../cloud/index.ts';
import { EndpointState } from '../../edge/agent/index.ts';
import type { Bundle } from '../../shared/bundle/index.ts';
import { seededRandom } from '../calibrate/random.ts';
import { type Link, OneWay } from '../links/index.ts';
import type { CostProfile } from '../profile/index.ts';
import { type Arrival, type Arrivals, arrivalTimes } from './arrivals.ts';
import { SimulatedDevice } from './device.ts';
import { type DeviceCosts, deviceCosts } from './device-costs.ts';
import type { ReplayedImages } from './replayed-images.ts';
import type { RunFigures } from './result.ts';
import { SimulatedCloud } from './simulated-cloud.ts';
import type { Steering } from './steering.ts';
import { Tally } from './tally.ts';
import { VirtualTime } from './virtual-time.ts';

/** What of a run's parts a steering may look at. */
export interface SteeringParts {
  readonly time: VirtualTime;
  readonly server: EndpointState;
  readonly up: Way;
  readonly down: Way;
}

/** One direction of a device's link. */
export type Way = Pick<OneWay, 'send' | 'peek'>;

/** Everything that decides how a run goes. */
export interface FleetOptions {
  readonly bundle: Bundle;
  readonly images: ReplayedImages;
  readonly costs: CostProfile;
  readonly devices: number;
  readonly deviceSlowdown: number;
  readonly arrivals: Arrivals;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly budgetMs: number;
  readonly maxInFlight: number;
  readonly link: Link;
  /** Where each device's link begins: all at once, or somewhere along its trace. */
  readonly linkStarts: 'together' | 'apart';
  readonly cloud:
    | { readonly executors: number; readonly scheduler: SchedulerName; readonly maxBatchRows: number }
    | undefined;
  readonly seed: number;
  /** Called once for each device. */
  readonly steering: (parts: SteeringParts) => Steering;
}

export interface FleetResult extends RunFigures {
  readonly cloudSecondsPer1000Images: number;
  readonly batchRows?: number;
}

/** What one device meets, the same in a simulation and of real processes. */
export interface DeviceCourse {
  /** When images come, from 0 on. */
  readonly nextArrival: () => Arrival;
  /** The first of so many images; the others follow in order, and begin again after the last. */
  readonly firstImage: number;
  readonly linkSeed: number;
  /** Where in its time the device's link begins. */
  readonly linkStartMs: number;
}

/** Independent streams of random numbers, so that one policy's draws do not shift those of another's arrivals. */
const streams = { arrivals: 1, device: 2, cloud: 3, link: 4, start: 5, images: 6 };
/** Before this a device's link may begin anywhere, where they begin apart. */
const mostStartMs = 600_000;

/** Runs a fleet to its end: images come until `seconds` are over, and each is answered or refused. The options fix the result for good. */
export async function simulateFleet(options: FleetOptions): Promise<FleetResult> {
  const time = new VirtualTime();
  const untilMs = 1000 * options.seconds;
  const tally = new Tally({ fromMs: 1000 * options.warmUpSeconds, untilMs, budgetMs: options.budgetMs });
  const cloud = startCloud(options, time);
  const { manifest } = options.bundle;
  const parts: RunParts = {
    ...{ time, cloud, tally, untilMs },
    calibrated: manifest.exits.map(({ threshold = 0 }) => threshold),
    costsOf: deviceCosts(manifest, options.costs.device, options.deviceSlowdown),
  };
  for (let index = 0; index < options.devices; index++) addDevice(options, parts, index);
  await time.run();
  const figures = tally.figures();
  const batchRows = cloud?.meanBatchRows ?? 0;
  return {
    ...figures,
    // Of all images, so that the warm-up counts on both sides.
    cloudSecondsPer1000Images: (cloud?.busyMs ?? 0) / Math.max(1, arrivedImages(options, figures)),
    ...(batchRows > 0 && { batchRows }),
  };
}

function arrivedImages({ seconds, warmUpSeconds }: FleetOptions, { images, refused }: RunFigures): number {
  return ((images + refused) * seconds) / (seconds - warmUpSeconds);
}

interface RunParts {
  readonly time: VirtualTime;
  readonly cloud: SimulatedCloud | undefined;
  readonly tally: Tally;
  readonly untilMs: number;
  readonly calibrated: readonly number[];
  readonly costsOf: (random: () => number) => DeviceCosts;
}

function startCloud(
  { bundle, images, costs, cloud, seed }: FleetOptions,
  time: VirtualTime,
): SimulatedCloud | undefined {
  if (cloud === undefined) return undefined;
  const served: ServedBundle = serveBundle(bundle);
  return new SimulatedCloud({
    time,
    served,
    images,
    costs: costs.cloud,
    ...cloud,
    random: streamOf(seed, streams.cloud, 0),
  });
}

function addDevice(options: FleetOptions, parts: RunParts, index: number): void {
  const { time, cloud, tally, untilMs, calibrated, costsOf } = parts;
  const { images, link, seed, budgetMs, maxInFlight } = options;
  const { nextArrival, firstImage, linkSeed, linkStartMs: startMs } = courseOf(options, images.count, index);
  const linkRandom = seededRandom(linkSeed);
  const up = shifted(new OneWay(link.up, link.outages, linkRandom, startMs), startMs);
  const down = shifted(new OneWay(link.down, link.outages, linkRandom, startMs), startMs);
  const server = new EndpointState();
  const { labels } = images.table;
  const device = new SimulatedDevice({
    ...{ name: String(index), time, images, cloud, up, down, server, budgetMs, maxInFlight, calibrated },
    costs: costsOf(streamOf(seed, streams.device, index)),
    steering: options.steering({ time, server, up, down }),
    onOutcome: ({ image, label, plan, arrivedAtMs, latencyMs, route, degraded, reason, bytesSent }) => {
      const isRight = label === labels[image];
      tally.add({ arrivedAtMs, latencyMs, route, isRight, degraded, reason, bytesSent, plan: plan.key });
    },
    onRefused: (arrivedAtMs) => tally.refuse(arrivedAtMs),
  });
  device.connect(untilMs);
  let image = firstImage;
  const follow = () => {
    const arrival = nextArrival();
    if (arrival.atMs >= untilMs) return;
    time.at(arrival.atMs, () => {
      for (let one = 0; one < arrival.images; one++) {
        device.arrive(image);
        image = (image + 1) % images.count;
      }
      follow();
    });
  };
  follow();
}

/** A link on the time of the simulation, which began when the link had been there for a while. */
function shifted(way: OneWay, byMs: number): Way {
  return {
    send: (bytes, nowMs) => way.send(bytes, nowMs + byMs) - byMs,
    peek: (bytes, nowMs) => way.peek(bytes, nowMs + byMs) - byMs,
  };
}

/** @param images how many there are. */
export function courseOf(
  { arrivals, seed, linkStarts }: Pick<FleetOptions, 'arrivals' | 'linkStarts' | 'seed'>,
  images: number,
  device: number,
): DeviceCourse {
  const random = (stream: number) => streamOf(seed, stream, device);
  return {
    nextArrival: arrivalTimes(arrivals, random(streams.arrivals)),
    firstImage: device === 0 ? 0 : Math.floor(random(streams.images)() * images),
    linkSeed: seedOf(seed, streams.link, device),
    linkStartMs: linkStarts === 'together' ? 0 : random(streams.start)() * mostStartMs,
  };
}

function streamOf(seed: number, stream: number, device: number): () => number {
  return seededRandom(seedOf(seed, stream, device));
}

function seedOf(seed: number, stream: number, device: number): number {
  return (seed ^ Math.imul(stream, 0x9e3779b1) ^ Math.imul(device + 1, 0x85ebca6b)) >>> 0;
}
