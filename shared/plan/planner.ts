import { OfframpError } from '../errors.ts';
import { type ExitRecords, tabulateExits } from '../exits/index.ts';
import { type Candidates, listPlans } from './candidates.ts';
import { type Choice, checkObjective, choosePlan, type Objective } from './choose.ts';
import { type CloudWorth, cloudWorth } from './cloud-worth.ts';
import type { PlanCosts } from './costs.ts';
import { type Plan, type PlannedManifest, thresholdsOf } from './plan.ts';
import { type Prediction, Predictor } from './predict.ts';
import { type Replay, replay } from './replay.ts';

export interface PlannerOptions {
  readonly manifest: PlannedManifest;
  /** What every exit said of held-out images; those of the calibration split, as the test split must stay unseen. */
  readonly records: ExitRecords;
  /** Default: `stricter`. */
  readonly candidates?: Candidates;
  /** How many other thresholds there are per cut and direction, the strictest of which lets nothing leave. Default: 8. */
  readonly steps?: number;
}

const defaultSteps = 8;

/**
 * Predicts for every plan of a bundle what it costs and reaches, and chooses.
 *
 * Records are replayed image by image, once, when the planner is made: which image leaves where, and whether it is right there,
 * depends on cut and thresholds alone. What depends on link and load is put on these counts whenever it is asked, so that
 * accuracy is that of the very images an exit answers (PORTEND, ICPADS 2023, multiplies marginal averages) and latency is a
 * distribution.
 */
export class Planner {
  /** All plans, whether or not a device can run them. */
  readonly plans: readonly Plan[];
  /** Share of right answers under the manifest's thresholds, all channels sent, every answer waited for. */
  readonly calibratedAccuracy: number;
  readonly #manifest: PlannedManifest;
  readonly #replays = new Map<Plan, Replay>();
  readonly #worths: readonly CloudWorth[];

  /** @throws OfframpError CONFIG_INVALID for no records or steps that are no whole number above 0. */
  constructor({ manifest, records, candidates = 'stricter', steps = defaultSteps }: PlannerOptions) {
    if (records.images < 1)
      throw new OfframpError('CONFIG_INVALID', 'records: got none, expected at least 1');
    if (!Number.isInteger(steps) || steps < 1) {
      throw new OfframpError('CONFIG_INVALID', `steps: got ${steps}, expected a whole number above 0`);
    }
    this.#manifest = manifest;
    const table = tabulateExits(
      records,
      manifest.exits.map(({ temperature }) => temperature),
    );
    this.#worths = manifest.exits.map((_, exit) => cloudWorth(table, exit));
    this.plans = listPlans(manifest, table, candidates, steps);
    const done = new Map<string, Replay>();
    for (const plan of this.plans) {
      const key = `${plan.cut}/${plan.thresholds.join()}`;
      const counted = done.get(key) ?? replay(table, plan.cut, thresholdsOf(manifest, plan));
      done.set(key, counted);
      this.#replays.set(plan, counted);
    }
    const { right } = replay(table, table.exits, thresholdsOf(manifest, { thresholds: [] }));
    this.calibratedAccuracy = right.reduce((sum, count) => sum + count, 0) / table.images;
  }

  /**
   * What every plan that the device can run would cost now, in the order of `plans`.
   * @param deadlineMs when an answer is late; the device then answers itself.
   * @throws OfframpError CONFIG_INVALID for a cloud of which not one duration is known.
   */
  predict(costs: PlanCosts, deadlineMs?: number): Prediction[] {
    const predictor = new Predictor(this.#manifest, costs, deadlineMs);
    return this.plans.flatMap((plan) => {
      const counted = this.#replays.get(plan);
      return (counted && predictor.predict(plan, counted)) ?? [];
    });
  }

  /**
   * What the cloud would add to an answer of the device's, given how unsure the exit is: 1 for the images of which it is least
   * sure, at least 0.1.
   */
  cloudWorth(exit: number, entropy: number): number {
    return this.#worths[exit]?.at(entropy) ?? 1;
  }

  /**
   * The plan that serves `objective` best now; `undefined` where the device can run none.
   * @throws OfframpError CONFIG_INVALID for an objective out of range, or as `predict`.
   */
  choose(costs: PlanCosts, objective: Objective): Choice | undefined {
    checkObjective(objective);
    return choosePlan(this.predict(costs, objective.deadlineMs), objective);
  }
}
