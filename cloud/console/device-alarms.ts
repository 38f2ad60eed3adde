import type { Alarms } from '../../shared/protocol/index.ts';

/** What one watch of a device has raised about one of its bundles. */
export interface StandingAlarm {
  readonly bundle: string;
  readonly watch: 'audits' | 'exit-share';
  /** Share of the audits in which the cloud disagreed, or of the images that were sure on the device. */
  readonly seen: number;
  /** What of it the calibration allows or had. */
  readonly expected: number;
  /** What the device's thresholds are multiplied with. */
  readonly thresholdScale: number;
}

/** What stands of a device about one of its bundles. */
export function standingAlarms(bundle: string, { audits, exitShare }: Alarms): StandingAlarm[] {
  const standing: StandingAlarm[] = [];
  if (audits !== undefined) {
    const { seen, allowed: expected, thresholdScale } = audits;
    standing.push({ bundle, watch: 'audits', seen, expected, thresholdScale });
  }
  if (exitShare !== undefined) {
    const { seen, calibrated: expected } = exitShare;
    standing.push({ bundle, watch: 'exit-share', seen, expected, thresholdScale: 1 });
  }
  return standing;
}
