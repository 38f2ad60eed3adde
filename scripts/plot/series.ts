import { type Box, type LegendEntry, type Pixel, type Plane, swatchWidth, toPixels } from './layout.ts';
import type {
  AreaSeries,
  GuideSeries,
  LineSeries,
  MarkShape,
  Point,
  PointSeries,
  Series,
  Stroke,
} from './spec.ts';
import { type Attributes, element, pixels, wordsElement } from './svg.ts';

/** Half the width of a mark on a line, pixels. */
export const lineMarkRadius = 4;
/** Half the width of a mark without a line where the series does not say, pixels. */
export const defaultRadius = 5;
/** Width and height of an area's sample in the legend, pixels. */
const areaSwatch = 12;

const dashes: Readonly<Record<Stroke, Attributes>> = {
  solid: {},
  dashed: { 'stroke-dasharray': '7 5' },
  dotted: { 'stroke-dasharray': '1 5' },
};

/** One series as markup. */
export function drawSeries(series: Series, plane: Plane): string {
  switch (series.kind) {
    case 'line':
      return drawLine(series, plane);
    case 'points':
      return drawPoints(series, plane);
    case 'guide':
      return drawGuide(series, plane);
    case 'area':
      return drawArea(series, plane);
  }
}

/** The sample and the words of one legend entry. */
export function drawSwatch({ series, x, y }: LegendEntry): string {
  const from = x - swatchWidth - 7;
  const middle = from + swatchWidth / 2;
  const base = y - 4.5;
  const stroke = { x1: from, y1: base, x2: from + swatchWidth, y2: base };
  const line = (style: Stroke = 'solid') =>
    element('line', { class: `line ${series.tone}`, ...dashes[style], ...stroke });
  switch (series.kind) {
    case 'points': {
      const { shape, tone, radius = defaultRadius } = series;
      if (shape === 'speck')
        return specks(
          tone,
          [-6, 0, 6].map((dx) => ({ x: middle + dx, y: base })),
        );
      return drawMark(shape, tone, { x: middle, y: base }, Math.min(radius, 6));
    }
    case 'guide':
      return line(series.stroke ?? 'dashed');
    case 'area':
      return element('rect', {
        ...{ class: `area ${series.tone}`, x: middle - areaSwatch / 2, y: base - areaSwatch / 2 },
        ...{ width: areaSwatch, height: areaSwatch },
      });
    case 'line':
      if (series.marks === undefined) return line(series.stroke);
      return `${line(series.stroke)}\n${drawMark(series.marks, series.tone, { x: middle, y: base }, lineMarkRadius)}`;
  }
}

/** What of the plot is taken already, for labels to keep clear of. */
export function occupied(series: readonly Series[], plane: Plane): Box[] {
  return series.flatMap((one) => {
    if (one.kind === 'guide') {
      const { from, to } = guideEnds(one, plane);
      return alongLine([from, to]);
    }
    // Words have an edge of paper around them, and may lie on an area.
    if (one.kind === 'area') return [];
    const places = one.points.map(({ x, y }) => toPixels(plane, x, y));
    const radius = one.kind === 'points' ? radiusOf(one) : lineMarkRadius;
    const marks = places.map(({ x, y }) => around(x, y, radius));
    if (one.kind === 'points') return marks;
    return one.marks === undefined ? alongLine(places) : [...alongLine(places), ...marks];
  });
}

function radiusOf({ shape, radius = defaultRadius }: PointSeries): number {
  return shape === 'speck' ? 1.5 : radius;
}

function around(x: number, y: number, radius: number): Box {
  return { x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius };
}

/** Small boxes along a line, one every few pixels of its length. */
function alongLine(places: readonly Pixel[]): Box[] {
  const every = 5;
  const boxes: Box[] = [];
  let untilNext = 0;
  for (const [index, end] of places.entries()) {
    const start = places[index - 1] ?? end;
    const length = Math.hypot(end.x - start.x, end.y - start.y);
    let at = untilNext;
    for (; at < length; at += every) {
      const share = at / length;
      boxes.push(around(start.x + share * (end.x - start.x), start.y + share * (end.y - start.y), 3));
    }
    untilNext = at - length;
  }
  return boxes;
}

function drawLine({ points, tone, stroke = 'solid', marks }: LineSeries, plane: Plane): string {
  const places = points.map(({ x, y }) => toPixels(plane, x, y));
  const path = places
    .map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${pixels(x)} ${pixels(y)}`)
    .join('');
  const line = path === '' ? '' : element('path', { class: `line ${tone}`, ...dashes[stroke], d: path });
  const shape = marks;
  if (shape === undefined) return line;
  return [line, ...points.map((point) => drawPoint(shape, tone, point, plane, lineMarkRadius))].join('\n');
}

/** Along the upper edge to the right, and along the lower one back. */
function drawArea({ reaches, tone }: AreaSeries, plane: Plane): string {
  const upper = reaches.map(({ x, to }) => toPixels(plane, x, to));
  const lower = reaches.map(({ x, from }) => toPixels(plane, x, from)).reverse();
  if (upper.length === 0) return '';
  const path = [...upper, ...lower].map(({ x, y }) => `${pixels(x)} ${pixels(y)}`).join('L');
  return element('path', { class: `area ${tone}`, d: `M${path}Z` });
}

function drawPoints({ points, tone, shape, radius = defaultRadius }: PointSeries, plane: Plane): string {
  if (shape === 'speck') {
    return specks(
      tone,
      points.map(({ x, y }) => toPixels(plane, x, y)),
    );
  }
  return element(
    'g',
    {},
    points.map((point) => drawPoint(shape, tone, point, plane, radius)),
  );
}

/** Lines of no length with round ends; those that fall on the same tenth of a pixel are one. */
function specks(tone: string, places: readonly Pixel[]): string {
  const moves = new Set(places.map(({ x, y }) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`));
  return moves.size === 0 ? '' : element('path', { class: `line specks ${tone}`, d: [...moves].join('') });
}

function drawGuide(guide: GuideSeries, plane: Plane): string {
  const { from, to } = guideEnds(guide, plane);
  const style = { class: `line ${guide.tone}`, ...dashes[guide.stroke ?? 'dashed'] };
  return element('line', { ...style, x1: from.x, y1: from.y, x2: to.x, y2: to.y });
}

function guideEnds({ axis, at }: GuideSeries, plane: Plane): { from: Pixel; to: Pixel } {
  const { xScale, yScale } = plane;
  return axis === 'x'
    ? { from: toPixels(plane, at, yScale.from), to: toPixels(plane, at, yScale.to) }
    : { from: toPixels(plane, xScale.from, at), to: toPixels(plane, xScale.to, at) };
}

function drawPoint(shape: MarkShape, tone: string, point: Point, plane: Plane, radius: number): string {
  return drawMark(shape, tone, toPixels(plane, point.x, point.y), radius, point.hint);
}

function drawMark(shape: MarkShape, tone: string, { x, y }: Pixel, radius: number, hint?: string): string {
  const children = hint === undefined ? [] : [wordsElement('title', hint)];
  if (shape === 'dot' || shape === 'ring') {
    const kind = shape === 'dot' ? 'filled' : 'open';
    return element('circle', { class: `${kind} ${tone}`, cx: x, cy: y, r: radius }, children);
  }
  const kind = shape === 'cross' ? 'line' : 'filled';
  return element('path', { class: `${kind} ${tone}`, d: outline(shape, x, y, radius) }, children);
}

type Outlined = Exclude<MarkShape, 'dot' | 'ring'>;

/** Corners of a shape for a radius of 1, y downwards. */
const corners: Readonly<Record<Exclude<Outlined, 'cross' | 'star'>, readonly (readonly [number, number])[]>> =
  {
    square: [
      [-0.9, -0.9],
      [0.9, -0.9],
      [0.9, 0.9],
      [-0.9, 0.9],
    ],
    diamond: [
      [0, -1.25],
      [1.25, 0],
      [0, 1.25],
      [-1.25, 0],
    ],
    triangle: [
      [0, -1.1],
      [1.1, 0.9],
      [-1.1, 0.9],
    ],
  };

function outline(shape: Outlined, x: number, y: number, radius: number): string {
  const at = (dx: number, dy: number) => `${pixels(x + dx * radius)} ${pixels(y + dy * radius)}`;
  if (shape === 'cross') return `M${at(-1, -1)}L${at(1, 1)}M${at(-1, 1)}L${at(1, -1)}`;
  const edges = shape === 'star' ? star() : corners[shape];
  return `M${edges.map(([dx, dy]) => at(dx, dy)).join('L')}Z`;
}

function star(): [number, number][] {
  return Array.from({ length: 10 }, (_, index) => {
    const reach = index % 2 === 0 ? 1.4 : 0.6;
    const angle = (index * Math.PI) / 5;
    return [reach * Math.sin(angle), -reach * Math.cos(angle)];
  });
}
