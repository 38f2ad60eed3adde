import type { LossKind } from '../../shared/exits/index.ts';
import type { Goal } from './request.ts';

const lossWords: Record<LossKind, string> = {
  disagreement: 'are answered otherwise than the last exit would answer them',
  gap: 'are answered wrongly where the last exit would be right, which bounds the accuracy lost to early exits',
  error: 'are answered wrongly',
};

const scope =
  'It holds for the cascade as a whole and for images drawn independently from where the calibration split was drawn; on average ' +
  'over images, not for a class, a place or a day; not for degraded answers. Calibrate again when the images or the bundle change.';

/** The words that go into the manifest: what the thresholds promise. */
export function guaranteeWords(goal: Goal, thresholdImages: number): string {
  if (goal.by === 'mean') {
    return 'none: the thresholds reach their target as a plain mean over the calibration split; nothing is promised for other images';
  }
  const { loss } = goal;
  const { method, epsilon, delta } = goal.question;
  const most = `at most ${percentage(epsilon)} of images ${lossWords[loss]}`;
  const basis = `${method}, ${thresholdImages} calibration images that the temperatures were not fitted on`;
  const claim =
    method === 'crc'
      ? `on average over draws of the calibration images, ${most} (${basis}); one draw may lie above`
      : `with confidence ${percentage(1 - delta)} over the draw of the calibration images, ${most} (${basis})`;
  return `${claim}. ${scope}`;
}

function percentage(share: number): string {
  return `${Number((share * 100).toPrecision(6))} %`;
}
