import type { ResultFile } from '../../evaluate/result-files.ts';
import { type LineSeries, renderChart } from '../../plot/index.ts';
import type { JudgedPoint, Sweep } from './sweep.ts';

type Look = Pick<LineSeries, 'tone' | 'stroke' | 'marks'>;

const looks: Readonly<Record<string, Look>> = {
  fifo: { tone: 'grey', stroke: 'dashed', marks: 'cross' },
  edf: { tone: 'purple', stroke: 'dashed', marks: 'triangle' },
  'lqf-final': { tone: 'red', stroke: 'dashed', marks: 'square' },
  'lqf-time': { tone: 'teal', marks: 'ring' },
  edgeserving: { tone: 'orange', marks: 'diamond' },
  'lqf-first': { tone: 'green', stroke: 'dotted', marks: 'star' },
  offramp: { tone: 'blue', marks: 'dot' },
};
const plain: Look = { tone: 'grey' };

const charts = [
  { name: 'violations', figure: 'violationRatio', factor: 100, label: 'deadline violations (%)' },
  { name: 'p95', figure: 'p95Ms', factor: 1, label: 'P95 latency of all requests (ms)' },
  { name: 'right-in-time', figure: 'rightInTime', factor: 100, label: 'right answers in time (%)' },
  { name: 'depth', figure: 'meanDepth', factor: 1, label: 'mean exit depth (1: the final exit)' },
] as const;

/** Charts over the load, as SVG: `scheduler-sloMS-violations.svg` and so on for every SLO. */
export function drawSweep({ points }: Sweep, about: string): ResultFile[] {
  const slos = [...new Set(points.map(({ sloMs }) => sloMs))];
  return slos.flatMap((sloMs) => {
    const own = points.filter((point) => point.sloMs === sloMs);
    return charts.map((chart) => ({
      name: `scheduler-slo${sloMs}-${chart.name}.svg`,
      text: drawChart(own, sloMs, chart, about),
    }));
  });
}

function drawChart(
  points: readonly JudgedPoint[],
  sloMs: number,
  { name, figure, factor, label }: (typeof charts)[number],
  about: string,
): string {
  const names = points[0]?.schedulers.map((scheduler) => scheduler.name) ?? [];
  return renderChart({
    id: `scheduler-slo${String(sloMs).replace('.', '-')}-${name}`,
    title: `Schedulers by load, SLO ${sloMs} ms`,
    subtitle: about,
    description: `${label} of ${names.join(', ')} over the load, a line each.`,
    x: { label: 'load, relative to full batches to the final exit', from: 0 },
    y: { label, from: 0 },
    series: names.map((scheduler) => ({
      kind: 'line' as const,
      name: scheduler,
      ...(looks[scheduler] ?? plain),
      points: points.flatMap(({ load, schedulers }) => {
        const y =
          (schedulers.find((one) => one.name === scheduler)?.figures[figure].mean ?? Number.NaN) * factor;
        return Number.isFinite(y) ? [{ x: load, y }] : [];
      }),
    })),
  });
}
