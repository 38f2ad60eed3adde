export interface Rate {
  readonly perSecond: number;
  /** What may be taken at once after a pause. */
  readonly burst: number;
}

/**
 * A token bucket. It fills at a steady rate up to its burst; whoever takes more than there is waits. An amount larger than the
 * burst is let through when the bucket is full and leaves it below zero, so that the rate holds over time and nothing is refused
 * for ever. Keeps no clock: time comes with every call, in milliseconds on any monotonic scale.
 */
export class RateBucket {
  #rate: Rate;
  #level: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#level = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes `amount` and returns 0, or takes nothing and returns the milliseconds until it could. */
  take(amount: number, nowMs: number): number {
    this.#fill(nowMs);
    const missing = Math.min(amount, this.#rate.burst) - this.#level;
    if (missing > 0) return (missing / this.#rate.perSecond) * 1000;
    this.#level -= amount;
    return 0;
  }

  /** Goes on with another rate and what is in it now. */
  retune(rate: Rate, nowMs: number): void {
    this.#fill(nowMs);
    this.#rate = rate;
    this.#level = Math.min(this.#level, rate.burst);
  }

  #fill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#level = Math.min(this.#rate.burst, this.#level + (elapsedMs / 1000) * this.#rate.perSecond);
    this.#atMs = nowMs;
  }
}
