/**
 * Watches whether the share of hits has become more than allowed, trial by trial, whenever that happens. The mean of likelihood ratio
 * CUSUMs, one for each suspected share, is an e-detector (Shin, Ramdas and Rinaldo, 2022): as long as the share is at most the allowed
 * one, whatever its course, the mean number of trials until `evidence` first reaches `c` is at least `c`. Pure.
 */
export class EDetector {
  readonly #ratios: readonly { readonly hit: number; readonly miss: number }[];
  readonly #sums: Float64Array;

  /**
   * @param allowed above 0 and below 1.
   * @param suspected shares above `allowed` and below 1, each of which is watched for.
   */
  constructor(allowed: number, suspected: readonly number[]) {
    this.#ratios = suspected.map((share) => ({ hit: share / allowed, miss: (1 - share) / (1 - allowed) }));
    this.#sums = new Float64Array(suspected.length);
  }

  get evidence(): number {
    return this.#sums.reduce((sum, one) => sum + one, 0) / this.#sums.length;
  }

  observe(isHit: boolean): void {
    for (const [index, { hit, miss }] of this.#ratios.entries()) {
      this.#sums[index] = Math.max(1, this.#sums[index] ?? 0) * (isHit ? hit : miss);
    }
  }
}
