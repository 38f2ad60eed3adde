import type { Bundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { FixedPolicy, Policy } from './scenario.ts';
import type { FollowedPlan } from './steering.ts';

/** The plan of a policy that never changes. @throws OfframpError CONFIG_INVALID for one that the bundle cannot follow. */
export function planOf(
  { manifest }: Bundle,
  { name, cut, exits = 'calibrated', thresholds, channels }: FixedPolicy,
): FollowedPlan {
  const segments = manifest.segments.length;
  const own = cut === 'all' ? segments : cut;
  if (own > segments) {
    throw new OfframpError(
      'CONFIG_INVALID',
      `policy ${name}: cut: got ${own}, expected 0 to ${segments} or "all" with ${manifest.id}`,
    );
  }
  const rates = manifest.cuts[own - 1]?.rates?.map((rate) => rate.channels) ?? [];
  const all = manifest.segments[own - 1]?.codes?.shape[0];
  if (channels !== undefined && channels !== all && !rates.includes(channels)) {
    const expected = [...new Set([...rates, all])].join(', ');
    throw new OfframpError(
      'CONFIG_INVALID',
      `policy ${name}: channels: got ${channels}, expected one of ${expected} with ${manifest.id}`,
    );
  }
  const asked = manifest.exits.slice(0, Math.min(own, segments - 1));
  const usual = asked.map(({ threshold = 0 }) => (exits === 'none' ? 0 : threshold));
  return {
    key: name,
    cut: own,
    thresholds: thresholds ?? usual,
    ...(channels !== undefined && channels !== all && { channels }),
  };
}

/** Every plan that never changes and keeps the calibrated thresholds: all cuts, at all rates. */
export function staticPlans({ manifest }: Bundle): FollowedPlan[] {
  const segments = manifest.segments.length;
  return Array.from({ length: segments + 1 }, (_, cut) => cut).flatMap((cut) => {
    const thresholds = manifest.exits
      .slice(0, Math.min(cut, segments - 1))
      .map(({ threshold = 0 }) => threshold);
    const all = cut > 0 && cut < segments ? manifest.segments[cut - 1]?.codes?.shape[0] : undefined;
    const lower =
      manifest.cuts[cut - 1]?.rates?.map(({ channels }) => channels).filter((rate) => rate !== all) ?? [];
    return [undefined, ...(all === undefined ? [] : lower)].map((channels) => ({
      key: channels === undefined ? `cut ${cut}` : `cut ${cut}, ${channels} channels`,
      ...{ cut, thresholds },
      ...(channels !== undefined && { channels }),
    }));
  });
}

export function isFixed(policy: Policy): policy is FixedPolicy {
  return 'cut' in policy;
}
