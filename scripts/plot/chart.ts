import { drawAxes } from './axes.ts';
import { drawLabels, type LabelRequest, placeLabels } from './labels.ts';
import { headingBaseline, layOut, margin } from './layout.ts';
import { linearScale, logScale, type Scale } from './scale.ts';
import { defaultRadius, drawSeries, drawSwatch, lineMarkRadius, occupied } from './series.ts';
import type { Axis, ChartSpec, Series } from './spec.ts';
import { pageChartClass, styleSheet } from './style.ts';
import { type Attributes, document, element, textElement } from './svg.ts';

/**
 * Draws a chart as an SVG document of its own: light or dark as the reader's system asks for, no script, nothing loaded from
 * elsewhere. The same specification gives the same text.
 *
 * Throws `RangeError` for a chart without points, a value that is not finite, one of 0 or less on a `log` axis, and an id of other
 * characters.
 */
export function renderChart(spec: ChartSpec): string {
  return draw(spec, {}, [styleSheet(spec.id)]);
}

/**
 * Draws a chart for a page that has `pageChartRules()` in its own style sheet, which all its charts share: without that it has no
 * colours. Throws as `renderChart`.
 */
export function renderPageChart(spec: ChartSpec): string {
  return draw(spec, { class: pageChartClass }, []);
}

function draw(spec: ChartSpec, attributes: Attributes, style: readonly string[]): string {
  checkId(spec.id);
  const xScale = scaleOf(spec.x, valuesOn('x', spec.series), 'x');
  const yScale = scaleOf(spec.y, valuesOn('y', spec.series), 'y');
  const layout = layOut(spec, yScale);
  const plane = { plot: layout.plot, xScale, yScale };
  const labels = placeLabels(labelRequests(spec.series), plane, occupied(spec.series, plane));
  return document(spec, { ...layout, attributes }, [
    ...style,
    element('rect', { class: 'paper', width: layout.width, height: layout.height }),
    textElement(spec.title, { class: 'heading', x: margin, y: headingBaseline }),
    ...layout.subtitle.map(({ words, x, y }) => textElement(words, { class: 'faint', x, y })),
    ...layout.legend.flatMap((entry) => [
      drawSwatch(entry),
      textElement(entry.words, { x: entry.x, y: entry.y }),
    ]),
    drawAxes(spec.x, spec.y, plane),
    ...spec.series.map((series) => drawSeries(series, plane)),
    drawLabels(labels),
  ]);
}

function checkId(id: string): void {
  if (/^[A-Za-z][A-Za-z0-9-]*$/.test(id)) return;
  throw new RangeError(`chart: got id '${id}', expected a letter, then letters, digits and hyphens`);
}

function scaleOf({ scale = 'linear', from, to }: Axis, values: readonly number[], name: string): Scale {
  const wrong = values.find((value) => !Number.isFinite(value) || (scale === 'log' && value <= 0));
  if (wrong !== undefined || values.length === 0) {
    const expected = scale === 'log' ? 'finite values above 0' : 'finite values';
    throw new RangeError(`chart: got ${wrong ?? 'no value'} on the ${name} axis, expected ${expected}`);
  }
  const ends = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  return scale === 'log' ? logScale(values, ends) : linearScale(values, ends);
}

function valuesOn(axis: 'x' | 'y', series: readonly Series[]): number[] {
  return series.flatMap((one) => {
    if (one.kind === 'guide') return one.axis === axis ? [one.at] : [];
    if (one.kind === 'area')
      return one.reaches.flatMap(({ x, from, to }) => (axis === 'x' ? [x] : [from, to]));
    return one.points.map((point) => point[axis]);
  });
}

function labelRequests(series: readonly Series[]): LabelRequest[] {
  return series.flatMap((one) => {
    if (one.kind === 'guide' || one.kind === 'area' || (one.kind === 'points' && one.shape === 'speck'))
      return [];
    const radius = one.kind === 'points' ? (one.radius ?? defaultRadius) : lineMarkRadius;
    return one.points.flatMap(({ x, y, label }) =>
      label === undefined ? [] : [{ x, y, text: label, radius }],
    );
  });
}
