import type { RunResult } from '../simulate/index.ts';
import { markdownTable, ms, percentOf, signedPercent } from './markdown.ts';

/** The runs of one scenario, by link and policy. */
export interface LinkGrid {
  readonly links: readonly string[];
  readonly policies: readonly string[];
  find(link: string, policy: string): RunResult | undefined;
}

export function gridOf(results: readonly RunResult[]): LinkGrid {
  return {
    links: [...new Set(results.map(({ link }) => link))],
    policies: [...new Set(results.map(({ policy }) => policy))],
    find: (link, policy) => results.find((run) => run.link === link && run.policy === policy),
  };
}

/** Answers that are right less often by so much count as about as right. */
const tolerated = 0.005;

/**
 * The fixed policy with the least mean latency among those that are right about as often as any: by half a point, or as far as so many
 * images can tell.
 */
export function bestFixed(grid: LinkGrid, link: string, adaptive: string): RunResult | undefined {
  const runs = grid.policies.flatMap((policy) => grid.find(link, policy) ?? []);
  const reached = Math.max(...runs.map(({ accuracy }) => accuracy.share));
  const isAboutAsRight = ({ accuracy: { share, interval } }: RunResult) =>
    share >= reached - tolerated || interval[1] >= reached;
  const fixed = runs.filter(
    (run) =>
      run.policy !== adaptive &&
      !isOfTheMoment(run.policy) &&
      (run.bestPlan !== undefined || isAboutAsRight(run)),
  );
  return fixed.sort((one, other) => one.latencyMs.mean.ms - other.latencyMs.mean.ms)[0];
}

/** Nobody can follow it, and so nobody is held against it. */
function isOfTheMoment(policy: string): boolean {
  return policy === 'best each moment';
}

/** Mean and 95th percentile of every policy on every link, ours against the best that never changes in the last row. */
export function latencyTable(grid: LinkGrid, ours: string): string {
  const rows = grid.policies.map((policy) => [
    policy,
    ...grid.links.map((link) => {
      const run = grid.find(link, policy);
      if (run === undefined) return '';
      const { mean, p95 } = run.latencyMs;
      return `${ms(mean.ms)}, ${ms(p95.ms)}`;
    }),
  ]);
  const against = grid.links.map((link) => {
    const [own, best] = [grid.find(link, ours), bestFixed(grid, link, ours)];
    if (own === undefined || best === undefined) return '';
    return signedPercent(own.latencyMs.mean.ms / best.latencyMs.mean.ms - 1);
  });
  return markdownTable(
    ['mean, p95 (ms)', ...grid.links],
    [...rows, [`**${ours} over the best that never changes**`, ...against]],
  );
}

/** Bytes of an image and executor time of the server for 1,000, against sending every picture. */
export function costTable(grid: LinkGrid, picture: string): string {
  const rows = grid.policies.map((policy) => [
    policy,
    ...grid.links.map((link) => {
      const [run, base] = [grid.find(link, policy), grid.find(link, picture)];
      if (run === undefined || base === undefined) return '';
      const saved = 1 - (run.cloudSecondsPer1000Images ?? 0) / (base.cloudSecondsPer1000Images ?? Number.NaN);
      return `${run.bytesPerImage.toFixed(0)} B, ${Number.isFinite(saved) ? signedPercent(-saved, 0) : '-'}`;
    }),
  ]);
  return markdownTable(['bytes of an image, time of the server', ...grid.links], rows);
}

/** Right answers, and how many of all were degraded. */
export function rightTable(grid: LinkGrid): string {
  const rows = grid.policies.map((policy) => [
    policy,
    ...grid.links.map((link) => {
      const run = grid.find(link, policy);
      return run === undefined ? '' : `${percentOf(run.accuracy.share)}, ${percentOf(run.degraded.share)}`;
    }),
  ]);
  return markdownTable(['right, degraded', ...grid.links], rows);
}
