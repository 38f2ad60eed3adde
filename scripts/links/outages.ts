import { OfframpError } from '../../shared/errors.ts';
import type { Outage } from './link.ts';

/** A moment that rounding has put just before the beginning of an outage counts as in it, in periods. */
const roundingPeriods = 1e-6;
/** So many outages that follow on each other without a gap have no end. */
const mostInARow = 100_000;

/** Answers where the outages of a link are. */
export class OutageTimes {
  readonly #outages: readonly Outage[];

  constructor(outages: readonly Outage[]) {
    this.#outages = outages.filter(({ lastsMs }) => lastsMs > 0);
  }

  /**
   * The first moment from `fromMs` on that is in no outage.
   * @throws OfframpError CONFIG_INVALID when there is none.
   */
  endMs(fromMs: number): number {
    let atMs = fromMs;
    for (let moves = 0; moves < mostInARow; moves++) {
      const nextMs = this.#behindOne(atMs);
      if (nextMs === atMs) return atMs;
      atMs = nextMs;
    }
    throw new OfframpError(
      'CONFIG_INVALID',
      `The link's outages leave no gap from ${fromMs} ms on, expected one to end`,
    );
  }

  /** When the next outage begins after a moment that is in none; Infinity when none does. */
  nextMs(afterMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const outage of this.#outages) {
      const beginsMs = afterMs < outage.atMs ? outage.atMs : beginning(outage, afterMs, 1);
      if (beginsMs < nextMs) nextMs = beginsMs;
    }
    return nextMs;
  }

  #behindOne(atMs: number): number {
    for (const outage of this.#outages) {
      if (atMs < outage.atMs) continue;
      const endMs = beginning(outage, atMs, 0) + outage.lastsMs;
      if (atMs < endMs) return endMs;
    }
    return atMs;
  }
}

/** When the last outage before `atMs` began, or the `later`-th after that one. */
function beginning({ atMs: firstMs, everyMs }: Outage, atMs: number, later: 0 | 1): number {
  if (everyMs === undefined) return later === 0 ? firstMs : Number.POSITIVE_INFINITY;
  const periods = Math.floor((atMs - firstMs) / everyMs + roundingPeriods);
  return firstMs + (periods + later) * everyMs;
}
