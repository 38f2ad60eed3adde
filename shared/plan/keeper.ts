import { type Choice, choosePlan, judge, type Objective } from './choose.ts';
import type { Prediction } from './predict.ts';

export interface PlanKeeperOptions {
  readonly objective: Objective;
  /** By which share of its loss another plan has to be better, 0.1 for a tenth. */
  readonly margin: number;
  /** For how long it has to be, milliseconds. */
  readonly holdMs: number;
  /** From which share on it need not be for long; never where absent. */
  readonly urgentMargin?: number;
}

/**
 * Keeps a plan until another one is clearly better for a while, so that a device does not go back and forth between two that are
 * about as good. A plan that misses a limit of the objective is beaten by every one that misses it by less; it, too, stays
 * until the time is over, as what is predicted may be noise.
 */
export class PlanKeeper {
  readonly #options: PlanKeeperOptions;
  #key: string | undefined;
  /** Since when the plan has been beaten without a break. */
  #beatenSinceMs: number | undefined;

  constructor(options: PlanKeeperOptions) {
    this.#options = options;
  }

  /**
   * The plan to follow, with its prediction of now; `undefined` where nothing is predicted. The first answer is the best plan, and
   * so is the one after a plan that can no longer be run.
   */
  keep(predictions: readonly Prediction[], nowMs: number): Choice | undefined {
    const { objective, holdMs } = this.#options;
    const best = choosePlan(predictions, objective);
    const kept = predictions.find(({ plan }) => plan.key === this.#key);
    if (best === undefined || kept === undefined) return this.#take(best);
    const current = { prediction: kept, ...judge(kept, objective) };
    const lead = leadOf(best, current);
    if (!(lead > this.#options.margin)) {
      this.#beatenSinceMs = undefined;
      return current;
    }
    this.#beatenSinceMs ??= nowMs;
    const isUrgent = lead > (this.#options.urgentMargin ?? Number.POSITIVE_INFINITY);
    return isUrgent || nowMs - this.#beatenSinceMs >= holdMs ? this.#take(best) : current;
  }

  #take(choice: Choice | undefined): Choice | undefined {
    this.#key = choice?.prediction.plan.key;
    this.#beatenSinceMs = undefined;
    return choice;
  }
}

/** By which share of the loss of `current` `best` is better; where that misses a limit, of what it misses it by. */
function leadOf(best: Choice, current: Choice): number {
  const [from, to] = current.shortfall > 0 ? [current.shortfall, best.shortfall] : [current.loss, best.loss];
  return from > 0 ? (from - to) / from : 0;
}
