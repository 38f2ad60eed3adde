/** While the way is too slow one image in so long finds out whether it still is; nobody waits for it. */
const probeEveryMs = 250;
/** What such an image may take. */
export const probeBudgetMs = 5000;

/** When an image goes along a way that is too slow, to find out whether it still is: one at a time. */
export class ProbePace {
  #isUnderway = false;
  #beganAtMs = Number.NEGATIVE_INFINITY;

  isDue(nowMs: number): boolean {
    return !this.#isUnderway && nowMs - this.#beganAtMs >= probeEveryMs;
  }

  begin(nowMs: number): void {
    this.#isUnderway = true;
    this.#beganAtMs = nowMs;
  }

  end(): void {
    this.#isUnderway = false;
  }
}
