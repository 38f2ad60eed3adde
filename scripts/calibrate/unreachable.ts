import { OfframpError } from '../../shared/errors.ts';
import {
  bettingUpperBound,
  type LossCurve,
  lossesAtLevel,
  type MeanTarget,
  type OperatingPoint,
  type RiskQuestion,
} from '../../shared/exits/index.ts';

/** The error for a target on means that no level meets; says the best there was. */
export function unreachableMean(points: readonly OperatingPoint[], target: MeanTarget): OfframpError {
  const best = (figure: (point: OperatingPoint) => number) => Math.max(...points.map(figure));
  if (target.kind === 'mean-cost') {
    const least = Math.ceil(-best(({ meanMacs }) => -meanMacs));
    return unreachable(`mean-cost: got ${target.atMostMacs} MACs, expected ${least} or more, the least`);
  }
  const most = target.kind === 'accuracy' ? best((p) => p.accuracy) : best((p) => p.deviceShare);
  return unreachable(`${target.kind}: got ${target.atLeast}, expected ${most} or less, the best`);
}

function unreachable(words: string): OfframpError {
  return new OfframpError(
    'TARGET_UNREACHABLE',
    `${words} that any threshold reaches on the calibration split`,
  );
}

/**
 * The error for a risk that no level with an early answer keeps; `safe` is the index of the last level that kept it, -1 for none.
 * Says whether images are too few to show it at all, or else what stood in the way.
 */
export function unreachableRisk(curve: LossCurve, safe: number, question: RiskQuestion): OfframpError {
  const { epsilon, method } = question;
  const least = leastEpsilon(curve.images, question);
  if (epsilon < least) {
    return new OfframpError(
      'TARGET_UNREACHABLE',
      `epsilon: got ${epsilon}, expected ${least.toPrecision(3)} or more, the best that ${method} can show from ${curve.images} images without a single loss`,
    );
  }
  const failed = Math.min(safe + 1, curve.levels.length - 1);
  const losses = lossesAtLevel(curve, failed);
  const sum = losses.reduce((total, loss) => total + loss, 0);
  const where = failed === 0 ? 'with the last exit alone' : `at threshold ${curve.levels[failed]}`;
  const bound =
    method === 'ucb-wsr' ? `, upper bound ${bettingUpperBound(losses, question.delta).toPrecision(3)}` : '';
  return new OfframpError(
    'TARGET_UNREACHABLE',
    `risk: got ${sum} losses among ${losses.length} images ${where}${bound}, expected few enough to show at most ${epsilon}; no early answer is that safe`,
  );
}

/** The smallest epsilon that can be shown when no image has a loss. */
function leastEpsilon(images: number, { method, delta }: RiskQuestion): number {
  if (method === 'crc') return 1 / (images + 1);
  if (method === 'ltt') return 1 - delta ** (1 / images);
  return bettingUpperBound(new Uint8Array(images), delta);
}
