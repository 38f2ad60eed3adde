import { type DriftFigures, DriftWatch } from '../../shared/exits/index.ts';

export interface AuditOptions {
  /** Share of the images answered on the device that the cloud is asked about as well, 0 to 1. */
  readonly share: number;
  /** Share of them in which the cloud may disagree. */
  readonly allowedDisagreement: number;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly falseAlarmEvery?: number;
  /** Called when the thresholds have become stricter. */
  readonly onDrift?: (drift: Drift) => void;
}

/** What made the thresholds stricter, and what they are multiplied with from now on. */
export interface Drift {
  readonly figures: DriftFigures;
  readonly thresholdScale: number;
}

export interface AuditStatus extends DriftFigures {
  readonly allowedDisagreement: number;
  /** 1 as long as the calibration is believed. */
  readonly thresholdScale: number;
  /** Times that the thresholds have become stricter. */
  readonly drifts: number;
}

/** Audits may not get in the way of what callers wait for. */
const maxInFlight = 4;
const strictness = 0.5;
/** Then nothing leaves on the device any more. */
const mostDrifts = 6;

/**
 * Asks the cloud about some of the answers that the device gives by itself, and trusts its own exits less when the cloud disagrees
 * too often: every threshold is halved, and at last 0. What is stricter keeps what the calibration promised, at the price of the
 * images that travel. Only a new calibration, and so a new start, takes it back.
 */
export class Auditor {
  readonly #options: AuditOptions;
  #watch: DriftWatch;
  #drifts = 0;
  #inFlight = 0;

  /** @throws OfframpError CONFIG_INVALID. */
  constructor(options: AuditOptions) {
    this.#options = options;
    this.#watch = this.#newWatch();
  }

  get thresholdScale(): number {
    return this.#drifts >= mostDrifts ? 0 : strictness ** this.#drifts;
  }

  get status(): AuditStatus {
    const { thresholdScale } = this;
    const { allowedDisagreement } = this.#options;
    return { ...this.#watch.figures, allowedDisagreement, thresholdScale, drifts: this.#drifts };
  }

  /** Whether to ask about the next image; chance alone decides, and whether there is room. */
  picks(): boolean {
    return this.#inFlight < maxInFlight && this.#options.random() < this.#options.share;
  }

  /** Has the cloud asked; one that does not answer tells nothing. */
  async audit(label: number, ask: () => Promise<number>): Promise<void> {
    const drifts = this.#drifts;
    this.#inFlight++;
    try {
      const theirs = await ask();
      // What was answered by thresholds that are gone says nothing of those that hold.
      if (drifts === this.#drifts && this.#watch.observe(theirs !== label)) this.#tighten();
    } catch {
      // Why the cloud does not answer, its endpoint knows.
    } finally {
      this.#inFlight--;
    }
  }

  #tighten(): void {
    const { figures } = this.#watch;
    this.#drifts = Math.min(mostDrifts, this.#drifts + 1);
    this.#watch = this.#newWatch();
    this.#options.onDrift?.({ figures, thresholdScale: this.thresholdScale });
  }

  #newWatch(): DriftWatch {
    const { allowedDisagreement: allowed, falseAlarmEvery } = this.#options;
    return new DriftWatch({ allowed, ...(falseAlarmEvery !== undefined && { falseAlarmEvery }) });
  }
}
