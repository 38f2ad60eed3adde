import { OfframpError } from '../errors.ts';
import { type ShareRange, shareSequence } from './confidence-sequence.ts';
import { EDetector } from './e-detector.ts';

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
 * Watches whether a share of disagreement has grown beyond what is allowed, audit by audit, whenever that happens ({@link EDetector}): as
 * long as the share is at most the allowed one, the mean number of audits until an alarm is at least `falseAlarmEvery`. Pure.
 */
export class DriftWatch {
  readonly #falseAlarmEvery: number;
  readonly #detector: EDetector;
  #audits = 0;
  #disagreements = 0;

  /** @throws OfframpError CONFIG_INVALID for a share that is none. */
  constructor({ allowed, falseAlarmEvery = defaultFalseAlarmEvery }: DriftWatchOptions) {
    if (!(allowed > 0 && allowed < mostSuspected)) {
      const message = `allowed disagreement: got ${allowed}, expected above 0 and below ${mostSuspected}`;
      throw new OfframpError('CONFIG_INVALID', message);
    }
    this.#falseAlarmEvery = falseAlarmEvery;
    this.#detector = new EDetector(
      allowed,
      suspicions.map((times) => Math.min(mostSuspected, times * allowed)),
    );
  }

  get figures(): DriftFigures {
    return {
      audits: this.#audits,
      disagreements: this.#disagreements,
      range: shareSequence(this.#disagreements, this.#audits, rangeAlpha),
      evidence: this.#detector.evidence,
    };
  }

  /** Takes an audit; whether there is cause for alarm. */
  observe(disagrees: boolean): boolean {
    this.#audits++;
    if (disagrees) this.#disagreements++;
    this.#detector.observe(disagrees);
    return this.#detector.evidence >= this.#falseAlarmEvery;
  }
}
