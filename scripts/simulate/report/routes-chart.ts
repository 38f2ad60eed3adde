import { type Reach, renderPageChart, type Series, type Tone } from '../../plot/index.ts';
import type { RouteShares } from '../result.ts';
import type { Drawing } from './charts.ts';
import { drawn, type Markup } from './html.ts';
import { hasImages, type ReportedRun } from './source.ts';
import { listed, percentWords, shortened } from './words.ts';

export interface Route {
  readonly key: keyof RouteShares;
  readonly name: string;
  readonly tone: Tone;
}

/** In the order of the stack, the device's own at the bottom. */
export const routes: readonly Route[] = [
  { key: 'exit', name: 'exit', tone: 'green' },
  { key: 'edgeOnly', name: 'edge-only', tone: 'grey' },
  { key: 'features', name: 'features', tone: 'blue' },
  { key: 'image', name: 'image', tone: 'orange' },
];

/** Answers of each route between two moments. */
interface Bin {
  readonly from: number;
  readonly to: number;
  readonly counts: RouteShares;
}

const size = { width: 330, height: 230 };
const longestName = 32;
/** Shares of fewer answers jump about by themselves. */
const leastPerBin = 12;
const times = [
  { unit: 's', seconds: 1 },
  { unit: 'min', seconds: 60 },
  { unit: 'h', seconds: 3600 },
] as const;

/** The route that all answers of a run took, where there is only one: a chart would show nothing else. */
export function onlyRoute(run: ReportedRun): Route | undefined {
  return routes.find(({ key }) => run.routes[key] === 1);
}

/** How a policy's answers are shared out among the routes as time goes by: a stack. */
export function routesChart(id: string, run: ReportedRun, { kind }: Drawing, fromSeconds: number): Markup[] {
  const bins = hasImages(run) ? merged(binsOf(run, fromSeconds), run.images) : [];
  const last = bins.at(-1);
  if (last === undefined) return [];
  const { unit, seconds } = [...times].reverse().find((one) => last.to >= 3 * one.seconds) ?? times[0];
  const taken = routes.filter(({ key }) => run.routes[key] > 0);
  const shares = listed(taken.map(({ key, name }) => `${name} ${percentWords(run.routes[key])}`));
  const series = taken.map(({ key, tone }, place): Series => {
    const below = taken.slice(0, place).map((route) => route.key);
    return {
      kind: 'area',
      tone,
      reaches: withoutRepeats(bins.flatMap((bin) => steps(bin, below, key, seconds))),
    };
  });
  if (series.length === 0) return [];
  const svg = renderPageChart({
    ...size,
    id,
    title: shortened(run.policy, longestName),
    description: `Shares of the routes over time, ${kind}; over the whole: ${shares}.`,
    x: { label: `time (${unit})`, from: (bins[0]?.from ?? 0) / seconds, to: last.to / seconds },
    y: { label: 'answers (%)', from: 0, to: 100 },
    series,
  });
  return [drawn(svg)];
}

/** Those of the warm-up are empty, and left out. */
function binsOf({ overTime }: ReportedRun, fromSeconds: number): Bin[] {
  const width = (overTime[1]?.atSeconds ?? 0) - (overTime[0]?.atSeconds ?? 0);
  const bins = overTime.map((counts) => ({ from: counts.atSeconds, to: counts.atSeconds + width, counts }));
  return width > 0 ? bins.filter(({ to }) => to > fromSeconds) : [];
}

/** Puts neighbours together until a bin has enough answers for shares. */
function merged(bins: readonly Bin[], images: number): Bin[] {
  const together = Math.max(1, Math.ceil((leastPerBin * bins.length) / images));
  return Array.from({ length: Math.ceil(bins.length / together) }, (_, place) =>
    bins.slice(place * together, (place + 1) * together),
  ).flatMap((part) => {
    const [first, last] = [part[0], part.at(-1)];
    if (first === undefined || last === undefined) return [];
    const sum = (key: keyof RouteShares) => part.reduce((total, { counts }) => total + counts[key], 0);
    const counts = {
      exit: sum('exit'),
      features: sum('features'),
      image: sum('image'),
      edgeOnly: sum('edgeOnly'),
    };
    return [{ from: first.from, to: last.to, counts }];
  });
}

/** A route's reach from a bin's beginning to its end; none where nothing was answered. */
function steps(
  { from, to, counts }: Bin,
  below: readonly (keyof RouteShares)[],
  key: keyof RouteShares,
  secondsPerUnit: number,
): Reach[] {
  const answers = counts.exit + counts.features + counts.image + counts.edgeOnly;
  const percent = (count: number) => (answers === 0 ? 0 : (100 * count) / answers);
  const under = below.reduce((sum, route) => sum + counts[route], 0);
  const reach = { from: percent(under), to: percent(under + counts[key]) };
  return [from, to].map((at) => ({ x: at / secondsPerUnit, ...reach }));
}

/** Without those between two that reach as far: a share that never changes is two points. */
function withoutRepeats(reaches: readonly Reach[]): Reach[] {
  const same = (one: Reach, other: Reach | undefined) => one.from === other?.from && one.to === other.to;
  return reaches.filter((reach, at) => !same(reach, reaches[at - 1]) || !same(reach, reaches[at + 1]));
}
