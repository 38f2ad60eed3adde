/** Weight of a sample that is shorter than the estimate. */
const shrinkWeight = 0.1;

/** How long something takes on this device: grows with a longer sample at once, shrinks slowly, to be on the safe side. */
export class DurationEstimate {
  #ms: number | undefined;

  /** Milliseconds; `undefined` before the first sample. */
  get ms(): number | undefined {
    return this.#ms;
  }

  add(sampleMs: number): void {
    if (this.#ms === undefined || sampleMs > this.#ms) this.#ms = sampleMs;
    else this.#ms += shrinkWeight * (sampleMs - this.#ms);
  }
}

/**
 * How long before the end of a budget the device has to begin with an answer of its own.
 * @param partsMs what such an answer takes, part by part; with one unknown it is taken for half of the budget.
 * @param turns answers of its own that may have to be made one after the other, this one the last. Their time is kept as far
 * as half of the budget goes: a device that cannot keep up should not compute beside a cloud that answers in time.
 */
export function reserveMs(partsMs: readonly (number | undefined)[], turns: number, budgetMs: number): number {
  const half = budgetMs / 2;
  const own = partsMs.reduce<number>((sum, part) => sum + (part ?? half), 0);
  return Math.max(own, Math.min(turns * own, half));
}
