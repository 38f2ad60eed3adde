import type { Bundle } from '../../shared/bundle/index.ts';
import { type ExitShareChange, type ExitShareFigures, ExitShareWatch } from '../../shared/exits/index.ts';

export interface ExitShareMonitorOptions {
  /** See {@link ExitShareWatch}. */
  readonly tolerance?: number;
  readonly falseAlarmEvery?: number;
  readonly onChange?: (change: ExitShareChange, figures: ExitShareFigures) => void;
}

/**
 * Watches how many images would leave by the device's first exit under its calibrated threshold, whatever threshold and cut are
 * followed. It costs nothing but the entropy that is known anyway, needs no cloud, and says nothing of whether answers are right: it
 * warns, and changes nothing.
 */
export class ExitShareMonitor {
  readonly #threshold: number;
  readonly #watch: ExitShareWatch;
  readonly #onChange: ExitShareMonitorOptions['onChange'];

  private constructor(
    threshold: number,
    watch: ExitShareWatch,
    onChange: ExitShareMonitorOptions['onChange'],
  ) {
    this.#threshold = threshold;
    this.#watch = watch;
    this.#onChange = onChange;
  }

  /**
   * Nothing for a bundle whose calibration does not say how many images leave by the first exit, or of which all or none do.
   * @throws OfframpError CONFIG_INVALID for a tolerance that is none.
   */
  static of(bundle: Bundle, options: ExitShareMonitorOptions = {}): ExitShareMonitor | undefined {
    const { threshold } = bundle.exit(0);
    const calibrated = firstExitShare(bundle);
    if (threshold === undefined || calibrated === undefined || calibrated <= 0 || calibrated >= 1) {
      return undefined;
    }
    const { tolerance, falseAlarmEvery, onChange } = options;
    const watch = new ExitShareWatch({
      calibrated,
      ...(tolerance !== undefined && { tolerance }),
      ...(falseAlarmEvery !== undefined && { falseAlarmEvery }),
    });
    return new ExitShareMonitor(threshold, watch, onChange);
  }

  get figures(): ExitShareFigures {
    return this.#watch.figures;
  }

  /** @param entropy of an image at the first exit. */
  observe(entropy: number): void {
    const change = this.#watch.observe(entropy < this.#threshold);
    if (change !== undefined) this.#onChange?.(change, this.#watch.figures);
  }
}

/** Share of the images that left by the first exit at calibration, where the manifest says it. */
export function firstExitShare({ manifest }: Bundle): number | undefined {
  const { cut = 1, measured } = manifest.calibration;
  return measured.exitShares?.[0] ?? (cut === 1 ? measured.deviceShare : undefined);
}
