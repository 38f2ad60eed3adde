import { OfframpError } from '../errors.ts';
import { type ShareRange, shareSequence } from './confidence-sequence.ts';

export interface DriftWatchOptions {
  /** Share of disagreement that is allowed, above 0 and below 1. */
  readonly allowed: number;
  /** Mean number of audits between two false alarms, at the least. */
  readonly falseAlarmEvery?: number;
}

export interface DriftFigures {
  readonly audits: number;
  readonly disagreements: number;
  /** Where the share of disagreement lies, at all times at once with 95 % confidence. */
  readonly range: ShareRange;
  /** Evidence that the share is more than allowed now; the alarm is at `falseAlarmEvery`. */
  readonly evidence: number;
}

const defaultFalseAlarmEvery = 10_000;
const rangeAlpha = 0.05;
/** How many times the allowed share may have become, of which each is watched for. */
const suspicions = [1.5, 2, 4, 8, 16];
const mostSuspected = 0.9;

/**
 * Watches whether a share of disagreement has grown beyond what is allowed, audit by audit, whenever that happens. The mean of
 * likelihood ratio CUSUMs is an e-detector (Shin, Ramdas and Rinaldo, 2022): as long as the share is at most the allowed one, the
 * mean number of audits until an alarm is at least `falseAlarmEvery`, whatever the share and its course. Pure.
 */
export class DriftWatch {
  readonly #falseAlarmEvery: number;
  readonly #ratios: readonly { readonly hit: number; readonly miss: number }[];
  readonly #sums: number[];
  #audits = 0;
  #disagreements = 0;

  /** @throws OfframpError CONFIG_INVALID for a share that is none. */
  constructor({ allowed, falseAlarmEvery = defaultFalseAlarmEvery }: DriftWatchOptions) {
    if (!(allowed > 0 && allowed < mostSuspected)) {
      const message = `allowed disagreement: got ${allowed}, expected above 0 and below ${mostSuspected}`;
      throw new OfframpError('CONFIG_INVALID', message);
    }
    this.#falseAlarmEvery = falseAlarmEvery;
    this.#ratios = suspicions.map((times) => {
      const suspected = Math.min(mostSuspected, times * allowed);
      return { hit: suspected / allowed, miss: (1 - suspected) / (1 - allowed) };
    });
    this.#sums = this.#ratios.map(() => 0);
  }

  get figures(): DriftFigures {
    return {
      audits: this.#audits,
      disagreements: this.#disagreements,
      range: shareSequence(this.#disagreements, this.#audits, rangeAlpha),
      evidence: this.#evidence,
    };
  }

  /** Takes an audit; whether there is cause for alarm. */
  observe(disagrees: boolean): boolean {
    this.#audits++;
    if (disagrees) this.#disagreements++;
    for (const [index, { hit, miss }] of this.#ratios.entries()) {
      this.#sums[index] = Math.max(1, this.#sums[index] ?? 0) * (disagrees ? hit : miss);
    }
    return this.#evidence >= this.#falseAlarmEvery;
  }

  get #evidence(): number {
    return this.#sums.reduce((sum, one) => sum + one, 0) / this.#sums.length;
  }
}
