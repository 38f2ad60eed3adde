import type { Bundle } from '../../../shared/bundle/index.ts';
import { type AdaptivePolicy, type FixedPolicy, isFixed, type Policy, planOf } from '../../simulate/index.ts';

/** A policy that a device can follow without knowing how the run will end. */
export type LivePolicy = AdaptivePolicy | FixedPolicy;

export function isLive(policy: Policy): policy is LivePolicy {
  return !('best' in policy);
}

/** What `offramp edge` has to be told to follow a policy. @throws OfframpError CONFIG_INVALID for one that the bundle cannot follow. */
export function policyArguments(bundle: Bundle, policy: LivePolicy): string[] {
  if (isFixed(policy)) return fixedArguments(bundle, policy);
  const { objective, accuracyFloor } = policy;
  return [
    ...['--objective', objective],
    ...(accuracyFloor === undefined ? [] : ['--accuracy-floor', String(accuracyFloor)]),
  ];
}

function fixedArguments(bundle: Bundle, policy: FixedPolicy): string[] {
  const { cut, channels, thresholds } = planOf(bundle, policy);
  const areOwn = policy.exits === 'none' || policy.thresholds !== undefined;
  // At cut 0 the first exit answers when the cloud does not.
  const asked = bundle.manifest.exits.slice(0, Math.max(1, cut));
  const levels = asked.flatMap(({ threshold }, exit) =>
    threshold === undefined ? [] : (thresholds[exit] ?? 0),
  );
  return [
    ...['--cut', String(cut)],
    ...(channels === undefined ? [] : ['--rate', String(channels)]),
    ...(areOwn && levels.length > 0 ? ['--threshold', levels.join()] : []),
  ];
}
