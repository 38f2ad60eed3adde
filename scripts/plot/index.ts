/**
 * Charts as SVG text: pure functions, no DOM, nothing read or written.
 *
 *     const svg = renderChart({
 *       id: 'rate',
 *       title: 'Accuracy against bytes per image',
 *       description: 'Two falling curves; that of the codes lies left of that of WebP.',
 *       x: { label: 'bytes per image', scale: 'log' },
 *       y: { label: 'accuracy (%)', format: (value) => value.toFixed(1) },
 *       series: [
 *         { kind: 'line', name: 'codes', tone: 'blue', marks: 'dot', points: [{ x: 44, y: 91, label: '4 channels' }] },
 *         { kind: 'line', name: 'WebP', tone: 'orange', stroke: 'dashed', marks: 'square', points },
 *         { kind: 'guide', name: 'uncompressed', tone: 'grey', axis: 'y', at: 93.1 },
 *       ],
 *     });
 */
export { renderChart, renderPageChart } from './chart.ts';
export { linearScale, logScale, type Scale, type ScaleEnds } from './scale.ts';
export type {
  AreaSeries,
  Axis,
  ChartSpec,
  CrowdShape,
  GuideSeries,
  LineSeries,
  MarkShape,
  Point,
  PointSeries,
  Reach,
  Series,
  Stroke,
  Tone,
} from './spec.ts';
export { type Palette, pageChartRules, palettes } from './style.ts';
