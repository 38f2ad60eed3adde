import uPlot from 'uplot';
import { make, write } from './dom.ts';
import { clockTime, count, figure } from './words.ts';

type Values = readonly (number | null)[];

export interface Line {
  readonly name: string;
  /** Custom property with its colour. */
  readonly colour: string;
  /** What is drawn. */
  readonly values: Values;
  /** What is said of a point, where that is not what is drawn. */
  readonly own?: Values;
}

export interface PlotOptions {
  readonly title: string;
  readonly unit: string;
  /** Filled to the next line below: parts of a whole. */
  readonly kind: 'line' | 'stack';
}

const height = 170;
/** Rows of the table beside the plot. */
const tableRows = 10;

/** A plot of the last minutes, with the same in words and as a table. */
export class Plot {
  readonly #options: PlotOptions;
  readonly #place = make('div', { class: 'plot', role: 'img' });
  readonly #summary = make('p');
  readonly #legend = make('ul', { class: 'legend' });
  readonly #table = make('table');
  readonly #details: HTMLDetailsElement;
  #plot: uPlot | undefined;
  #lines: readonly Line[] = [];
  #times: readonly number[] = [];

  constructor(parent: HTMLElement, options: PlotOptions) {
    this.#options = options;
    this.#details = make('details', {}, make('summary', {}, `${options.title} as a table`), this.#table);
    const caption = make('figcaption', {}, make('h3', {}, options.title), this.#summary);
    parent.append(make('figure', {}, caption, this.#place, this.#legend, this.#details));
    this.#legend.hidden = options.kind === 'line';
    this.#details.addEventListener('toggle', () => this.#writeTable());
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#place.clientWidth, height })).observe(
      this.#place,
    );
  }

  /** @param times milliseconds since 1970, one for each value of every line. */
  show(times: readonly number[], lines: readonly Line[], summary: string): void {
    const isSame = lines.map(({ name }) => name).join() === this.#lines.map(({ name }) => name).join();
    this.#lines = lines;
    this.#times = times;
    write(this.#summary, summary);
    this.#place.setAttribute('aria-label', `${this.#options.title}: ${summary}`);
    const data: uPlot.AlignedData = [times.map((ms) => ms / 1000), ...lines.map(({ values }) => [...values])];
    if (this.#plot === undefined || !isSame) this.#draw(data);
    else this.#plot.setData(data);
    if (this.#options.kind === 'stack') this.#writeLegend();
    this.#writeTable();
  }

  /** Draws anew, with the colours of now. */
  repaint(): void {
    if (this.#plot === undefined) return;
    this.#draw(this.#plot.data);
  }

  #draw(data: uPlot.AlignedData): void {
    this.#plot?.destroy();
    const { kind } = this.#options;
    const soft = colourOf('--soft');
    const grid = { stroke: colourOf('--faint'), width: 1 };
    const axis = { stroke: soft, grid, ticks: { show: false }, font: '11px system-ui' };
    this.#plot = new uPlot(
      {
        width: this.#place.clientWidth,
        height,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { show: kind === 'line' } },
        scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.1)] } },
        axes: [
          {
            ...axis,
            size: 30,
            space: 90,
            values: (_plot, ticks) => ticks.map((tick) => clockTime(tick * 1000)),
          },
          { ...axis, size: 52, space: 34, values: (_plot, ticks) => ticks.map(figure) },
        ],
        series: [{}, ...this.#lines.map((line) => seriesOf(line, kind))],
        hooks: { setCursor: [(plot) => this.#point(plot.cursor.idx)] },
      },
      data,
      this.#place,
    );
  }

  /** Says what is under the pointer. */
  #point(index: number | null | undefined): void {
    const at = index === null || index === undefined ? undefined : this.#times[index];
    if (at === undefined || index === null || index === undefined) {
      this.#place.removeAttribute('title');
      return;
    }
    const said = this.#lines.map(({ name, own, values }) => `${name} ${this.#said((own ?? values)[index])}`);
    this.#place.title = `${clockTime(at)}: ${said.join(', ')}`;
  }

  #said(value: number | null | undefined): string {
    return value === null || value === undefined ? 'none' : `${figure(value)} ${this.#options.unit}`;
  }

  #writeLegend(): void {
    const items = [...this.#lines].reverse().map(({ name, colour, own, values }) => {
      const sum = (own ?? values).reduce((total: number, value) => total + (value ?? 0), 0);
      return { text: `${name}: ${count(sum)} in 5 min`, colour };
    });
    while (this.#legend.children.length > items.length) this.#legend.lastElementChild?.remove();
    for (const [index, { text, colour }] of items.entries()) {
      const item =
        this.#legend.children[index] ?? this.#legend.appendChild(make('li', {}, make('i'), make('span')));
      item.className = colour.replace('--', '');
      write(item.children[1] ?? item, text);
    }
  }

  /** Means of equal parts of the time, while somebody looks. */
  #writeTable(): void {
    if (!this.#details.open) return;
    const size = Math.max(1, Math.ceil(this.#times.length / tableRows));
    const heads = ['From', ...this.#lines.map(({ name }) => `${name} (${this.#options.unit})`)];
    const rows: HTMLElement[] = [];
    for (let start = 0; start < this.#times.length; start += size) {
      const cells = this.#lines.map(({ own, values }) => meanOf((own ?? values).slice(start, start + size)));
      const time = make('th', { scope: 'row' }, clockTime(this.#times[start] ?? 0));
      rows.push(make('tr', {}, time, ...cells.map((text) => make('td', {}, text))));
    }
    const head = make('tr', {}, ...heads.map((title) => make('th', { scope: 'col' }, title)));
    this.#table.replaceChildren(
      make('caption', { class: 'unseen' }, `${this.#options.title}, means`),
      make('thead', {}, head),
      make('tbody', {}, ...rows),
    );
  }
}

function seriesOf({ name, colour }: Line, kind: PlotOptions['kind']): uPlot.Series {
  const stroke = colourOf(colour);
  const common = { label: name, stroke, spanGaps: false };
  if (kind === 'stack') return { ...common, width: 0, fill: stroke, points: { show: false } };
  return { ...common, width: 1.5, points: { size: 3, fill: stroke } };
}

function meanOf(values: Values): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return '–';
  return figure(known.reduce((sum, value) => sum + value, 0) / known.length);
}

function colourOf(property: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}
