export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const defaultBackoff: BackoffLimits = { firstMs: 100, maxMs: 5000 };

/**
 * Time to wait before connection attempt `attempt` (0 after the first failure): exponential with full jitter, so that devices
 * that lost the same server do not come back together.
 * @param random a number in [0, 1).
 */
export function backoffMs(attempt: number, limits: BackoffLimits, random: number): number {
  const ceiling = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(attempt, 30));
  return ceiling * (0.1 + 0.9 * random);
}
