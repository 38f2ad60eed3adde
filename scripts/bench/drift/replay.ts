import { Auditor } from '../../../edge/agent/index.ts';
import { ExitShareWatch } from '../../../shared/exits/index.ts';
import type { Opinions } from './record.ts';

/** What a device's agent goes by. */
export interface AuditRule {
  /** Of the device's exit; from the manifest. */
  readonly threshold: number;
  /** Share of the answers that leave on the device that are audited. */
  readonly auditShare: number;
  readonly allowedDisagreement: number;
  /** Share of the images that leave by the device's exit, as calibrated. */
  readonly exitShare: number;
}

/** When the thresholds became stricter, counted from the start of the stream. */
export interface Alarm {
  readonly images: number;
  readonly audits: number;
}

/** What became of one stream of images. */
export interface StreamRun {
  readonly images: number;
  readonly audits: number;
  readonly alarms: readonly Alarm[];
  /** Images after which the share that leaves was found to have moved. */
  readonly exitShareMovedAt: readonly number[];
  /** What thresholds are multiplied with at the end. */
  readonly thresholdScale: number;
}

/** What the device's answers are worth at one scale of its threshold, over all images. */
export interface Level {
  readonly thresholdScale: number;
  /** Share of the images that leave on the device. */
  readonly deviceShare: number;
  /** Share of those that are right; NaN where none leaves. */
  readonly deviceAccuracy: number;
  /** Share of those that the cloud gives another label; NaN where none leaves. */
  readonly disagreement: number;
  /** Share of right answers among all, those of the cloud included. */
  readonly accuracy: number;
}

/**
 * Sends images drawn at random, with replacement, past the agent's own auditor and exit share watch until `images` have come or nothing leaves on the
 * device any more. An audit is told its answer before the next image comes.
 */
export async function replayStream(
  opinions: Opinions,
  { threshold, auditShare, allowedDisagreement, exitShare }: AuditRule,
  images: number,
  random: () => number,
): Promise<StreamRun> {
  const { entropies, deviceLabels, cloudLabels } = opinions;
  const alarms: Alarm[] = [];
  let audits = 0;
  let seen = 0;
  const auditor = new Auditor({
    ...{ share: auditShare, allowedDisagreement, random },
    onDrift: () => alarms.push({ images: seen, audits }),
  });
  const watch = new ExitShareWatch({ calibrated: exitShare });
  const exitShareMovedAt: number[] = [];
  let level = threshold;
  while (seen < images && level > 0) {
    const index = Math.floor(random() * entropies.length);
    seen++;
    const entropy = entropies[index] ?? 1;
    if (watch.observe(entropy < threshold) === 'moved') exitShareMovedAt.push(seen);
    if (!(entropy < level) || !auditor.picks()) continue;
    audits++;
    await auditor.audit(deviceLabels[index] ?? 0, async () => cloudLabels[index] ?? 0);
    level = threshold * auditor.thresholdScale;
  }
  return { images: seen, audits, alarms, exitShareMovedAt, thresholdScale: auditor.thresholdScale };
}

/** What the device's answers are worth when its threshold is multiplied with `thresholdScale`. */
export function levelAt(
  { truths, entropies, deviceLabels, cloudLabels }: Opinions,
  threshold: number,
  thresholdScale: number,
): Level {
  let [leaving, rightThere, disagreeing, right] = [0, 0, 0, 0];
  for (const [index, truth] of truths.entries()) {
    const [own, theirs] = [deviceLabels[index], cloudLabels[index]];
    if (!((entropies[index] ?? 1) < threshold * thresholdScale)) {
      if (theirs === truth) right++;
      continue;
    }
    leaving++;
    if (own !== theirs) disagreeing++;
    if (own !== truth) continue;
    rightThere++;
    right++;
  }
  return {
    thresholdScale,
    deviceShare: leaving / truths.length,
    deviceAccuracy: rightThere / leaving,
    disagreement: disagreeing / leaving,
    accuracy: right / truths.length,
  };
}
