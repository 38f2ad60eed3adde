import { OfframpError } from '../errors.ts';
import { EDetector } from './e-detector.ts';

export interface ExitShareOptions {
  /** Share of the images that left by the exit when it was calibrated, above 0 and below 1. */
  readonly calibrated: number;
  /** How many times the odds of leaving may have become, or the odds against it; above 1. */
  readonly tolerance?: number;
  /** Mean number of images between two false alarms, at the least. */
  readonly falseAlarmEvery?: number;
}

export interface ExitShareFigures {
  readonly images: number;
  readonly calibrated: number;
  /** Where the share may be without an alarm. */
  readonly tolerated: { readonly low: number; readonly high: number };
  /** Share among the last images, each older one counting a little less; absent before the first. */
  readonly recent?: number;
  /** Since the last alarm, until the share is back. */
  readonly moved: boolean;
  readonly alarms: number;
}

/** That the share is not the calibrated one any more, or that it is again. */
export type ExitShareChange = 'moved' | 'back';

const defaultTolerance = 2;
const defaultFalseAlarmEvery = 100_000;
/** How many times the tolerated odds may have become, of which each is watched for. */
const suspectedOdds = [1.5, 3, 9];
/** Images that `recent` remembers. */
const memory = 256;

/**
 * Watches the share of images that leave by an exit, image by image: when pictures change, more of them or fewer are sure, long before
 * anybody knows whether they are right. An alarm is two e-detectors' evidence ({@link EDetector}), of too many that leave and of too many
 * that do not; as long as the share is tolerated the mean number of images until one is at least `falseAlarmEvery`. The share is back
 * when that of the last images is tolerated. Pure.
 */
export class ExitShareWatch {
  readonly #calibrated: number;
  readonly #tolerated: { readonly low: number; readonly high: number };
  readonly #alarmAt: number;
  #more: EDetector;
  #fewer: EDetector;
  #images = 0;
  #sinceChange = 0;
  #recent = 0;
  #moved = false;
  #alarms = 0;

  /** @throws OfframpError CONFIG_INVALID. */
  constructor(options: ExitShareOptions) {
    const { calibrated, tolerance = defaultTolerance, falseAlarmEvery = defaultFalseAlarmEvery } = options;
    if (!(calibrated > 0 && calibrated < 1)) {
      const message = `calibrated exit share: got ${calibrated}, expected above 0 and below 1`;
      throw new OfframpError('CONFIG_INVALID', message);
    }
    if (!(tolerance > 1 && tolerance <= 1000)) {
      throw new OfframpError(
        'CONFIG_INVALID',
        `exit share tolerance: got ${tolerance}, expected above 1, at most 1000`,
      );
    }
    this.#calibrated = calibrated;
    this.#tolerated = { low: 1 - grown(1 - calibrated, tolerance), high: grown(calibrated, tolerance) };
    // Either of the two may cry wolf, so each may half as often.
    this.#alarmAt = 2 * falseAlarmEvery;
    this.#more = detectorOf(this.#tolerated.high);
    this.#fewer = detectorOf(1 - this.#tolerated.low);
  }

  get figures(): ExitShareFigures {
    return {
      images: this.#images,
      calibrated: this.#calibrated,
      tolerated: this.#tolerated,
      ...(this.#images > 0 && { recent: this.#recent }),
      moved: this.#moved,
      alarms: this.#alarms,
    };
  }

  /** Takes an image; what it changes. */
  observe(leaves: boolean): ExitShareChange | undefined {
    this.#images++;
    this.#sinceChange++;
    this.#recent += (Number(leaves) - this.#recent) / Math.min(this.#images, memory);
    return this.#moved ? this.#observeMoved() : this.#observeUsual(leaves);
  }

  #observeUsual(leaves: boolean): ExitShareChange | undefined {
    this.#more.observe(leaves);
    this.#fewer.observe(!leaves);
    if (Math.max(this.#more.evidence, this.#fewer.evidence) < this.#alarmAt) return undefined;
    this.#alarms++;
    this.#change();
    return 'moved';
  }

  #observeMoved(): ExitShareChange | undefined {
    const { low, high } = this.#tolerated;
    if (this.#sinceChange < memory || this.#recent < low || this.#recent > high) return undefined;
    this.#more = detectorOf(high);
    this.#fewer = detectorOf(1 - low);
    this.#change();
    return 'back';
  }

  #change(): void {
    this.#moved = !this.#moved;
    this.#sinceChange = 0;
  }
}

function detectorOf(allowed: number): EDetector {
  return new EDetector(
    allowed,
    suspectedOdds.map((times) => grown(allowed, times)),
  );
}

/** A share whose odds are so many times as high. */
function grown(share: number, times: number): number {
  return (share * times) / (share * times + 1 - share);
}
