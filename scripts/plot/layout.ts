import type { Scale } from './scale.ts';
import type { Axis, ChartSpec, Series } from './spec.ts';
import { fontPixels } from './style.ts';

/** A rectangle in pixels, y downwards. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A place in the document, y downwards. */
export interface Pixel {
  readonly x: number;
  readonly y: number;
}

/** The plot with its scales: all that is needed to find a point's pixels. */
export interface Plane {
  /** The rectangle between the axes. */
  readonly plot: Box;
  readonly xScale: Scale;
  readonly yScale: Scale;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly subtitle: readonly WordLine[];
  readonly legend: readonly LegendEntry[];
  readonly plot: Box;
}

/** Words that begin at a point of the base line. */
export interface WordLine {
  readonly words: string;
  readonly x: number;
  readonly y: number;
}

export interface LegendEntry extends WordLine {
  readonly series: Series;
}

export const margin = 20;
export const headingBaseline = 30;
/** Length of a tick and the room between it and its text. */
export const tickLength = 5;
export const swatchWidth = 26;

const defaultSize = { width: 760, height: 480 };
const lineHeight = 19;
const entryGap = 20;
const swatchGap = 7;

/** Width of words in pixels, estimated: no font is at hand. Wide enough for the fonts of the style, mostly too wide. */
export function textWidth(words: string, fontSize: number): number {
  return words.length * fontSize * 0.56;
}

/** Shares the room of a chart out: heading, subtitle and legend above, axes around the plot. */
export function layOut(spec: ChartSpec, yScale: Scale): Layout {
  const { width = defaultSize.width, height = defaultSize.height } = spec;
  const room = width - 2 * margin;
  const subtitle = wrapped(spec.subtitle ?? '', room).map((words, index) => {
    return { words, x: margin, y: headingBaseline + (index + 1) * lineHeight };
  });
  const legendTop = headingBaseline + subtitle.length * lineHeight + 24;
  const legend = layLegend(spec.series, legendTop, room);
  const top = (legend.at(-1)?.y ?? legendTop - lineHeight) + 18;
  const left = margin + lineHeight + widestTick(spec.y, yScale) + tickLength + 4;
  const below = tickLength + 2 * lineHeight + 12;
  // Half of the last tick's text reaches over the end of the axis.
  const right = margin + 10;
  const plot = { x: left, y: top, width: width - left - right, height: height - top - below };
  return { width, height, subtitle, legend, plot };
}

/** Pixels of a point. */
export function toPixels({ plot, xScale, yScale }: Plane, x: number, y: number): Pixel {
  return {
    x: plot.x + xScale.place(x) * plot.width,
    y: plot.y + (1 - yScale.place(y)) * plot.height,
  };
}

/** Text of a tick of an axis. */
export function tickText({ format }: Axis, scale: Scale, tick: number): string {
  return format === undefined ? scale.format(tick) : format(tick);
}

function widestTick(axis: Axis, scale: Scale): number {
  return Math.max(...scale.ticks.map((tick) => textWidth(tickText(axis, scale, tick), fontPixels.words)));
}

function layLegend(series: readonly Series[], top: number, room: number): LegendEntry[] {
  const entries: LegendEntry[] = [];
  let x = 0;
  let y = top;
  for (const one of series) {
    if (one.name === undefined) continue;
    const entryWidth = swatchWidth + swatchGap + textWidth(one.name, fontPixels.words);
    if (x > 0 && x + entryWidth > room) {
      x = 0;
      y += lineHeight;
    }
    entries.push({ series: one, words: one.name, x: margin + x + swatchWidth + swatchGap, y });
    x += entryWidth + entryGap;
  }
  return entries;
}

/** Breaks words into lines of at most `room` pixels; a single longer word stays whole. */
function wrapped(words: string, room: number): string[] {
  const lines: string[] = [];
  for (const word of words.split(' ').filter((part) => part !== '')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`;
    if (lines.length > 0 && textWidth(longer, fontPixels.words) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
