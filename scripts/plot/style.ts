import type { Tone } from './spec.ts';

/** Colours of one mode. Text and marks stand out from `paper` as WCAG 2.2 asks: text 4.5 to 1, marks 3 to 1. */
export interface Palette {
  readonly paper: string;
  readonly ink: string;
  readonly faint: string;
  readonly grid: string;
  readonly axis: string;
  readonly tones: Readonly<Record<Tone, string>>;
}

export const palettes: Readonly<Record<'light' | 'dark', Palette>> = {
  light: {
    paper: '#ffffff',
    ink: '#1f2328',
    faint: '#59636e',
    grid: '#e4e8ec',
    axis: '#818b98',
    tones: {
      blue: '#0061c2',
      orange: '#c24e00',
      green: '#1a7f37',
      purple: '#8250df',
      red: '#cf222e',
      teal: '#0e7c86',
      grey: '#848d97',
    },
  },
  dark: {
    paper: '#0d1117',
    ink: '#f0f6fc',
    faint: '#9ba5b0',
    grid: '#21282f',
    axis: '#7a828e',
    tones: {
      blue: '#58a6ff',
      orange: '#f0883e',
      green: '#3fb950',
      purple: '#be8fff',
      red: '#ff7b72',
      teal: '#39c5cf',
      grey: '#757d87',
    },
  },
};

/** Sizes in pixels that both the style and the layout need. */
export const fontPixels = { heading: 17, words: 13, label: 12 } as const;

const family = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/**
 * The style of a chart. Rules begin with its id, so that nothing of it reaches a page that the document is put into. The chart
 * paints its own paper: on a page that is dark while the system is light it stays readable.
 */
export function styleSheet(id: string): string {
  return `<style>\n${scopedRules(`#${id}`)}\n</style>`;
}

/** Class of charts that share the style sheet of the page they are in. */
export const pageChartClass = 'chart';

/** The rules for all charts of a page that were drawn by `renderPageChart`, for the page's own style sheet. */
export function pageChartRules(): string {
  return scopedRules(`.${pageChartClass}`);
}

function scopedRules(scope: string): string {
  const light = colourRules(scope, palettes.light);
  const dark = colourRules(scope, palettes.dark).map((rule) => `  ${rule}`);
  const rules = [
    `${scope} { max-width: 100%; height: auto; font: ${fontPixels.words}px ${family}; }`,
    `${scope} .heading { font-size: ${fontPixels.heading}px; font-weight: 600; }`,
    `${scope} .label { font-size: ${fontPixels.label}px; stroke-width: 3px; stroke-linejoin: round; paint-order: stroke; }`,
    `${scope} .line { fill: none; stroke-width: 2px; stroke-linejoin: round; stroke-linecap: round; }`,
    `${scope} .specks { stroke-width: 2.6px; opacity: 0.6; }`,
    `${scope} .open { stroke-width: 2px; }`,
    `${scope} .leader { stroke-width: 1px; }`,
    `${scope} .area { stroke-width: 1px; }`,
    ...light,
    '@media (prefers-color-scheme: dark) {',
    ...dark,
    '}',
  ];
  return rules.join('\n');
}

function colourRules(scope: string, { paper, ink, faint, grid, axis, tones }: Palette): string[] {
  return [
    `${scope} .paper { fill: ${paper}; }`,
    `${scope} text { fill: ${ink}; }`,
    `${scope} .faint { fill: ${faint}; }`,
    `${scope} .label, ${scope} .area { stroke: ${paper}; }`,
    `${scope} .grid { stroke: ${grid}; }`,
    `${scope} .axis, ${scope} .leader { stroke: ${axis}; }`,
    ...Object.entries(tones).flatMap(([tone, colour]) => [
      `${scope} .line.${tone}, ${scope} .open.${tone} { stroke: ${colour}; }`,
      `${scope} .area.${tone} { fill: ${colour}; }`,
      `${scope} .filled.${tone} { fill: ${colour}; stroke: ${paper}; }`,
      `${scope} .open.${tone} { fill: ${paper}; }`,
    ]),
  ];
}
