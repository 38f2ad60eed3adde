import type { CloudCosts, PlanCosts } from './costs.ts';
import { deviceWait, type Service } from './device-queue.ts';
import {
  cappedMeanAfter,
  constant,
  figuresOf,
  fromTiming,
  type LatencyFigures,
  meanOf,
  shareWithin,
  shareWithinAfter,
  type Timing,
} from './distribution.ts';
import { Duration } from './duration.ts';
import type { Plan, PlannedManifest } from './plan.ts';
import type { Replay } from './replay.ts';
import { batchMs, cloudWay, deviceLegs, type Leg, type StageMeans, type Way } from './ways.ts';

/** What is foreseen for the images that one exit answers. */
export interface ExitPrediction {
  readonly exit: number;
  readonly where: 'device' | 'cloud';
  /** Of all images. */
  readonly share: number;
  readonly latency: LatencyFigures;
  /** The mean of that, which is cheaper to ask for. */
  readonly meanMs: number;
  readonly stagesMs: StageMeans;
}

/** What a plan is foreseen to cost and to reach; means are over all images, wherever they are answered. */
export interface Prediction {
  readonly plan: Plan;
  /** Of all answers, however late. */
  readonly latency: LatencyFigures;
  /** The mean of that, which is cheaper to ask for. */
  readonly meanMs: number;
  /** Means that add up to `meanMs`. */
  readonly stagesMs: StageMeans;
  /** Share of images that are not answered by the deadline as planned; 0 without a deadline. */
  readonly lateShare: number;
  /** Mean time to the answer when the device answers what is late itself, at the deadline. */
  readonly answeredMeanMs: number;
  /** Share of right answers when all of the cloud's are waited for. */
  readonly accuracy: number;
  /** The same when the device answers what is late itself; the same figure without a deadline. */
  readonly accuracyInTime: number;
  /** Share of images answered at the device's own exits. */
  readonly deviceShare: number;
  /** Sent per image, framing included. */
  readonly bytes: number;
  /** Computing time of the device per image: decoding, segments, codec; and at cut 0 its own answers to what is late. */
  readonly deviceMs: number;
  /** Executor time of the cloud per image. */
  readonly cloudMs: number;
  /** By exit, those that answer nothing left out. */
  readonly exits: readonly ExitPrediction[];
}

/** Predicts plans under the same costs; what several of them have in common is computed once. */
export class Predictor {
  readonly #manifest: PlannedManifest;
  readonly #costs: PlanCosts;
  readonly #deadlineMs: number;
  readonly #device: readonly Leg[];
  readonly #ways = new Map<string, Way>();
  /** What the device computes for an image that comes as far as each exit. */
  #services: readonly Service[] | undefined;
  /** How likely each leg is to be in time. */
  readonly #inTime = new Map<Leg, number>();

  constructor(manifest: PlannedManifest, costs: PlanCosts, deadlineMs: number | undefined) {
    this.#manifest = manifest;
    this.#costs = costs;
    this.#deadlineMs = deadlineMs ?? Number.POSITIVE_INFINITY;
    this.#device = deviceLegs(costs);
  }

  /** `undefined` where the device cannot run the plan, or has no cloud for it. */
  predict(plan: Plan, replayed: Replay): Prediction | undefined {
    const isEdgeOnly = plan.cut === this.#manifest.segments.length;
    const { cloud } = this.#costs;
    if (plan.cut > this.#device.length || (!isEdgeOnly && cloud === undefined)) return undefined;
    const way = isEdgeOnly || cloud === undefined ? undefined : this.#way(plan, cloud);
    const wait = this.#deviceWait(plan, replayed);
    const parts = this.#parts(plan, replayed, way);
    const total = (of: (part: Part) => number) => parts.reduce((sum, part) => sum + part.share * of(part), 0);
    const stage = (name: keyof StageMeans) => total(({ leg }) => leg.stagesMs[name]);
    const { meanMs: waitMs } = wait;
    const [prepare, device, encode] = [stage('prepare'), stage('device'), stage('encode')];
    const stagesMs = {
      ...{ prepare, device: device + waitMs, encode },
      ...{ network: stage('network'), cloudQueue: stage('cloudQueue'), cloudRun: stage('cloudRun') },
    };
    const sent = total(({ where }) => (where === 'cloud' ? 1 : 0));
    const late = parts.map(({ leg }) => 1 - this.#shareInTime(leg, wait));
    const lateShare = parts.reduce((sum, { share }, at) => sum + share * (late[at] ?? 0), 0);
    const own = plan.cut === 0 ? lateShare * (this.#device[0]?.duration.meanMs ?? 0) : 0;
    return new PlanPrediction(parts, wait, {
      plan,
      meanMs: total(({ leg }) => leg.duration.meanMs) + waitMs,
      stagesMs,
      lateShare,
      answeredMeanMs: total(({ leg }) => this.#answeredMeanMs(leg, wait)),
      ...this.#accuracies(plan, replayed, parts, late),
      deviceShare: 1 - sent,
      bytes: sent * (way?.bytes ?? 0),
      deviceMs: prepare + device + encode + own,
      cloudMs: cloud === undefined || way === undefined ? 0 : this.#cloudMs(plan, replayed, cloud),
    });
  }

  #parts({ cut }: Plan, { images, counts, right, deviceRight }: Replay, way: Way | undefined): Part[] {
    const parts: Part[] = [];
    counts.forEach((count, exit) => {
      const leg = exit < cut ? this.#device[exit] : way?.legs[exit];
      if (count === 0 || leg === undefined) return;
      const where = exit < cut ? 'device' : 'cloud';
      const shares = { right: (right[exit] ?? 0) / images, deviceRight: (deviceRight[exit] ?? 0) / images };
      parts.push({ exit, where, share: count / images, leg, ...shares });
    });
    return parts;
  }

  /** How long an image waits for the device under a plan, by what it computes for all of them. */
  #deviceWait({ cut }: Plan, { images, counts }: Replay): Duration {
    const { arriving, parallel = 1 } = this.#costs.device;
    if (arriving === undefined || cut === 0) return noWait;
    this.#services ??= this.#costs.device.exitMs.map(serviceOf);
    let [meanMs, meanSquareMs] = [0, 0];
    counts.forEach((count, exit) => {
      const service = this.#services?.[Math.min(exit, cut - 1)];
      meanMs += (count / images) * (service?.meanMs ?? 0);
      meanSquareMs += (count / images) * (service?.meanSquareMs ?? 0);
    });
    return Duration.of(deviceWait(arriving, { meanMs, meanSquareMs }, parallel));
  }

  #accuracies(plan: Plan, { doubtSent }: Replay, parts: readonly Part[], late: readonly number[]) {
    const lost = lostAtRate(this.#manifest, plan) * doubtSent;
    const sentRight = parts.reduce((sum, { where, right }) => sum + (where === 'cloud' ? right : 0), 0);
    const kept = sentRight > 0 ? Math.max(0, 1 - lost / sentRight) : 1;
    let [accuracy, accuracyInTime] = [0, 0];
    parts.forEach(({ where, right, deviceRight }, at) => {
      const reached = where === 'cloud' ? right * kept : right;
      // An answer of the device is its answer, in time or not.
      const tooLate = where === 'cloud' ? (late[at] ?? 0) : 0;
      accuracy += reached;
      accuracyInTime += reached * (1 - tooLate) + deviceRight * tooLate;
    });
    return { accuracy, accuracyInTime };
  }

  /**
   * Executor time per image: what each segment adds to its batches, over the rows that still run in it; its fixed part only
   * as likely as any of them does.
   */
  #cloudMs({ cut }: Plan, { images, counts }: Replay, cloud: CloudCosts): number {
    const rows = Math.max(1, cloud.batchRows);
    let reaching = counts.reduce((sum, count, exit) => sum + (exit >= cut ? count : 0), 0);
    const sent = reaching / images;
    let [total, beforeNone, beforeOne] = [0, 0, 0];
    for (let exit = cut; exit < counts.length && reaching > 0; exit++) {
      const share = reaching / (sent * images);
      const none = batchMs(this.#manifest, cloud, cut, exit, 0);
      const one = batchMs(this.#manifest, cloud, cut, exit, 1) - none;
      const fixed = Math.max(0, none - beforeNone) * (1 - (1 - share) ** rows);
      total += sent * (fixed / rows + Math.max(0, one - beforeOne) * share);
      [beforeNone, beforeOne] = [none, one];
      reaching -= counts[exit] ?? 0;
    }
    return total;
  }

  #way({ cut, channels }: Plan, cloud: CloudCosts): Way {
    const key = `${cut}/${channels ?? ''}`;
    const known = this.#ways.get(key);
    if (known !== undefined) return known;
    const way = cloudWay(this.#manifest, this.#costs, cloud, cut, channels);
    this.#ways.set(key, way);
    return way;
  }

  #shareInTime(leg: Leg, wait: Duration): number {
    if (this.#isAlwaysInTime(leg, wait)) return 1;
    if (wait.mostMs > 0) {
      return shareWithinAfter(wait.distribution, leg.duration.distribution, this.#deadlineMs);
    }
    const known = this.#inTime.get(leg);
    if (known !== undefined) return known;
    const share = shareWithin(leg.duration.distribution, this.#deadlineMs);
    this.#inTime.set(leg, share);
    return share;
  }

  #answeredMeanMs(leg: Leg, wait: Duration): number {
    if (this.#isAlwaysInTime(leg, wait)) return wait.meanMs + leg.duration.meanMs;
    return cappedMeanAfter(wait.distribution, leg.duration.distribution, this.#deadlineMs);
  }

  /** Most are, and then nothing has to be known of them but their means. */
  #isAlwaysInTime({ duration }: Leg, wait: Duration): boolean {
    return wait.mostMs + duration.mostMs <= this.#deadlineMs;
  }
}

const noWait = Duration.of(constant(0));

/** A prediction whose percentiles are worked out when somebody asks: of dozens of plans one is followed. */
class PlanPrediction implements Prediction {
  readonly plan: Plan;
  readonly meanMs: number;
  readonly stagesMs: StageMeans;
  readonly lateShare: number;
  readonly answeredMeanMs: number;
  readonly accuracy: number;
  readonly accuracyInTime: number;
  readonly deviceShare: number;
  readonly bytes: number;
  readonly deviceMs: number;
  readonly cloudMs: number;
  readonly #parts: readonly Part[];
  readonly #wait: Duration;
  #latency: LatencyFigures | undefined;
  #exits: readonly ExitPrediction[] | undefined;

  constructor(parts: readonly Part[], wait: Duration, figures: Omit<Prediction, 'latency' | 'exits'>) {
    this.#parts = parts;
    this.#wait = wait;
    this.plan = figures.plan;
    this.meanMs = figures.meanMs;
    this.stagesMs = figures.stagesMs;
    this.lateShare = figures.lateShare;
    this.answeredMeanMs = figures.answeredMeanMs;
    this.accuracy = figures.accuracy;
    this.accuracyInTime = figures.accuracyInTime;
    this.deviceShare = figures.deviceShare;
    this.bytes = figures.bytes;
    this.deviceMs = figures.deviceMs;
    this.cloudMs = figures.cloudMs;
  }

  get latency(): LatencyFigures {
    this.#latency ??= figuresOf(
      this.#parts.map(({ share, leg }) => ({
        share,
        distribution: leg.duration.plus(this.#wait).distribution,
      })),
    );
    return this.#latency;
  }

  get exits(): readonly ExitPrediction[] {
    this.#exits ??= this.#parts.map((part) => new PartPrediction(part, this.#wait));
    return this.#exits;
  }
}

/** As of a plan, percentiles only when somebody asks: every answer asks for the mean. */
class PartPrediction implements ExitPrediction {
  readonly exit: number;
  readonly where: 'device' | 'cloud';
  readonly share: number;
  readonly stagesMs: StageMeans;
  readonly #duration: Duration;
  #latency: LatencyFigures | undefined;

  constructor({ exit, where, share, leg: { duration, stagesMs } }: Part, wait: Duration) {
    this.exit = exit;
    this.where = where;
    this.share = share;
    this.stagesMs = { ...stagesMs, device: stagesMs.device + wait.meanMs };
    this.#duration = duration.plus(wait);
  }

  get meanMs(): number {
    return this.#duration.meanMs;
  }

  get latency(): LatencyFigures {
    this.#latency ??= figuresOf([{ share: 1, distribution: this.#duration.distribution }]);
    return this.#latency;
  }
}

function serviceOf(timing: Timing): Service {
  const { ms, weights } = fromTiming(timing);
  const meanSquareMs = ms.reduce((total, value, at) => total + value ** 2 * (weights[at] ?? 0), 0);
  return { meanMs: meanOf({ ms, weights }), meanSquareMs };
}

interface Part {
  readonly exit: number;
  readonly where: 'device' | 'cloud';
  readonly share: number;
  readonly leg: Leg;
  /** Right answers of this exit, and of the device in its place, of all images. */
  readonly right: number;
  readonly deviceRight: number;
}

/** By how much the accuracy of the last exit falls when every image is sent at the plan's rate; never below 0, which is noise. */
export function lostAtRate({ cuts }: PlannedManifest, { cut, channels }: Plan): number {
  const rates = cuts[cut - 1]?.rates;
  const all = rates?.at(-1)?.measured.accuracy;
  const here = rates?.find((rate) => rate.channels === channels)?.measured.accuracy;
  return all === undefined || here === undefined ? 0 : Math.max(0, all - here);
}
