const window = 64;
/** With fewer nothing is said. */
const leastSamples = 8;

/** How long the last answers took, in a window of fixed size. */
export class RecentLatencies {
  readonly #ms: number[] = [];
  #next = 0;
  #sorted: readonly number[] | undefined;

  add(tookMs: number): void {
    this.#ms[this.#next] = tookMs;
    this.#next = (this.#next + 1) % window;
    this.#sorted = undefined;
  }

  /** The nearest rank; `undefined` while there are too few to say. */
  quantile(share: number): number | undefined {
    if (this.#ms.length < leastSamples) return undefined;
    this.#sorted ??= [...this.#ms].sort((one, other) => one - other);
    return this.#sorted[Math.min(this.#sorted.length - 1, Math.floor(share * this.#sorted.length))];
  }
}
