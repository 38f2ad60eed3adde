import { type LineSeries, renderPageChart, type Series } from '../../plot/index.ts';
import { drawn, type Markup } from './html.ts';
import type { Look } from './looks.ts';
import { type Fleet, hasImages, type LinkRuns, type ReportedRun } from './source.ts';
import { paretoFront } from './verdict.ts';
import { deviceWords, msWords, percentWords, rangeWords, shortened } from './words.ts';

/** What all charts of a report have in common. */
export interface Drawing {
  readonly look: (policy: string) => Look;
  readonly hindsight: ReadonlySet<string>;
  readonly budgetMs: number;
  /** `simulated` or `live`. */
  readonly kind: string;
}

const width = 520;
const longest = { legend: 26, label: 22, place: 24 };
/** Without the legend, of which a row takes so much. */
const height = { plot: 320, legendRow: 19, entriesPerRow: 3 };
/** Axes with a larger ratio between their ends are logarithmic. */
const logRatio = 8;

/** Latency distributions of a fleet's policies, a line each. */
export function latencyChart(id: string, group: LinkRuns, fleet: Fleet, drawing: Drawing): Markup[] {
  const runs = drawable(fleet);
  if (runs.length === 0) return [];
  const lines = runs.map((run) => ({
    kind: 'line' as const,
    ...lineLook(run, drawing),
    points: run.cdfMs
      .map((ms, at) => ({ x: ms, y: (100 * at) / (run.cdfMs.length - 1) }))
      .filter(({ x }) => Number.isFinite(x) && x > 0),
  }));
  const slowest = Math.max(...lines.flatMap(({ points }) => points.map(({ x }) => x)));
  if (!Number.isFinite(slowest)) return [];
  const medians = runs.map(({ policy, latencyMs }) => `${policy} ${msWords(latencyMs.p50.ms)}`);
  const svg = renderPageChart({
    ...{ width, height: heightFor(runs.length) },
    id,
    title: `Latency: ${placeOf(group, fleet)}`,
    subtitle: `Share of images answered within a time. ${basisOf(runs, drawing)}.`,
    description: `A rising curve for each policy; further left is faster. Medians: ${medians.join(', ')}.`,
    x: { label: 'latency (ms)', scale: 'log' },
    y: { label: 'answered (%)', from: 0, to: 100 },
    series: [...budgetGuide('x', slowest, drawing), ...inBackgroundFirst(lines)],
  });
  return [drawn(svg)];
}

/** Share of right answers against mean latency, with the front that no policy is beyond. */
export function accuracyChart(id: string, group: LinkRuns, fleet: Fleet, drawing: Drawing): Markup[] {
  const runs = drawable(fleet);
  if (runs.length === 0) return [];
  const front = paretoFront(runs, drawing.hindsight);
  const places = runs.map(({ latencyMs, accuracy }) => ({ x: latencyMs.mean.ms, y: 100 * accuracy.share }));
  // Where it would end by itself may be beyond what a share can be.
  const highest = Math.max(...runs.map(({ accuracy }) => 100 * accuracy.interval[1]));
  const svg = renderPageChart({
    ...{ width, height: heightFor(runs.length) },
    id,
    title: `Accuracy: ${placeOf(group, fleet)}`,
    subtitle: `Up and to the left is better; bars are 95 % intervals. ${basisOf(runs, drawing)}.`,
    description: `A mark for each policy. On the Pareto front, which no policy beats in both: ${namesOf(front)}.`,
    x: { label: 'mean latency (ms)', ...ratioScale(places.map(({ x }) => x)) },
    y: { label: 'right answers (%)', ...(highest > 99 && { to: 100 }) },
    series: [
      ...frontLine(front),
      ...runs.map((run) => accuracyBar(run, drawing)),
      ...runs.map((run): Series => {
        const { tone, shape } = drawing.look(run.policy);
        const point = { x: run.latencyMs.mean.ms, y: 100 * run.accuracy.share };
        const hint = `${run.policy}: ${percentWords(run.accuracy.share)} right, ${msWords(point.x)}`;
        const label = shortened(run.policy, longest.label);
        return { kind: 'points', tone, shape, radius: 6, points: [{ ...point, label, hint }] };
      }),
    ],
  });
  return [drawn(svg)];
}

/** The 95th percentile over the number of devices, where there are several. */
export function growthChart(id: string, group: LinkRuns, drawing: Drawing): Markup[] {
  const runs = group.runs.filter((run) => hasImages(run) && run.latencyMs.p95.ms > 0);
  const sizes = new Set(runs.map(({ devices }) => devices));
  if (sizes.size < 2) return [];
  const policies = [...new Set(runs.map(({ policy }) => policy))];
  const lines = policies.map((policy): LineSeries => {
    const own = runs.filter((run) => run.policy === policy).sort((a, b) => a.devices - b.devices);
    const points = own.map(({ devices, latencyMs }) => {
      const hint = `${policy}, ${deviceWords(devices)}: ${msWords(latencyMs.p95.ms)}`;
      return { x: devices, y: latencyMs.p95.ms, hint };
    });
    return { kind: 'line', ...lineLook({ policy }, drawing), marks: drawing.look(policy).shape, points };
  });
  const heights = runs.map(({ latencyMs }) => latencyMs.p95.ms);
  const ends = lines.flatMap(({ points }, at) => {
    const last = points.at(-1);
    return last === undefined ? [] : [`${policies[at]} ${msWords(last.y)} with ${deviceWords(last.x)}`];
  });
  const svg = renderPageChart({
    ...{ width, height: heightFor(lines.length) },
    id,
    title: `95th percentile by fleet: ${shortened(group.link, longest.place)}`,
    subtitle: `95 of 100 images are answered by then. ${basisOf(runs, drawing)}.`,
    description: `A line for each policy over the number of devices. At their ends: ${ends.join(', ')}.`,
    x: { label: 'devices', ...ratioScale([...sizes]) },
    y: { label: '95th percentile (ms)', ...ratioScale(heights) },
    series: [...budgetGuide('y', Math.max(...heights), drawing), ...inBackgroundFirst(lines)],
  });
  return [drawn(svg)];
}

/** Charts beside each other are of the same height, and their plots too large to be squeezed by a long legend. */
function heightFor(entries: number): number {
  return height.plot + height.legendRow * Math.ceil(entries / height.entriesPerRow);
}

/** On a logarithmic axis nothing can be at 0. */
function drawable({ runs }: Fleet): ReportedRun[] {
  return runs.filter((run) => hasImages(run) && run.latencyMs.mean.ms > 0);
}

function lineLook(
  { policy }: Pick<ReportedRun, 'policy'>,
  { look }: Drawing,
): Omit<LineSeries, 'kind' | 'points'> {
  const { tone, stroke, isNamed } = look(policy);
  return { tone, stroke, ...(isNamed && { name: shortened(policy, longest.legend) }) };
}

/** Grey lines lie below the others, and those without a name of their own have one together. */
function inBackgroundFirst(lines: readonly LineSeries[]): LineSeries[] {
  const unnamed = lines.filter(({ name }) => name === undefined);
  const named = lines.filter(({ name }) => name !== undefined);
  const others = unnamed.map((line, at) => (at === 0 ? { ...line, name: 'other policies' } : line));
  const isGrey = ({ tone }: LineSeries) => tone === 'grey';
  return [...others, ...named.filter(isGrey), ...named.filter((line) => !isGrey(line))];
}

/** Where answers come near it; elsewhere it would only squeeze the lines. */
function budgetGuide(axis: 'x' | 'y', slowestMs: number, { budgetMs }: Drawing): Series[] {
  if (slowestMs < budgetMs / 2) return [];
  return [{ kind: 'guide', name: 'budget', tone: 'grey', stroke: 'dashed', axis, at: budgetMs }];
}

/** Steps: between two policies of the front one has at least the left one's accuracy. */
function frontLine(front: readonly ReportedRun[]): Series[] {
  if (front.length === 0) return [];
  const points = front.flatMap(({ latencyMs, accuracy }, at) => {
    const here = { x: latencyMs.mean.ms, y: 100 * accuracy.share };
    const before = front[at - 1];
    return before === undefined ? [here] : [{ x: here.x, y: 100 * before.accuracy.share }, here];
  });
  const rings = front.map(({ latencyMs, accuracy }) => ({ x: latencyMs.mean.ms, y: 100 * accuracy.share }));
  return [
    { kind: 'line', tone: 'grey', stroke: 'dotted', points },
    { kind: 'points', name: 'on the Pareto front', tone: 'grey', shape: 'ring', radius: 11, points: rings },
  ];
}

function accuracyBar({ policy, latencyMs, accuracy }: ReportedRun, { look }: Drawing): Series {
  const points = accuracy.interval.map((share) => ({ x: latencyMs.mean.ms, y: 100 * share }));
  return { kind: 'line', tone: look(policy).tone, points };
}

function ratioScale(values: readonly number[]): { scale: 'log' } | { from: number } {
  return Math.max(...values) / Math.min(...values) >= logRatio ? { scale: 'log' } : { from: 0 };
}

function placeOf({ link, fleets }: LinkRuns, { devices }: Fleet): string {
  const place = shortened(link, longest.place);
  return fleets.length === 1 && devices === 1 ? place : `${place}, ${deviceWords(devices)}`;
}

function basisOf(runs: readonly ReportedRun[], { kind }: Drawing): string {
  const words = `${kind}, ${rangeWords(runs.map(({ images }) => images))} images each`;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function namesOf(runs: readonly ReportedRun[]): string {
  return runs.map(({ policy }) => policy).join(', ');
}
