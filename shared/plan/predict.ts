import type { CloudCosts, PlanCosts } from './costs.ts';
import { cappedMean, figuresOf, type LatencyFigures, shareWithin } from './distribution.ts';
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
  readonly stagesMs: StageMeans;
}

/** What a plan is foreseen to cost and to reach; means are over all images, wherever they are answered. */
export interface Prediction {
  readonly plan: Plan;
  /** Of all answers, however late. */
  readonly latency: LatencyFigures;
  /** Means that add up to `latency.meanMs`. */
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
    const exits = this.#exits(plan, replayed, way);
    const parts = exits.map(({ share, leg }) => ({ share, distribution: leg.distribution }));
    const total = (of: (part: Part) => number) => exits.reduce((sum, part) => sum + part.share * of(part), 0);
    const stage = (name: keyof StageMeans) => total(({ leg }) => leg.stagesMs[name]);
    const stagesMs = {
      ...{ prepare: stage('prepare'), device: stage('device'), encode: stage('encode') },
      ...{ network: stage('network'), cloudQueue: stage('cloudQueue'), cloudRun: stage('cloudRun') },
    };
    const sent = total(({ where }) => (where === 'cloud' ? 1 : 0));
    const lateShare = total(({ leg }) => 1 - this.#shareInTime(leg));
    const own = plan.cut === 0 ? lateShare * (this.#device[0]?.latency.meanMs ?? 0) : 0;
    return {
      plan,
      latency: figuresOf(parts),
      stagesMs,
      lateShare,
      answeredMeanMs: total(({ leg }) => cappedMean(leg.distribution, this.#deadlineMs)),
      ...this.#accuracies(plan, replayed, exits),
      deviceShare: 1 - sent,
      bytes: sent * (way?.bytes ?? 0),
      deviceMs: stagesMs.prepare + stagesMs.device + stagesMs.encode + own,
      cloudMs: cloud === undefined || way === undefined ? 0 : this.#cloudMs(plan, replayed, cloud),
      exits: exits.map(({ leg, right: _right, deviceRight: _deviceRight, ...part }) => ({
        ...part,
        latency: leg.latency,
        stagesMs: leg.stagesMs,
      })),
    };
  }

  #exits({ cut }: Plan, { images, counts, right, deviceRight }: Replay, way: Way | undefined): Part[] {
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

  #accuracies(plan: Plan, { doubtSent }: Replay, exits: readonly Part[]) {
    const lost = lostAtRate(this.#manifest, plan) * doubtSent;
    const sentRight = exits.reduce((sum, { where, right }) => sum + (where === 'cloud' ? right : 0), 0);
    const kept = sentRight > 0 ? Math.max(0, 1 - lost / sentRight) : 1;
    let [accuracy, accuracyInTime] = [0, 0];
    for (const { where, leg, right, deviceRight } of exits) {
      const reached = where === 'cloud' ? right * kept : right;
      // An answer of the device is its answer, in time or not.
      const inTime = where === 'cloud' ? this.#shareInTime(leg) : 1;
      accuracy += reached;
      accuracyInTime += reached * inTime + deviceRight * (1 - inTime);
    }
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

  #shareInTime(leg: Leg): number {
    if (this.#deadlineMs === Number.POSITIVE_INFINITY) return 1;
    const known = this.#inTime.get(leg);
    if (known !== undefined) return known;
    const share = shareWithin(leg.distribution, this.#deadlineMs);
    this.#inTime.set(leg, share);
    return share;
  }
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
