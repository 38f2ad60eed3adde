import {
  type Choice,
  choosePlan,
  costsDiffer,
  type LinkView,
  type Objective,
  type PlanCosts,
  PlanKeeper,
  Planner,
  type PlannerOptions,
} from '../../shared/plan/index.ts';
import type { Answer } from './answer.ts';
import { MeasuredCosts, type MeasuredCostsOptions, type Way } from './measured-costs.ts';

export interface PilotOptions extends MeasuredCostsOptions, Pick<PlannerOptions, 'records'> {
  /** Without an accuracy floor half a point below what the calibration reached, unless accuracy itself is the aim. */
  readonly objective: Objective;
  /** The way to the best server now; `undefined` while there is none. */
  readonly link: (nowMs: number) => LinkView | undefined;
  /** Called when another plan is followed. */
  readonly onPlan?: (choice: Choice) => void;
}

/** How often costs are looked at; looking is a few microseconds, planning anew some milliseconds. */
const lookEveryMs = 250;
const leastChange = 0.1;
const margin = 0.1;
const holdMs = 2000;
const urgentMargin = 0.5;
const tolerated = 0.005;

/** Follows the plan that serves the objective best at what images cost now. Takes the time as an argument. */
export class Pilot {
  readonly #options: PilotOptions;
  readonly #planner: Planner;
  readonly #objective: Objective;
  readonly #keeper: PlanKeeper;
  readonly #measured: MeasuredCosts;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #costs: PlanCosts | undefined;
  #choice: Choice | undefined;
  #changes = 0;
  /** Whether another plan is better now, if not for long enough. */
  #isContested = false;

  /** @throws OfframpError CONFIG_INVALID for records or an objective out of range. */
  constructor(options: PilotOptions) {
    const { bundle, records } = options;
    this.#options = options;
    this.#planner = new Planner({ manifest: bundle.manifest, records });
    this.#measured = new MeasuredCosts(options);
    this.#objective = withFloor(options.objective, this.#planner.calibratedAccuracy);
    this.#keeper = new PlanKeeper({ objective: this.#objective, margin, holdMs, urgentMargin });
    // The first time is the slowest by far, and checks the objective.
    this.#planner.choose(this.#measured.costs(undefined), this.#objective);
  }

  /** Share of right answers that the manifest's thresholds reach on the calibration split. */
  get calibratedAccuracy(): number {
    return this.#planner.calibratedAccuracy;
  }

  /** What is followed, as of the last image; `undefined` before the first. */
  get choice(): Choice | undefined {
    return this.#choice;
  }

  /** Times that the plan has changed. */
  get changes(): number {
    return this.#changes;
  }

  /** The plan to follow; `undefined` where the device can run none. */
  plan(nowMs: number): Choice | undefined {
    if (nowMs - this.#lookedAtMs < lookEveryMs) return this.#choice;
    this.#lookedAtMs = nowMs;
    const { link, onPlan } = this.#options;
    const objective = this.#objective;
    const costs = this.#measured.costs(link(nowMs));
    // While another plan is about to take over, the time has to be looked at as well.
    const isNews = this.#costs === undefined || costsDiffer(this.#costs, costs, leastChange);
    if (isNews) this.#costs = costs;
    const before = this.#choice?.prediction.plan.key;
    if (isNews || this.#isContested) {
      const predictions = this.#planner.predict(this.#costs ?? costs, objective.deadlineMs);
      this.#choice = this.#keeper.keep(predictions, nowMs);
      const best = choosePlan(predictions, objective);
      this.#isContested = best?.prediction.plan.key !== this.#choice?.prediction.plan.key;
    }
    if (this.#choice !== undefined && this.#choice.prediction.plan.key !== before) {
      this.#changes++;
      onPlan?.(this.#choice);
    }
    return this.#choice;
  }

  /** Learns from an answer that came by this way. */
  learn(answer: Answer, way: Way): void {
    this.#measured.add(answer, way);
  }
}

function withFloor(objective: Objective, calibratedAccuracy: number): Objective {
  if (objective.aim === 'accuracy' || objective.accuracyFloor !== undefined) return objective;
  return { ...objective, accuracyFloor: calibratedAccuracy - tolerated };
}
