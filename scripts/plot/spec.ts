/** Place of a colour in the palette: six that differ to colour-blind eyes too, and grey for what stays in the background. */
export type Tone = 'blue' | 'orange' | 'green' | 'purple' | 'red' | 'teal' | 'grey';

/** Forms of a mark; series differ by form as well as by tone, so that a chart reads without colours. */
export type MarkShape = 'dot' | 'ring' | 'square' | 'diamond' | 'triangle' | 'cross' | 'star';

/** Small dots for points that only count as a crowd: they take a tenth of the bytes, and have neither labels nor hints. */
export type CrowdShape = 'speck';

export type Stroke = 'solid' | 'dashed' | 'dotted';

export interface Point {
  /** In the unit of the axis. */
  readonly x: number;
  readonly y: number;
  /** Text drawn beside the point, where it covers nothing. */
  readonly label?: string;
  /** Text a browser shows while the mouse rests on the mark. */
  readonly hint?: string;
}

/** A line through points in the order given. */
export interface LineSeries {
  readonly kind: 'line';
  /** Text in the legend; no entry when absent. */
  readonly name?: string;
  readonly tone: Tone;
  /** Default: `solid`. */
  readonly stroke?: Stroke;
  readonly points: readonly Point[];
  /** Drawn at every point of the line as well. */
  readonly marks?: MarkShape;
}

/** Marks without a line. */
export interface PointSeries {
  readonly kind: 'points';
  readonly name?: string;
  readonly tone: Tone;
  readonly shape: MarkShape | CrowdShape;
  /** Half the width of a mark in pixels. Default: 5; specks have a size of their own. */
  readonly radius?: number;
  readonly points: readonly Point[];
}

/** A straight line across the whole plot at one value, such as an accuracy to compare with. */
export interface GuideSeries {
  readonly kind: 'guide';
  readonly name?: string;
  readonly tone: Tone;
  readonly stroke?: Stroke;
  /** Which axis `at` is a value of: `y` draws from left to right, `x` from bottom to top. */
  readonly axis: 'x' | 'y';
  readonly at: number;
}

/** How far an area reaches at one value of the x axis. */
export interface Reach {
  readonly x: number;
  /** Its lower edge, in the unit of the y axis. */
  readonly from: number;
  /** Its upper edge. */
  readonly to: number;
}

/** A filled area between two edges; areas that lie on each other make a stack. */
export interface AreaSeries {
  readonly kind: 'area';
  readonly name?: string;
  readonly tone: Tone;
  /** From left to right. */
  readonly reaches: readonly Reach[];
}

export type Series = LineSeries | PointSeries | GuideSeries | AreaSeries;

export interface Axis {
  /** What is shown and in which unit, such as `mean time per image (ms)`. */
  readonly label: string;
  /** Default: `linear`. A `log` axis takes values above 0 only. */
  readonly scale?: 'linear' | 'log';
  /** First value shown. Default: a round number below the data; never above the data. */
  readonly from?: number;
  /** Last value shown. Default: a round number above the data; never below the data. */
  readonly to?: number;
  /** Text of a tick. Default: as few decimals as tell the ticks apart, and SI prefixes from 10,000 on. */
  readonly format?: (value: number) => string;
}

export interface ChartSpec {
  /** Makes ids in the document unique, should a page hold several charts: letters, digits and hyphens. */
  readonly id: string;
  /** Heading, and the name that a screen reader says. */
  readonly title: string;
  /** Line below the heading: what was measured, on which images, where. */
  readonly subtitle?: string;
  /** What is to be seen, in sentences, for those who do not see it. */
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  /** In the order they are drawn: later ones lie on top. */
  readonly series: readonly Series[];
  /** Size in pixels. Default: 760 x 480. */
  readonly width?: number;
  readonly height?: number;
}
