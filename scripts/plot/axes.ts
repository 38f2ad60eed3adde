import { type Box, type Plane, tickLength, tickText } from './layout.ts';
import type { Scale } from './scale.ts';
import type { Axis } from './spec.ts';
import { element, pixels, textElement } from './svg.ts';

/** Grid, axes, ticks and what the axes show. */
export function drawAxes(x: Axis, y: Axis, plane: Plane): string {
  const { plot, xScale, yScale } = plane;
  const bottom = plot.y + plot.height;
  return element('g', {}, [
    ...xScale.ticks.map((tick) => xTick(x, xScale, tick, plot)),
    ...yScale.ticks.map((tick) => yTick(y, yScale, tick, plot)),
    element('line', { class: 'axis', x1: plot.x, y1: bottom, x2: plot.x + plot.width, y2: bottom }),
    element('line', { class: 'axis', x1: plot.x, y1: plot.y, x2: plot.x, y2: bottom }),
    textElement(x.label, {
      x: plot.x + plot.width / 2,
      y: bottom + tickLength + 38,
      'text-anchor': 'middle',
    }),
    sideways(y.label, 28, plot.y + plot.height / 2),
  ]);
}

function xTick(axis: Axis, scale: Scale, tick: number, plot: Box): string {
  const x = plot.x + scale.place(tick) * plot.width;
  const bottom = plot.y + plot.height;
  return [
    element('line', { class: 'grid', x1: x, y1: plot.y, x2: x, y2: bottom }),
    element('line', { class: 'axis', x1: x, y1: bottom, x2: x, y2: bottom + tickLength }),
    textElement(tickText(axis, scale, tick), {
      class: 'faint',
      x,
      y: bottom + tickLength + 15,
      'text-anchor': 'middle',
    }),
  ].join('\n');
}

function yTick(axis: Axis, scale: Scale, tick: number, plot: Box): string {
  const y = plot.y + (1 - scale.place(tick)) * plot.height;
  return [
    element('line', { class: 'grid', x1: plot.x, y1: y, x2: plot.x + plot.width, y2: y }),
    element('line', { class: 'axis', x1: plot.x - tickLength, y1: y, x2: plot.x, y2: y }),
    textElement(tickText(axis, scale, tick), {
      class: 'faint',
      x: plot.x - tickLength - 4,
      y: y + 4.5,
      'text-anchor': 'end',
    }),
  ].join('\n');
}

function sideways(words: string, x: number, y: number): string {
  return textElement(words, {
    'text-anchor': 'middle',
    transform: `translate(${pixels(x)} ${pixels(y)}) rotate(-90)`,
  });
}
