import type uPlot from 'uplot';
import { element, make, setText } from './dom.ts';
import { bytes, milliseconds, percent } from './format.ts';
import type { RunFigures } from './run.ts';

const height = 250;
const rowsShown = 10;

type Columns = [number[], (number | null)[], number[], number[]];

/** The plot of a run, and the same in a table. */
export class RunView {
  readonly #place = element('plot', HTMLElement);
  readonly #table = element('run-table', HTMLElement);
  #columns: Columns = [[], [], [], []];
  #plot: uPlot | undefined;
  #total = 0;
  #frame = 0;

  constructor() {
    new ResizeObserver(() => this.#fit()).observe(this.#place);
  }

  /** Loads the plotter, which nobody needs before. */
  async begin(total: number): Promise<void> {
    element('run-results', HTMLElement).hidden = false;
    this.#columns = [[], [], [], []];
    this.#total = total;
    this.#table.replaceChildren();
    const { default: Plot } = await import('uplot');
    this.#plot?.destroy();
    this.#plot = new Plot(this.#options(), this.#columns, this.#place);
  }

  add(figures: RunFigures): void {
    const { images, accuracy, deviceShare, medianMs } = figures;
    const [x, right, here, ms] = this.#columns;
    x.push(images);
    right.push(accuracy === undefined ? null : 100 * accuracy);
    here.push(100 * deviceShare);
    ms.push(medianMs);
    const step = Math.ceil(this.#total / rowsShown);
    if (images % step === 0 || images === this.#total) this.#table.append(rowOf(figures));
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  /** The last row, of a run that was stopped. */
  end(figures: RunFigures): void {
    const last = this.#table.lastElementChild;
    const isThere = last?.firstElementChild?.textContent === String(figures.images);
    if (!isThere && figures.images > 0) this.#table.append(rowOf(figures));
  }

  #draw(): void {
    this.#frame = 0;
    this.#plot?.setData(this.#columns);
  }

  #fit(): void {
    this.#plot?.setSize({ width: this.#place.clientWidth, height });
  }

  #options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const [text, grid, accent] = [colour('--soft'), colour('--line'), colour('--accent')];
    const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid } };
    const one = (value: number | null, unit: string) =>
      value === null ? '-' : `${value.toFixed(1)} ${unit}`;
    return {
      ...{ width: this.#place.clientWidth, height },
      scales: {
        x: { time: false, range: [0, this.#total] },
        share: { range: [0, 100] },
        ms: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.2)] },
      },
      axes: [
        { ...axis, label: 'images', labelSize: 18, size: 34 },
        { ...axis, scale: 'share', values: (_plot, values) => values.map((value) => `${value} %`), size: 54 },
        {
          ...axis,
          grid: { show: false },
          scale: 'ms',
          side: 1,
          size: 54,
          values: (_plot, values) => values.map((value) => `${value} ms`),
        },
      ],
      series: [
        { label: 'images' },
        {
          label: 'right',
          scale: 'share',
          stroke: colour('--text'),
          width: 2,
          value: (_plot, value) => one(value, '%'),
        },
        {
          label: 'left here',
          scale: 'share',
          stroke: accent,
          width: 2,
          dash: [8, 4],
          value: (_plot, value) => one(value, '%'),
        },
        {
          label: 'median',
          scale: 'ms',
          stroke: text,
          width: 1.5,
          dash: [2, 3],
          value: (_plot, value) => one(value, 'ms'),
        },
      ],
      cursor: { drag: { x: false, y: false } },
    };
  }
}

function rowOf({
  images,
  accuracy,
  deviceShare,
  degraded,
  medianMs,
  p95Ms,
  meanBytes,
}: RunFigures): HTMLElement {
  const row = make('tr');
  const head = make('th', '', String(images));
  head.scope = 'row';
  const right = accuracy === undefined ? '-' : percent(accuracy);
  const cells = [
    right,
    percent(deviceShare),
    String(degraded),
    milliseconds(medianMs),
    milliseconds(p95Ms),
    bytes(meanBytes),
  ];
  row.append(head, ...cells.map((text) => make('td', '', text)));
  return row;
}

export function sayRun(words: string): void {
  setText('run-words', words);
}
