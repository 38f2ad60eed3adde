import type { Bundle } from '../../shared/bundle/index.ts';
import type { ExitRecords } from '../../shared/exits/index.ts';
import { type Objective, Planner } from '../../shared/plan/index.ts';
import type { LoadingRunner } from '../../shared/runtime/index.ts';
import { type CloudServers, toldRuns } from './cloud-servers.ts';
import { Pilot, type PilotOptions } from './pilot.ts';

export interface PilotParts extends CloudServers, Pick<PilotOptions, 'onPlan'> {
  readonly bundle: Bundle;
  readonly runner: LoadingRunner;
  /** Of the calibration split. */
  readonly records: ExitRecords;
  readonly objective: Objective;
  /** The deadline where the objective has none. */
  readonly budgetMs: number;
}

/**
 * The pilot of a device with these servers.
 * @throws OfframpError CONFIG_INVALID for an objective out of range.
 */
export function makePilot(parts: PilotParts): Pilot {
  const { bundle, runner, records, objective, budgetMs: deadlineMs, cloud, uplinks, onPlan } = parts;
  return new Pilot({
    ...{ bundle, parallel: runner.parallel, objective: { deadlineMs, ...objective } },
    planner: new Planner({ manifest: bundle.manifest, records }),
    segmentMs: runner.warmRuns.map(({ runMicros }) => runMicros / 1000),
    told: () => toldRuns(bundle, uplinks),
    link: (nowMs) => cloud?.quickestLink(nowMs),
    ...(onPlan !== undefined && { onPlan }),
  });
}
