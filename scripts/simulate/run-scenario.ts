import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultCloudLimits } from '../../cloud/index.ts';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { Planner } from '../../shared/plan/index.ts';
import { type Link, parseLink, readTraceFile } from '../links/index.ts';
import { type CostProfile, parseCostProfile, recordedStreams } from '../profile/index.ts';
import { findBundle } from '../project.ts';
import type { Arrivals } from './arrivals.ts';
import { type FleetOptions, type FleetResult, simulateFleet } from './fleet.ts';
import { isFixed, planOf, staticPlans } from './policies.ts';
import { type ReplayedImages, replayImages } from './replayed-images.ts';
import type { RunResult } from './result.ts';
import type { AdaptivePolicy, Policy, Scenario } from './scenario.ts';
import {
  type FollowedPlan,
  fixedSteering,
  momentSteering,
  pilotSteering,
  type Steering,
} from './steering.ts';
import { runsOf, segmentMediansMs, trueCosts } from './true-costs.ts';

/** A scenario with everything that it names read and checked. */
export interface PreparedScenario {
  readonly scenario: Scenario;
  readonly bundle: Bundle;
  readonly images: ReplayedImages;
  readonly costs: CostProfile;
  readonly arrivals: Arrivals;
  readonly links: readonly { readonly name: string; readonly link: Link }[];
  /** Shared by all devices: it only reads. */
  readonly planner: Planner;
}

/** One run of a scenario. */
export interface Cell {
  readonly devices: number;
  readonly link: number;
  readonly policy: number;
}

const dataPrefix = 'data:';
const usualSeed = 1;
const usualMaxInFlight = 256;
const split = 'test';
/** Answers that are right less often by so much count as about as right. */
const tolerated = 0.005;

export interface ScenarioPlace {
  /** The scenario's own file: other files are found from its folder on. */
  readonly file: string;
  /** Where `data:` leads to; absent where no data folder is there. */
  readonly dataFolder: string | undefined;
}

/**
 * Reads what a scenario names.
 * @throws OfframpError CONFIG_INVALID, DATA_MISSING and the codes of bundles.
 */
export async function prepareScenario(scenario: Scenario, place: ScenarioPlace): Promise<PreparedScenario> {
  const { file } = place;
  const from = (path: string) => findFile(path, place);
  const bundle = await openBundle(bundleFolder(findBundle(scenario.bundle)));
  const costs = withCloud(readProfile(scenario, bundle, from), scenario, file);
  const images = await replayImages(bundle, split, recordedStreams(costs));
  const links = scenario.links.map((one) => {
    const { name, link } = typeof one === 'string' ? { name: one, link: one } : one;
    return { name, link: parseLink(link, (trace) => readTraceFile(from(trace))) };
  });
  for (const policy of scenario.policies) if (isFixed(policy)) planOf(bundle, policy);
  const arrivals = readArrivals(scenario, from);
  const records = await bundle.records('calibration');
  const planner = new Planner({ manifest: bundle.manifest, records });
  return { scenario, bundle, images, costs, arrivals, links, planner };
}

/** Every run that a scenario asks for, in the order of its result. */
export function cellsOf({ scenario, links }: Pick<PreparedScenario, 'scenario' | 'links'>): Cell[] {
  const devices = scenario.devices ?? [1];
  return links.flatMap((_, link) =>
    devices.flatMap((count) =>
      scenario.policies.map((_policy, policy) => ({ devices: count, link, policy })),
    ),
  );
}

/** Runs one cell to its end. */
export async function runCell(prepared: PreparedScenario, cell: Cell): Promise<RunResult> {
  const { scenario, links } = prepared;
  const policy = scenario.policies[cell.policy];
  const link = links[cell.link];
  if (policy === undefined || link === undefined) throw new OfframpError('INTERNAL', 'No such cell');
  const base = fleetOptions(prepared, cell.devices, link.link);
  const found = await runPolicy(prepared, base, policy);
  return { ...found, policy: policy.name, link: link.name, devices: cell.devices };
}

type Base = Omit<FleetOptions, 'steering'>;
type Found = FleetResult & Pick<RunResult, 'bestPlan'>;

function runPolicy(prepared: PreparedScenario, base: Base, policy: Policy): Promise<Found> {
  if (isFixed(policy)) return simulateFleet({ ...base, steering: fixed(planOf(prepared.bundle, policy)) });
  if ('objective' in policy) return simulateFleet({ ...base, steering: piloted(prepared, policy) });
  if (policy.best === 'moment') return simulateFleet({ ...base, steering: momentary(prepared) });
  return bestStatic(prepared, base);
}

function fixed(plan: FollowedPlan): () => Steering {
  return () => fixedSteering(plan);
}

function piloted(
  { scenario, bundle, images, planner, costs }: PreparedScenario,
  { objective: aim, accuracyFloor }: AdaptivePolicy,
): FleetOptions['steering'] {
  const objective = {
    aim,
    deadlineMs: scenario.budgetMs,
    ...(accuracyFloor !== undefined && { accuracyFloor }),
  };
  const segmentMs = segmentMediansMs(costs, scenario.deviceSlowdown ?? 1);
  const { cloud } = costs;
  return ({ server }) => {
    const options = { planner, objective, segmentMs, told: () => runsOf(bundle, cloud) };
    return pilotSteering(bundle, { ...options, link: (nowMs) => server.view(nowMs) }, images.pictureBytes);
  };
}

function momentary({ scenario, bundle, images, planner, costs }: PreparedScenario): FleetOptions['steering'] {
  const objective = {
    aim: 'latency' as const,
    deadlineMs: scenario.budgetMs,
    accuracyFloor: planner.calibratedAccuracy - tolerated,
  };
  return (parts) => momentSteering(planner, objective, trueCosts({ bundle, images, costs, scenario, parts }));
}

/** The plan whose mean latency is least, among those that are answered about as rightly as any. */
async function bestStatic({ bundle }: PreparedScenario, base: Base): Promise<Found> {
  const tried: Found[] = [];
  for (const plan of staticPlans(bundle)) {
    tried.push({ ...(await simulateFleet({ ...base, steering: fixed(plan) })), bestPlan: plan.key });
  }
  const reached = Math.max(...tried.map(({ accuracy }) => accuracy.share));
  const kept = tried.filter(({ accuracy }) => accuracy.share >= reached - tolerated);
  const [best] = kept.sort((one, other) => one.latencyMs.mean.ms - other.latencyMs.mean.ms);
  if (best === undefined) throw new OfframpError('INTERNAL', 'No plan was tried');
  return best;
}

/** What all policies of a cell have in common. */
export function fleetOptions(
  { scenario, bundle, images, costs, arrivals }: PreparedScenario,
  devices: number,
  link: Link,
): Base {
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

function readProfile(
  scenario: Scenario,
  { manifest, digest }: Bundle,
  from: (path: string) => string,
): CostProfile {
  const file = scenario.profile === undefined ? shippedProfile(manifest.id) : from(scenario.profile);
  const profile = parseCostProfile(readText(file), file);
  if (profile.digest === digest) return profile;
  const got = `bundle ${profile.bundle} with digest ${profile.digest}`;
  throw new OfframpError('CONFIG_INVALID', `${file}: got ${got}, expected ${manifest.id} with ${digest}`);
}

/** The one that comes with the project. */
function shippedProfile(bundle: string): string {
  const file = join(fileURLToPath(new URL('./profiles', import.meta.url)), `${bundle}.json`);
  if (existsSync(file)) return file;
  const mend = `make one by offramp profile --bundle ${bundle} --out FILE, and name it as the scenario's profile`;
  throw new OfframpError('CONFIG_INVALID', `No profile comes with ${bundle}: ${mend}`);
}

/** With the server's costs that the scenario gives in place of those that were measured. */
function withCloud(costs: CostProfile, { cloud }: Scenario, file: string): CostProfile {
  const given = cloud?.segments;
  if (given === undefined) return costs;
  const expected = costs.cloud.segments.length;
  if (given.length !== expected) {
    throw new OfframpError(
      'CONFIG_INVALID',
      `${file}: cloud.segments: got ${given.length}, expected ${expected}`,
    );
  }
  const segments = costs.cloud.segments.map((own, index) => ({ ...own, ...given[index] }));
  return { ...costs, cloud: { ...costs.cloud, segments } };
}

function readArrivals({ arrivals }: Scenario, from: (path: string) => string): Arrivals {
  if (arrivals.kind !== 'trace') return arrivals;
  const file = from(arrivals.file);
  const atMs = readText(file).trim().split(/\s+/).map(Number);
  const wrong = atMs.findIndex((ms, index) => !(ms >= (atMs[index - 1] ?? 0)));
  const lengthMs = atMs.at(-1) ?? 0;
  if (wrong === -1 && lengthMs > 0) return { kind: 'trace', atMs, lengthMs };
  const got = wrong === -1 ? 'no time above 0' : `${atMs[wrong]} at place ${wrong + 1}`;
  throw new OfframpError('CONFIG_INVALID', `${file}: got ${got}, expected milliseconds in ascending order`);
}

/** Where a file that a scenario names lies. @throws OfframpError DATA_MISSING. */
export function findFile(path: string, { file, dataFolder }: ScenarioPlace): string {
  if (isAbsolute(path)) return path;
  if (!path.startsWith(dataPrefix)) return join(dirname(file), path);
  if (dataFolder !== undefined) return join(dataFolder, path.slice(dataPrefix.length));
  throw new OfframpError(
    'DATA_MISSING',
    `${path}: expected a folder of data sets, by --data or OFFRAMP_DATA`,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}
