import { renderChart, type Tone } from '../plot/index.ts';
import type { RunResult } from '../simulate/index.ts';
import type { LiveDocument } from './documents.ts';
import { gridOf } from './links.ts';

/** A chart's file and text. */
export interface ChartFile {
  readonly name: string;
  readonly svg: string;
  readonly alt: string;
}

const tones: readonly Tone[] = ['blue', 'orange', 'green', 'purple', 'red', 'teal', 'grey'];
const strokes = ['solid', 'dashed', 'dotted'] as const;

/** Share of images answered within a time, a line for each policy; a chart for each link. */
export function latencyCharts(results: readonly RunResult[], stem: string, about: string): ChartFile[] {
  const grid = gridOf(results);
  return grid.links.map((link, index) => {
    const runs = grid.policies.flatMap((policy) => grid.find(link, policy) ?? []);
    const alt = `Latency of each policy on ${link}: share of images answered within a time`;
    const svg = renderChart({
      id: `${stem}-${index + 1}`,
      title: link,
      subtitle: about,
      description: `${alt}. Medians: ${runs.map(({ policy, latencyMs }) => `${policy} ${latencyMs.p50.ms.toFixed(1)} ms`).join(', ')}.`,
      x: { label: 'latency (ms)', scale: 'log' },
      y: { label: 'answered (%)', from: 0, to: 100 },
      series: runs.map(({ policy, cdfMs }, at) => ({
        kind: 'line',
        name: policy,
        tone: tones[at % tones.length] ?? 'grey',
        stroke: strokes[Math.floor(at / tones.length) % strokes.length] ?? 'solid',
        points: cdfMs
          .map((latencyMs, place) => ({ x: latencyMs, y: (100 * place) / (cdfMs.length - 1) }))
          .filter(({ x }) => Number.isFinite(x) && x > 0),
      })),
    });
    return { name: `${stem}-${fileWord(link)}.svg`, svg, alt };
  });
}

/** Simulated against measured, medians and 95th percentiles; on the line they are the same. */
export function againstChart({ results, simulated = [] }: LiveDocument, name: string): ChartFile {
  const pairs = results.flatMap((live) => {
    const twin = simulated.find(({ link, policy }) => link === live.link && policy === live.policy);
    return twin === undefined ? [] : [{ live, twin }];
  });
  const points = (of: (run: RunResult) => number) =>
    pairs.map(({ live, twin }) => ({ x: of(live), y: of(twin), hint: `${live.link}, ${live.policy}` }));
  const medians = points(({ latencyMs }) => latencyMs.p50.ms);
  const tails = points(({ latencyMs }) => latencyMs.p95.ms);
  const all = [...medians, ...tails].flatMap(({ x, y }) => [x, y]);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const alt = 'Simulated latency against that of real processes, medians and 95th percentiles';
  const svg = renderChart({
    id: 'against-live',
    title: 'Simulated against real processes',
    subtitle: `${pairs.length} runs; on the dashed line both are the same`,
    description: `${alt}: all points lie near the diagonal where the simulation is right.`,
    ...{ width: 620, height: 520 },
    x: { label: 'real (ms)', scale: 'log' },
    y: { label: 'simulated (ms)', scale: 'log' },
    series: [
      { kind: 'line', tone: 'grey', stroke: 'dashed', points: [least, most].map((at) => ({ x: at, y: at })) },
      { kind: 'points', name: 'median', tone: 'blue', shape: 'dot', points: medians },
      { kind: 'points', name: '95th percentile', tone: 'orange', shape: 'diamond', points: tails },
    ],
  });
  return { name, svg, alt };
}

function fileWord(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
