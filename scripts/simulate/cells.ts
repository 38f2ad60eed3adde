import { defaultCloudLimits } from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { Link } from '../links/index.ts';
import { type FleetOptions, type FleetResult, simulateFleet } from './fleet.ts';
import { isFixed, planOf, staticPlans } from './policies.ts';
import type { PreparedBundle, PreparedScenario } from './prepare-scenario.ts';
import type { RunResult } from './result.ts';
import { withUplink } from './scaled-link.ts';
import { type AdaptivePolicy, bundlesOf, type Policy } from './scenario.ts';
import {
  type FollowedPlan,
  fixedSteering,
  momentSteering,
  pilotSteering,
  type Steering,
} from './steering.ts';
import { runsOf, segmentMediansMs, trueCosts } from './true-costs.ts';

/** One run of a scenario: places in its lists, and how many devices. */
export interface Cell {
  readonly bundle: number;
  readonly link: number;
  readonly devices: number;
  readonly policy: number;
  /** The link's uplink in place of its own, in the mean, see {@link withUplink}. */
  readonly uplinkMbps?: number;
  /** In place of the scenario's. */
  readonly seconds?: number;
}

/** What of a cell can be run by itself: all of it, or one of the plans that it tries. Plain data. */
export interface Piece {
  readonly cell: Cell;
  readonly plan?: number;
}

const usualSeed = 1;
const usualMaxInFlight = 256;
/** Answers that are right less often by so much count as about as right. */
const tolerated = 0.005;

/** Every run that a scenario asks for, in the order of its result. */
export function cellsOf({ scenario, links }: Pick<PreparedScenario, 'scenario' | 'links'>): Cell[] {
  const devices = scenario.devices ?? [1];
  return [...bundlesOf(scenario).keys()].flatMap((bundle) =>
    [...links.keys()].flatMap((link) =>
      devices.flatMap((count) =>
        [...scenario.policies.keys()].map((policy) => ({ bundle, link, devices: count, policy })),
      ),
    ),
  );
}

/** Runs one cell to its end. */
export async function runCell(prepared: PreparedScenario, cell: Cell): Promise<RunResult> {
  const results: FleetResult[] = [];
  for (const piece of piecesOf(prepared, cell)) results.push(await runPiece(prepared, piece));
  return joinPieces(prepared, cell, results);
}

/** What of a cell may run at the same time. */
export function piecesOf(prepared: PreparedScenario, cell: Cell): Piece[] {
  const { policy, part } = lookUp(prepared, cell);
  if (!triesPlans(policy)) return [{ cell }];
  return [...staticPlans(part.bundle).keys()].map((plan) => ({ cell, plan }));
}

/** Runs a piece to its end. */
export function runPiece(prepared: PreparedScenario, { cell, plan }: Piece): Promise<FleetResult> {
  const { part, link, policy } = lookUp(prepared, cell);
  const { uplinkMbps, seconds = part.scenario.seconds } = cell;
  const own = uplinkMbps === undefined ? link.link : withUplink(link.link, uplinkMbps);
  const tried = plan === undefined ? undefined : staticPlans(part.bundle)[plan];
  const steering = tried === undefined ? steeringOf(part, policy) : fixed(tried);
  return simulateFleet({ ...fleetOptions(part, cell.devices, own), seconds, steering });
}

/** The result of a cell from those of its pieces, in their order. */
export function joinPieces(
  prepared: PreparedScenario,
  cell: Cell,
  results: readonly FleetResult[],
): RunResult {
  const { part, link, policy } = lookUp(prepared, cell);
  const { id } = part.bundle.manifest;
  const found = triesPlans(policy) ? bestStatic(part, results) : results[0];
  if (found === undefined) throw new OfframpError('INTERNAL', 'A cell has no result');
  return { ...found, bundle: id, policy: policy.name, link: link.name, devices: cell.devices };
}

function lookUp({ scenario, links, bundles }: PreparedScenario, cell: Cell) {
  const policy = scenario.policies[cell.policy];
  const link = links[cell.link];
  const part = bundles[cell.bundle];
  if (policy === undefined || link === undefined || part === undefined) {
    throw new OfframpError('INTERNAL', 'No such cell');
  }
  return { policy, link, part };
}

function triesPlans(policy: Policy): boolean {
  return 'best' in policy && policy.best === 'static';
}

function steeringOf(part: PreparedBundle, policy: Policy): FleetOptions['steering'] {
  if (isFixed(policy)) return fixed(planOf(part.bundle, policy));
  return 'objective' in policy ? piloted(part, policy) : momentary(part);
}

function fixed(plan: FollowedPlan): () => Steering {
  return () => fixedSteering(plan);
}

function piloted(
  { scenario, bundle, images, planner, costs }: PreparedBundle,
  { objective: aim, accuracyFloor }: AdaptivePolicy,
): FleetOptions['steering'] {
  const objective = {
    aim,
    deadlineMs: scenario.budgetMs,
    ...(accuracyFloor !== undefined && { accuracyFloor }),
  };
  const segmentMs = segmentMediansMs(costs, scenario.deviceSlowdown ?? 1);
  const { cloud } = costs;
  return ({ server, time: clock }) => {
    const options = { clock, planner, objective, segmentMs, told: () => runsOf(bundle, cloud) };
    return pilotSteering(bundle, { ...options, link: (nowMs) => server.view(nowMs) }, images.pictureBytes);
  };
}

function momentary({ scenario, bundle, images, planner, costs }: PreparedBundle): FleetOptions['steering'] {
  const objective = {
    aim: 'latency' as const,
    deadlineMs: scenario.budgetMs,
    accuracyFloor: planner.calibratedAccuracy - tolerated,
  };
  return (parts) => momentSteering(planner, objective, trueCosts({ bundle, images, costs, scenario, parts }));
}

/** The plan whose mean latency is least, among those that are answered about as rightly as any. */
function bestStatic({ bundle }: PreparedBundle, results: readonly FleetResult[]) {
  const plans = staticPlans(bundle);
  const tried = results.map((result, index) => ({ ...result, bestPlan: plans[index]?.key ?? '' }));
  const reached = Math.max(...tried.map(({ accuracy }) => accuracy.share));
  const kept = tried.filter(({ accuracy }) => accuracy.share >= reached - tolerated);
  return kept.sort((one, other) => one.latencyMs.mean.ms - other.latencyMs.mean.ms)[0];
}

/** What all policies of a cell have in common. */
export function fleetOptions(
  { scenario, bundle, images, costs, arrivals }: PreparedBundle,
  devices: number,
  link: Link,
): Omit<FleetOptions, 'steering'> {
  const { seconds, budgetMs, cloud } = scenario;
  return {
    ...{ bundle, images, costs, devices, arrivals, seconds, budgetMs, link },
    deviceSlowdown: scenario.deviceSlowdown ?? 1,
    warmUpSeconds: scenario.warmUpSeconds ?? 0,
    maxInFlight: scenario.maxInFlight ?? usualMaxInFlight,
    linkStarts: scenario.linkStarts ?? 'together',
    cloud: {
      executors: cloud?.executors ?? 1,
      scheduler: cloud?.scheduler ?? 'offramp',
      maxBatchRows: cloud?.maxBatchRows ?? defaultCloudLimits.maxBatchRows,
    },
    seed: scenario.seed ?? usualSeed,
  };
}
