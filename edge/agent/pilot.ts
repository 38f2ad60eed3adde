import type { Clock } from '../../shared/clock.ts';
import {
  type Choice,
  choosePlan,
  costsDiffer,
  judge,
  type LinkView,
  type Objective,
  type PlanCosts,
  PlanKeeper,
  type Planner,
  type Prediction,
} from '../../shared/plan/index.ts';
import type { BundleRun } from '../../shared/protocol/index.ts';
import { ArrivalRate } from './arrival-rate.ts';
import { type AnswerCosts, MeasuredCosts, type MeasuredCostsOptions, type Way } from './measured-costs.ts';

export interface PilotOptions extends MeasuredCostsOptions {
  /** Of the bundle's calibration records; several pilots may share one. */
  readonly planner: Planner;
  /** Without an accuracy floor half a point below what the calibration reached, unless accuracy itself is the aim. */
  readonly objective: Objective;
  /** The way to the best server now; `undefined` while there is none. */
  readonly link: (nowMs: number) => LinkView | undefined;
  /** What the server has told of its batches; what was measured counts more. */
  readonly told?: () => readonly BundleRun[];
  /** Called when another plan is followed. */
  readonly onPlan?: (choice: Choice) => void;
}

/** How often costs are looked at; looking is a few microseconds, planning anew about a millisecond on a quick machine. */
const lookEveryMs = 250;
/** By then an answer has left the process and its reader has had the processor: planning competes with both. */
const reviewAfterMs = 25;
/** A choice of so long ago is not followed without a look. */
const staleMs = 2000;
/** Share of the time that planning may take, where the device is so slow that it would take more. */
const planningShare = 0.02;
const leastChange = 0.1;
/** The costs of going from one plan to another are nothing, so that noise alone is worth waiting for. */
const margin = 0.03;
const holdMs = 500;
const urgentMargin = 0.5;
const tolerated = 0.005;
/** How often an image tries a plan that sends more, and by how much worse that may seem. */
const trialEveryMs = 5000;
const trialLoss = 1.25;
/** So much more has to be sent for a trial to tell something. */
const trialBytes = 1.5;

/** Follows the plan that serves the objective best at what images cost now. Takes the time as an argument. */
export class Pilot {
  readonly #options: PilotOptions;
  readonly #planner: Planner;
  readonly #objective: Objective;
  readonly #keeper: PlanKeeper;
  readonly #measured: MeasuredCosts;
  readonly #arrivals = new ArrivalRate();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #lookEveryMs = lookEveryMs;
  #isReviewComing = false;
  #hadServer: boolean | undefined;
  #costs: PlanCosts | undefined;
  #choice: Choice | undefined;
  #changes = 0;
  /** What an image may try; all predictions would be some 80 KiB for every device of a simulated fleet. */
  #other: Choice | undefined;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  /** Whether another plan is better now, if not for long enough. */
  #isContested = false;

  /** @throws OfframpError CONFIG_INVALID for an objective out of range. */
  constructor(options: PilotOptions) {
    this.#options = options;
    this.#planner = options.planner;
    this.#measured = new MeasuredCosts(options);
    this.#objective = withFloor(options.objective, this.#planner.calibratedAccuracy);
    this.#keeper = new PlanKeeper({ objective: this.#objective, margin, holdMs, urgentMargin });
    // The first time is the slowest by far, and checks the objective.
    this.#planner.choose(this.#measured.costs({}), this.#objective);
  }

  /** Share of right answers that the manifest's thresholds reach on the calibration split. */
  get calibratedAccuracy(): number {
    return this.#planner.calibratedAccuracy;
  }

  /** See {@link Planner.cloudWorth}. */
  cloudWorth(exit: number, entropy: number): number {
    return this.#planner.cloudWorth(exit, entropy);
  }

  /** What is followed, as of the last image; `undefined` before the first. */
  get choice(): Choice | undefined {
    return this.#choice;
  }

  /** Times that the plan has changed. */
  get changes(): number {
    return this.#changes;
  }

  /** The plan to follow for an image that comes now; `undefined` where the device can run none. */
  plan(nowMs: number): Choice | undefined {
    this.#arrivals.add(nowMs);
    const isStale = nowMs - this.#lookedAtMs >= Math.max(staleMs, 2 * this.#lookEveryMs);
    const hasServer = this.#options.link(nowMs) !== undefined;
    if (isStale || hasServer !== this.#hadServer) this.#look(nowMs);
    return this.#trial(nowMs) ?? this.#choice;
  }

  /** To be called when an image has its answer: chooses anew a little later if it is time to, so that no image waits for that. */
  reviewSoon(clock: Clock): void {
    if (this.#isReviewComing || !this.#isDue(clock.now())) return;
    this.#isReviewComing = true;
    clock.schedule(reviewAfterMs, () => {
      this.#isReviewComing = false;
      const beganMs = clock.now();
      this.review(beganMs);
      this.onReviewed(clock.now() - beganMs);
    });
  }

  /** Chooses anew if it is time to. */
  review(nowMs: number): void {
    if (this.#isDue(nowMs)) this.#look(nowMs);
  }

  /** How long a {@link review} took, which does not know it itself: a slow device looks less often. */
  onReviewed(tookMs: number): void {
    this.#lookEveryMs = Math.max(lookEveryMs, tookMs / planningShare);
  }

  #isDue(nowMs: number): boolean {
    return nowMs - this.#lookedAtMs >= this.#lookEveryMs;
  }

  /**
   * Small messages say little of the rate, so that a plan which sends little never learns that sending more would be quick. So now
   * and then one image follows the best plan that sends more, where that may hardly be worse.
   */
  #trial(nowMs: number): Choice | undefined {
    if (this.#choice === undefined || nowMs - this.#triedAtMs < trialEveryMs) return undefined;
    this.#triedAtMs = nowMs;
    return this.#other;
  }

  #worthTrying(predictions: readonly Prediction[], followed: Choice | undefined): Choice | undefined {
    if (followed === undefined) return undefined;
    const tried = predictions
      .filter(({ bytes }) => bytes > trialBytes * followed.prediction.bytes)
      .map((prediction) => ({ prediction, ...judge(prediction, this.#objective) }))
      .filter(({ shortfall, loss }) => shortfall <= followed.shortfall && loss <= trialLoss * followed.loss);
    return tried.sort((one, other) => one.loss - other.loss)[0];
  }

  #look(nowMs: number): void {
    this.#lookedAtMs = nowMs;
    const { link, told, onPlan } = this.#options;
    const objective = this.#objective;
    const { arriving } = this.#arrivals;
    const view = link(nowMs);
    this.#hadServer = view !== undefined;
    const costs = this.#measured.costs({ link: view, runs: told?.(), arriving });
    // While another plan is about to take over, the time has to be looked at as well.
    const isNews = this.#costs === undefined || costsDiffer(this.#costs, costs, leastChange);
    if (isNews) this.#costs = costs;
    const before = this.#choice?.prediction.plan.key;
    if (isNews || this.#isContested) {
      const predictions = this.#planner.predict(this.#costs ?? costs, objective.deadlineMs);
      this.#choice = this.#keeper.keep(predictions, nowMs);
      this.#other = this.#worthTrying(predictions, this.#choice);
      const best = choosePlan(predictions, objective);
      this.#isContested = best?.prediction.plan.key !== this.#choice?.prediction.plan.key;
    }
    if (this.#choice !== undefined && this.#choice.prediction.plan.key !== before) {
      this.#changes++;
      onPlan?.(this.#choice);
    }
  }

  /**
   * Learns from an answer that came by this way.
   * @param imageBytes what the image takes where it is sent as it is, see {@link MeasuredCosts.add}.
   */
  learn(answer: AnswerCosts, way: Way, imageBytes?: number): void {
    this.#measured.add(answer, way, imageBytes);
  }
}

function withFloor(objective: Objective, calibratedAccuracy: number): Objective {
  if (objective.aim === 'accuracy' || objective.accuracyFloor !== undefined) return objective;
  return { ...objective, accuracyFloor: calibratedAccuracy - tolerated };
}
