import type { RunRecord } from '../../evaluate/run-record.ts';
import type { RouteShares, RunResult } from '../result.ts';
import type { Scenario } from '../scenario.ts';

/** One run, with what only real processes can tell. */
export type ReportedRun = RunResult & {
  /** Id of its bundle; the scenario's own where absent. */
  readonly bundle?: string;
  /** How much later than intended images were sent. */
  readonly sendLateMs?: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Where the time went, milliseconds in the mean. */
  readonly stagesMs?: StageMeansMs;
};

export interface StageMeansMs {
  readonly call: number;
  readonly prepare: number;
  readonly device: number;
  readonly exit: number;
  readonly encode: number;
  readonly network: number;
  readonly cloudQueue: number;
  readonly cloudRun: number;
}

/** How far the simulation of a run is off what real processes did. */
export interface ReportedComparison {
  readonly policy: string;
  readonly link: string;
  readonly devices: number;
  readonly bundle?: string;
  /** Simulated over real, less 1. */
  readonly meanError: number;
  readonly p50Error: number;
  readonly p95Error: number;
  /** Simulated share less the real one, in points of a hundred. */
  readonly routePoints: RouteShares;
  readonly degradedPoints: number;
  readonly isClose: boolean;
}

/** Where figures come from: the virtual clock, or processes over an emulated link. */
export type Origin =
  | { readonly kind: 'simulated' }
  | {
      readonly kind: 'live';
      /** What stood in for the links. */
      readonly emulator: string;
      /** What the images were. */
      readonly images: string;
      /** Policies that cannot be run live. */
      readonly leftOut: readonly string[];
      /** What whoever reads the figures should know of how they were taken. */
      readonly warnings: readonly string[];
      readonly comparisons?: readonly ReportedComparison[];
    };

/** What a report is made of. */
export interface ReportSource extends RunRecord {
  readonly scenario: Scenario;
  readonly results: readonly ReportedRun[];
  readonly origin: Origin;
}

/** The runs of one bundle on one link, in the order of the scenario. */
export interface LinkRuns {
  /** Letters, digits and hyphens; other than those of all other groups. */
  readonly id: string;
  readonly bundle: string;
  readonly link: string;
  readonly runs: readonly ReportedRun[];
  /** Ascending. */
  readonly fleets: readonly Fleet[];
}

/** The runs of a link with so many devices, one for each policy. */
export interface Fleet {
  readonly devices: number;
  readonly runs: readonly ReportedRun[];
}

/** Groups runs by bundle and link. */
export function linkRuns({ scenario, results }: Pick<ReportSource, 'scenario' | 'results'>): LinkRuns[] {
  const usual = [scenario.bundle].flat().join(', ');
  const groups = new Map<string, ReportedRun[]>();
  for (const run of results) {
    const key = JSON.stringify([run.bundle ?? usual, run.link]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [run]);
    else group.push(run);
  }
  return [...groups.values()].flatMap((runs, index) => {
    const [first] = runs;
    if (first === undefined) return [];
    const { bundle = usual, link } = first;
    return [{ id: `link-${index + 1}`, bundle, link, runs, fleets: fleetsOf(runs) }];
  });
}

function fleetsOf(runs: readonly ReportedRun[]): Fleet[] {
  const sizes = [...new Set(runs.map(({ devices }) => devices))].sort((one, other) => one - other);
  return sizes.map((devices) => ({ devices, runs: runs.filter((run) => run.devices === devices) }));
}

/** A run of which figures can be drawn and compared: none is known of one without images. */
export function hasImages({ images, latencyMs }: ReportedRun): boolean {
  return images > 0 && Number.isFinite(latencyMs.mean.ms);
}

/** Names of policies that know more than a device can: what would have been best is found out afterwards. */
export function hindsightPolicies({ policies }: Pick<Scenario, 'policies'>): ReadonlySet<string> {
  return new Set(policies.flatMap((policy) => ('best' in policy ? [policy.name] : [])));
}
