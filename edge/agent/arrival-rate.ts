import type { ArrivingImages } from '../../shared/plan/index.ts';

/** Weight of the newest gap. */
const weight = 0.05;
/** Before so many gaps nothing is said. */
const leastGaps = 8;

/** How often images come and how evenly, in constant memory. Takes the time as an argument. */
export class ArrivalRate {
  #lastMs: number | undefined;
  #gaps = 0;
  #meanMs = 0;
  #variance = 0;

  /** An image has come. */
  add(nowMs: number): void {
    const gapMs = this.#lastMs === undefined ? undefined : nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (gapMs === undefined) return;
    this.#gaps++;
    // The first ones weigh the same; West's update (1979) with a weight that then stays.
    const share = Math.max(weight, 1 / this.#gaps);
    const apart = gapMs - this.#meanMs;
    this.#meanMs += share * apart;
    this.#variance = (1 - share) * (this.#variance + share * apart * apart);
  }

  /** `undefined` while too few have come. */
  get arriving(): ArrivingImages | undefined {
    if (this.#gaps < leastGaps || !(this.#meanMs > 0)) return undefined;
    return { imagesPerSecond: 1000 / this.#meanMs, gapVariation: this.#variance / this.#meanMs ** 2 };
  }
}
