import type { RunResult } from './result.ts';
import type { Scenario } from './scenario.ts';

/** Adds to every result by how much its mean latency exceeds that of the plan that was best at each moment, where a policy asks for that. */
export function withRegret(
  { policies }: Pick<Scenario, 'policies'>,
  results: readonly RunResult[],
): RunResult[] {
  const reference = policies.find((policy) => 'best' in policy && policy.best === 'moment')?.name;
  if (reference === undefined) return [...results];
  return results.map((result) => {
    const { bundle, link, devices } = result;
    const best = results.find(
      (one) =>
        one.policy === reference && one.bundle === bundle && one.link === link && one.devices === devices,
    );
    if (best === undefined || best === result) return result;
    return { ...result, regret: result.latencyMs.mean.ms / best.latencyMs.mean.ms - 1 };
  });
}
