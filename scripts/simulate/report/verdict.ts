import { type Fleet, hasImages, type ReportedRun } from './source.ts';

/** Which policy answers soonest of those that are right about as often as any. */
export interface Verdict {
  readonly devices: number;
  readonly best: ReportedRun;
  /** By mean latency, the least first. */
  readonly rivals: readonly Rival[];
  /** What would have been best at every moment, where that was asked for: no device can do it. */
  readonly hindsight?: ReportedRun;
}

export interface Rival {
  readonly run: ReportedRun;
  /** By how much the best one's mean is below its own, of its own; negative where it is above. */
  readonly savedShare: number;
  /** `less right`: by more than half a point. `as fast`: its mean lies where the best one's may lie. */
  readonly standing: 'less right' | 'as fast' | 'slower';
}

/** Right less often by at most so much counts as about as right. */
const toleratedShare = 0.005;
/** Shares are quotients: half a point less is still half a point. */
const roundingShare = 1e-9;

/**
 * Compares the policies of a fleet.
 * @param hindsight names of policies that are left out as long as there are others.
 */
export function verdictOf({ devices, runs }: Fleet, hindsight: ReadonlySet<string>): Verdict | undefined {
  const counted = runs.filter(hasImages);
  const possible = counted.filter(({ policy }) => !hindsight.has(policy));
  const compared = (possible.length > 0 ? possible : counted).toSorted(
    (one, other) => one.latencyMs.mean.ms - other.latencyMs.mean.ms,
  );
  const best = compared.find((run) => isAboutAsRight(run, compared));
  if (best === undefined) return undefined;
  const rivals = compared.filter((run) => run !== best).map((run) => rivalOf(run, best, compared));
  const known = counted.find(
    (run) => run !== best && hindsight.has(run.policy) && run.bestPlan === undefined,
  );
  return { devices, best, rivals, ...(known !== undefined && { hindsight: known }) };
}

/** Whether a run's share of right answers is at most half a point below the largest. */
export function isAboutAsRight({ accuracy }: ReportedRun, runs: readonly ReportedRun[]): boolean {
  const reached = Math.max(...runs.map((one) => one.accuracy.share));
  return accuracy.share >= reached - toleratedShare - roundingShare;
}

function rivalOf(run: ReportedRun, best: ReportedRun, compared: readonly ReportedRun[]): Rival {
  const [own, least] = [run.latencyMs.mean.ms, best.latencyMs.mean];
  const savedShare = own > 0 ? 1 - least.ms / own : 0;
  if (!isAboutAsRight(run, compared)) return { run, savedShare, standing: 'less right' };
  return { run, savedShare, standing: own <= least.interval[1] ? 'as fast' : 'slower' };
}

/**
 * The policies that no other beats in both mean latency and share of right answers, by mean latency; those that only hindsight can
 * follow are not among them.
 */
export function paretoFront(
  runs: readonly ReportedRun[],
  hindsight: ReadonlySet<string>,
): readonly ReportedRun[] {
  const byMean = runs
    .filter((run) => hasImages(run) && !hindsight.has(run.policy))
    .sort(
      (one, other) =>
        one.latencyMs.mean.ms - other.latencyMs.mean.ms || other.accuracy.share - one.accuracy.share,
    );
  let reached = Number.NEGATIVE_INFINITY;
  return byMean.filter(({ accuracy }) => {
    const isBetter = accuracy.share > reached;
    reached = Math.max(reached, accuracy.share);
    return isBetter;
  });
}
