import type { Arrivals } from '../arrivals.ts';
import type { Cell } from '../cells.ts';
import { cellsOf } from '../cells.ts';
import type { PreparedScenario } from '../prepare-scenario.ts';
import type { RunResult } from '../result.ts';
import type { RunCell } from '../sweep/sweep.ts';
import { type Axis, bisect } from './bisect.ts';
import { brokenBy, type Criteria } from './criteria.ts';

/** What can be asked for: the most devices, or the least Mbit/s of the uplink. */
export type Sought = 'devices' | 'bandwidth';

export interface Question {
  readonly sought: Sought;
  readonly criteria: Criteria;
  /** The largest value that is tried. */
  readonly most: number;
}

/** What happened at a value. */
export interface TriedRun {
  /** Devices, or Mbit/s. */
  readonly value: number;
  /** Why it broke the criteria; empty where it kept them. */
  readonly broken: readonly string[];
  readonly run: RunResult;
}

/** The answer for one policy on one link with one bundle. */
export interface Answer {
  readonly bundle: string;
  readonly link: string;
  readonly policy: string;
  /** Of the fleet, where its size is not what is sought. */
  readonly devices?: number;
  /** `never`: the criteria do not hold even at the easiest value. `always`: they do at the hardest. */
  readonly outcome: 'found' | 'never' | 'always';
  /** The hardest value at which they held. */
  readonly value?: number;
  readonly kept?: TriedRun;
  /** The easiest value at which they did not hold. */
  readonly broke?: TriedRun;
  readonly runs: number;
}

export const usualMost = { devices: 100_000, bandwidth: 1000 } as const;
/** A kilobit a second: slower than any link that is worth a thought. */
const leastMbps = 0.001;
/** With fewer images an interval is so wide that the smallest fleet would break what a larger one keeps. */
const leastImages = 2000;
/** So many images for each that may be missed: with 4, none missed would still leave the share in doubt. */
const imagesPerMiss = 8;

/** Answers a planning question for every bundle, link and policy of a scenario, and for every fleet where links are asked about. */
export async function findAnswers(
  prepared: PreparedScenario,
  question: Question,
  run: RunCell,
  onProgress: (done: number, total: number) => void,
): Promise<Answer[]> {
  const searches = searchesOf(prepared, question);
  let done = 0;
  const search = async (cell: Cell) => {
    const answer = await answerOf(prepared, question, cell, run);
    onProgress(++done, searches.length);
    return answer;
  };
  return Promise.all(searches.map(search));
}

/** One for each, whatever fleets the scenario lists where these are what is sought. */
function searchesOf(prepared: PreparedScenario, { sought }: Question): Cell[] {
  const { scenario } = prepared;
  if (sought === 'bandwidth') return cellsOf(prepared);
  return cellsOf({ ...prepared, scenario: { ...scenario, devices: [1] } });
}

async function answerOf(
  prepared: PreparedScenario,
  { sought, criteria, most }: Question,
  cell: Cell,
  run: RunCell,
): Promise<Answer> {
  const lengthOf = runLength(prepared, criteria, cell);
  const attempt = async (value: number): Promise<TriedRun> => {
    const changed = sought === 'devices' ? { ...cell, devices: value } : { ...cell, uplinkMbps: value };
    const result = await run({ ...changed, seconds: lengthOf(changed.devices) });
    return { value, broken: brokenBy(criteria, result), run: result };
  };
  const { kept, broke, runs } = await bisect(
    axisOf(sought, most),
    attempt,
    ({ broken }) => broken.length === 0,
  );
  const { bundle, link, policy } = (kept ?? broke)?.found.run ?? { bundle: '', link: '', policy: '' };
  return {
    ...{ bundle, link, policy },
    ...(sought === 'bandwidth' && { devices: cell.devices }),
    outcome: kept === undefined ? 'never' : broke === undefined ? 'always' : 'found',
    ...(kept !== undefined && { value: kept.value, kept: kept.found }),
    ...(broke !== undefined && { broke: broke.found }),
    runs,
  };
}

function axisOf(sought: Sought, most: number): Axis {
  if (sought === 'devices') return { easiest: 1, hardest: most, step: 'whole' };
  return { easiest: most, hardest: Math.min(leastMbps, most), step: 'any' };
}

/** Seconds for which images come to so many devices: the scenario's, or until enough are counted. */
function runLength(
  { scenario, bundles }: PreparedScenario,
  { miss = 1 }: Criteria,
  { bundle }: Cell,
): (devices: number) => number {
  const arrivals = bundles[bundle]?.arrivals;
  const perSecond = arrivals === undefined ? 1 : imagesPerSecond(arrivals);
  const { seconds, warmUpSeconds = 0 } = scenario;
  const images = Math.max(leastImages, imagesPerMiss / miss);
  return (devices) => Math.max(seconds, warmUpSeconds + images / (perSecond * devices));
}

function imagesPerSecond(arrivals: Arrivals): number {
  return arrivals.kind === 'trace'
    ? (1000 * arrivals.atMs.length) / arrivals.lengthMs
    : arrivals.imagesPerSecond;
}
