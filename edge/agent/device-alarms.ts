import type { Bundle } from '../../shared/bundle/index.ts';
import type { ExitShareChange, ExitShareFigures } from '../../shared/exits/index.ts';
import { type Alarms, type AuditAlarm, bundleTag, type ExitShareAlarm } from '../../shared/protocol/index.ts';
import type { Drift } from './auditor.ts';

/** Keeps what a device's watches have raised until they take it back, for its servers. */
export class DeviceAlarms {
  readonly #bundleTag: number;
  readonly #listeners: (() => void)[] = [];
  #audits: AuditAlarm | undefined;
  #exitShare: ExitShareAlarm | undefined;

  constructor({ digest }: Pick<Bundle, 'digest'>) {
    this.#bundleTag = bundleTag(digest);
  }

  /** What stands now. */
  get standing(): Alarms {
    return {
      bundleTag: this.#bundleTag,
      ...(this.#audits !== undefined && { audits: this.#audits }),
      ...(this.#exitShare !== undefined && { exitShare: this.#exitShare }),
    };
  }

  /** Has somebody told of every change. */
  listen(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Only a new start takes it back, as it does the thresholds. */
  onDrift({ figures, thresholdScale }: Drift, allowed: number): void {
    const seen = figures.disagreements / Math.max(1, figures.audits);
    this.#audits = { seen, allowed, thresholdScale };
    this.#tell();
  }

  onExitShare(change: ExitShareChange, { recent = 0, calibrated }: ExitShareFigures): void {
    this.#exitShare = change === 'moved' ? { seen: recent, calibrated } : undefined;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
