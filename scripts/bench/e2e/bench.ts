import { resolve } from 'node:path';
import { OfframpError } from '../../../shared/errors.ts';
import { kernelCongestion } from '../../links/packet/index.ts';
import type { StageProgress } from '../../output.ts';
import { findBundle } from '../../project.ts';
import {
  bundlesOf,
  courseOf,
  findFile,
  findScenario,
  fleetOptions,
  type PreparedBundle,
  type PreparedScenario,
  prepareScenario,
  type RunResult,
  readScenario,
  runCell,
  type Scenario,
  type ScenarioPlace,
} from '../../simulate/index.ts';
import { type ChosenCells, chooseCells, type LiveCell } from './choose-cells.ts';
import { type Comparison, compareRuns } from './compare.ts';
import type { EmulatorName } from './emulator-names.ts';
import { emulators } from './emulators.ts';
import { inTurns } from './in-turns.ts';
import { type LiveResult, type LiveSetup, runLiveCell } from './live-cell.ts';
import { type LiveImages, liveImages } from './live-images.ts';
import { directCells, measureHere } from './measure-here.ts';
import { comingImages } from './open-loop.ts';

export interface E2eBenchOptions {
  /** One that comes with the project, or a file. */
  readonly scenario: string;
  readonly dataFolder: string | undefined;
  /** `LINK/POLICY` patterns; all cells when empty. */
  readonly only: readonly string[];
  /** In place of the scenario's. */
  readonly seconds: number | undefined;
  /** Cells at the same time. */
  readonly jobs: number;
  readonly emulator: EmulatorName;
  /** TCP's congestion control over packet-level links; the kernel's own when absent. */
  readonly congestion: string | undefined;
  readonly comparing: 'with-simulation' | 'nothing';
  readonly onProgress: StageProgress<E2eStage>;
}

export type E2eStage = 'pictures' | 'images' | 'simulations';

/** What a scenario's cells did with real processes. */
export interface E2eBench {
  readonly scenario: Scenario;
  readonly emulator: EmulatorName;
  /** Over packet-level links. */
  readonly congestion?: string;
  /** What the images were. */
  readonly images: string;
  /** Names of policies that cannot be run live. */
  readonly leftOut: readonly string[];
  /** In the form of the simulator's. */
  readonly results: readonly LiveResult[];
  /** The same cells simulated, where that was asked for. */
  readonly simulated?: readonly RunResult[];
  readonly comparisons?: readonly Comparison[];
}

/**
 * Runs a scenario's cells with `offramp cloud`, `offramp edge` and an emulated link as real processes.
 * @throws OfframpError CONFIG_INVALID, DATA_MISSING, INTERNAL and the codes of bundles.
 */
export async function benchE2e(options: E2eBenchOptions): Promise<E2eBench> {
  const { dataFolder, only, jobs, emulator, onProgress } = options;
  const congestion = congestionOf(options);
  const file = findScenario(options.scenario);
  const scenario = readLiveScenario(file, options.seconds);
  const place = { file, dataFolder };
  const all = await prepareScenario(scenario, place);
  const [prepared] = all.bundles;
  const [named] = bundlesOf(scenario);
  if (prepared === undefined || named === undefined) throw new OfframpError('INTERNAL', 'No bundle');
  const chosen = chooseCells(all, only);
  const images = await encodeImages(prepared, chosen, options);
  let sent = 0;
  const measuring = options.comparing === 'nothing' ? [] : directCells;
  const total = countImages(prepared, [...chosen.cells, ...measuring], images.count);
  const setup: LiveSetup = {
    ...{ prepared, images, bundleFolder: findBundle(named), openSite: emulators[emulator] },
    congestion,
    linkSpecs: linkSpecs(scenario, place),
    onSent: () => onProgress('images', ++sent, total),
  };
  const here = options.comparing === 'nothing' ? undefined : await measureHere(setup, jobs);
  const run = async ({ cell, policy }: LiveCell) => (await runLiveCell(setup, cell, policy)).result;
  const results = await inTurns(chosen.cells, jobs, run);
  return {
    ...{ scenario, emulator, images: images.source, leftOut: chosen.leftOut, results },
    ...(congestion !== undefined && { congestion }),
    ...(here !== undefined &&
      (await compared({ ...all, bundles: [{ ...prepared, costs: here }] }, chosen, results, onProgress))),
  };
}

/** What TCP goes by where it matters: over links of packets. */
function congestionOf({ emulator, congestion }: E2eBenchOptions): string | undefined {
  if (emulator === 'packet') return congestion ?? kernelCongestion();
  if (congestion === undefined) return undefined;
  throw new OfframpError('CONFIG_INVALID', `--congestion ${congestion} needs --emulator packet`);
}

function readLiveScenario(file: string, seconds: number | undefined): Scenario {
  const scenario = readScenario(file, seconds === undefined ? {} : { seconds });
  const { budgetMs, deviceSlowdown = 1 } = scenario;
  const bad = (what: string) => new OfframpError('CONFIG_INVALID', `${file}: ${what}`);
  const bundles = bundlesOf(scenario);
  if (bundles.length > 1) {
    throw bad(`bundle: got ${bundles.join(', ')}, expected one bundle for real processes`);
  }
  if (!Number.isInteger(budgetMs)) throw bad(`budgetMs: got ${budgetMs}, expected a whole number`);
  if (deviceSlowdown < 1 || deviceSlowdown > 1000) {
    throw bad(`deviceSlowdown: got ${deviceSlowdown}, expected 1 to 1000 for a real device`);
  }
  return scenario;
}

/** The scenario's links with their traces by full paths: another process reads them. */
function linkSpecs({ links }: Scenario, place: ScenarioPlace): string[] {
  return links.map((one) => {
    const link = typeof one === 'string' ? one : one.link;
    return link.replace(/(^|,)(\s*(?:up|down)\s*=)([^,]*)/g, (part, before, key, value: string) =>
      Number.isNaN(Number(value)) ? `${before}${key}${resolve(findFile(value.trim(), place))}` : part,
    );
  });
}

async function encodeImages(
  prepared: PreparedBundle,
  { cells }: ChosenCells,
  { dataFolder, onProgress, comparing }: E2eBenchOptions,
): Promise<LiveImages> {
  const devices = Math.max(...cells.map(({ cell }) => cell.devices));
  const needed = (count: number) => {
    const places = new Set<number>();
    for (const { image } of allComing(prepared, devices, count)) {
      places.add(image);
      if (places.size === count) break;
    }
    return places;
  };
  const images = await liveImages(prepared, dataFolder, needed, (done, all) =>
    onProgress('pictures', done, all),
  );
  if (comparing === 'nothing' || images.areReplayed) return images;
  const got = `${images.count} images (${images.source})`;
  throw new OfframpError('DATA_MISSING', `Got ${got}, expected the test split, which the simulator replays`);
}

/** What comes to all devices of a cell; links and policies have no part in it. */
function* allComing(prepared: PreparedBundle, devices: number, count: number) {
  const [link] = prepared.links;
  if (link === undefined) return;
  const base = fleetOptions(prepared, devices, link.link);
  for (let index = 0; index < devices; index++) {
    yield* comingImages(courseOf(base, count, index), count, 1000 * base.seconds);
  }
}

function countImages(
  prepared: PreparedBundle,
  cells: readonly Pick<LiveCell, 'cell'>[],
  count: number,
): number {
  const counts = new Map<number, number>();
  return cells.reduce((sum, { cell: { devices } }) => {
    const known = counts.get(devices) ?? lengthOf(allComing(prepared, devices, count));
    counts.set(devices, known);
    return sum + known;
  }, 0);
}

function lengthOf(values: Iterable<unknown>): number {
  let length = 0;
  for (const _ of values) length++;
  return length;
}

/** After all live cells: a simulation computes, and would take from them. */
async function compared(
  prepared: PreparedScenario,
  { cells }: ChosenCells,
  results: readonly LiveResult[],
  onProgress: E2eBenchOptions['onProgress'],
) {
  const simulated: RunResult[] = [];
  const comparisons: Comparison[] = [];
  for (const [index, { cell }] of cells.entries()) {
    const run = await runCell(prepared, cell);
    const real = results[index];
    simulated.push(run);
    if (real !== undefined) comparisons.push(compareRuns(real, run));
    onProgress('simulations', index + 1, cells.length);
  }
  return { simulated, comparisons };
}
