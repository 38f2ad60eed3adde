import { type Distribution, meanOf, mixture, sum } from './distribution.ts';

/** One of several that a duration may be. */
export interface Alternative {
  /** How likely it is; those of all alternatives add up to 1. */
  readonly share: number;
  readonly duration: Duration;
}

/**
 * A duration whose mean and bound are known at once. Its distribution is worked out when somebody asks: most plans are judged by
 * their means, and adding up two distributions costs a hundred times as much as adding up these.
 */
export class Duration {
  readonly meanMs: number;
  /** It never takes longer than this; a point of its distribution may be less. */
  readonly mostMs: number;
  readonly #workOut: () => Distribution;
  #distribution: Distribution | undefined;

  private constructor(meanMs: number, mostMs: number, workOut: () => Distribution) {
    this.meanMs = meanMs;
    this.mostMs = mostMs;
    this.#workOut = workOut;
  }

  static of(distribution: Distribution): Duration {
    return new Duration(meanOf(distribution), distribution.ms.at(-1) ?? 0, () => distribution);
  }

  /** One of `alternatives`, at least one and at most three. */
  static either(alternatives: readonly Alternative[]): Duration {
    let [meanMs, mostMs] = [0, 0];
    for (const { share, duration } of alternatives) {
      meanMs += share * duration.meanMs;
      mostMs = Math.max(mostMs, duration.mostMs);
    }
    return new Duration(meanMs, mostMs, () =>
      mixture(alternatives.map(({ share, duration }) => ({ share, distribution: duration.distribution }))),
    );
  }

  /** At most 30 points where it is made of others, see {@link sum}. */
  get distribution(): Distribution {
    this.#distribution ??= this.#workOut();
    return this.#distribution;
  }

  /** Both, one after the other, where they know nothing of each other. */
  plus(other: Duration): Duration {
    return new Duration(this.meanMs + other.meanMs, this.mostMs + other.mostMs, () =>
      sum(this.distribution, other.distribution),
    );
  }
}
