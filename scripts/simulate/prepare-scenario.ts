import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { Planner } from '../../shared/plan/index.ts';
import { type Link, parseLink, readTraceFile } from '../links/index.ts';
import { type CostProfile, parseCostProfile, recordedStreams } from '../profile/index.ts';
import { findBundle } from '../project.ts';
import type { Arrivals } from './arrivals.ts';
import { isFixed, planOf } from './policies.ts';
import { type ReplayedImages, replayImages } from './replayed-images.ts';
import { bundlesOf, type Scenario } from './scenario.ts';

/** A scenario with everything that it names read and checked. */
export interface PreparedScenario {
  readonly scenario: Scenario;
  readonly links: readonly PreparedLink[];
  /** In the scenario's order. */
  readonly bundles: readonly PreparedBundle[];
}

export interface PreparedLink {
  readonly name: string;
  readonly link: Link;
}

/** One bundle of a scenario, and all else that its runs need. */
export interface PreparedBundle {
  readonly scenario: Scenario;
  readonly bundle: Bundle;
  readonly images: ReplayedImages;
  readonly costs: CostProfile;
  readonly arrivals: Arrivals;
  readonly links: readonly PreparedLink[];
  /** Shared by all devices: it only reads. */
  readonly planner: Planner;
}

export interface ScenarioPlace {
  /** The scenario's own file: other files are found from its folder on. */
  readonly file: string;
  /** Where `data:` leads to; absent where no data folder is there. */
  readonly dataFolder: string | undefined;
}

const dataPrefix = 'data:';
const usualSplit = 'test';

/**
 * Reads what a scenario names.
 * @throws OfframpError CONFIG_INVALID, DATA_MISSING and the codes of bundles.
 */
export async function prepareScenario(scenario: Scenario, place: ScenarioPlace): Promise<PreparedScenario> {
  const from = (path: string) => findFile(path, place);
  const opened = await Promise.all(
    bundlesOf(scenario).map((named) => openBundle(bundleFolder(findBundle(named)))),
  );
  const profileOf = profilesOf(scenario, opened, place);
  const links = scenario.links.map((one) => {
    const { name, link } = typeof one === 'string' ? { name: one, link: one } : one;
    return { name, link: parseLink(link, (trace) => readTraceFile(from(trace))) };
  });
  const arrivals = readArrivals(scenario, from);
  const bundles: PreparedBundle[] = [];
  for (const bundle of opened) {
    const costs = withCloud(readProfile(profileOf(bundle), bundle), scenario, place.file);
    for (const policy of scenario.policies) if (isFixed(policy)) planOf(bundle, policy);
    const images = await replayImages(bundle, scenario.split ?? usualSplit, recordedStreams(costs));
    const records = await bundle.records('calibration');
    const planner = new Planner({ manifest: bundle.manifest, records });
    bundles.push({ scenario, bundle, images, costs, arrivals, links, planner });
  }
  return { scenario, links, bundles };
}

/** Finds the profile's file of each bundle. @throws OfframpError CONFIG_INVALID for bundles or profiles that do not fit together. */
function profilesOf(
  { profile }: Scenario,
  bundles: readonly Bundle[],
  place: ScenarioPlace,
): (bundle: Bundle) => string {
  const { file } = place;
  const ids = bundles.map(({ manifest }) => manifest.id);
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) {
    throw new OfframpError('CONFIG_INVALID', `${file}: bundle: got ${twice} twice, expected each once`);
  }
  if (typeof profile === 'string' && ids.length > 1) {
    const expected = `an object with a file for each of ${ids.join(', ')}`;
    throw new OfframpError('CONFIG_INVALID', `${file}: profile: got "${profile}", expected ${expected}`);
  }
  const files = typeof profile === 'string' ? { [ids[0] ?? '']: profile } : (profile ?? {});
  const stray = Object.keys(files).find((id) => !ids.includes(id));
  if (stray !== undefined) {
    const expected = `some of ${ids.join(', ')}`;
    throw new OfframpError('CONFIG_INVALID', `${file}: profile: got "${stray}", expected ${expected}`);
  }
  return ({ manifest: { id } }) => {
    const own = files[id];
    return own === undefined ? shippedProfile(id) : findFile(own, place);
  };
}

function readProfile(file: string, { manifest, digest }: Bundle): CostProfile {
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
  const expected = `${costs.cloud.segments.length} for ${costs.bundle}`;
  if (given.length !== costs.cloud.segments.length) {
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
