import type { ConsoleSnapshot } from '../snapshot-schema.ts';
import { byId } from './dom.ts';
import { meanBatchRows, type Past, recentMean, stacked } from './past.ts';
import { type Line, Plot } from './plot.ts';
import { duration, figure, shares } from './words.ts';

/** There are as many colours; deeper exits begin with the first again. */
const colours = 6;

/** The plots of the last five minutes. */
export class Plots {
  readonly #rows: Plot;
  readonly #batches: Plot;
  readonly #queue: Plot;
  readonly #exits: Plot;

  constructor() {
    const parent = byId('plots', HTMLElement);
    this.#rows = new Plot(parent, { title: 'Rows per second', unit: 'rows/s', kind: 'line' });
    this.#batches = new Plot(parent, { title: 'Rows per batch', unit: 'rows', kind: 'line' });
    this.#queue = new Plot(parent, { title: 'Queue wait, p95', unit: 'ms', kind: 'line' });
    this.#exits = new Plot(parent, { title: 'Rows by exit', unit: 'rows/s', kind: 'stack' });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#repaint());
  }

  show({ minute, atMs, uptimeSeconds, bundles }: ConsoleSnapshot, past: Past): void {
    const startedAtMs = atMs - uptimeSeconds * 1000;
    const times = past.rows.map((_, index) => startedAtMs + (past.firstSecond + index) * 1000);
    const most = past.rows.reduce((highest, rows) => Math.max(highest, rows), 0);
    const mean = figure(recentMean(past.rows, 60));
    this.#rows.show(times, [line('rows', past.rows)], `${mean} in the last minute, at most ${figure(most)}`);
    const perBatch = meanBatchRows(past);
    this.#batches.show(times, [line('rows per batch', perBatch)], sizes(minute));
    const { p50Ms, p95Ms } = minute.stages.queue;
    this.#queue.show(
      times,
      [line('p95', past.queueP95Ms)],
      `last minute: median ${duration(p50Ms)}, p95 ${duration(p95Ms)}`,
    );
    const name = exitNames(bundles);
    this.#exits.show(times, exitLines(past, name), shared(minute, name));
  }

  #repaint(): void {
    for (const plot of [this.#rows, this.#batches, this.#queue, this.#exits]) plot.repaint();
  }
}

/** Exits of one depth are drawn as one; they are named where all bundles call them the same. */
export function exitNames(bundles: ConsoleSnapshot['bundles']): (exit: number) => string {
  return (exit) => {
    const names = new Set(bundles.flatMap(({ exits }) => exits[exit] ?? []));
    const [only = ''] = names;
    return names.size === 1 ? `exit ${exit} (${only})` : `exit ${exit}`;
  };
}

function line(name: string, values: readonly (number | null)[]): Line {
  return { name, values, colour: '--accent' };
}

function exitLines({ exits }: Past, name: (exit: number) => string): Line[] {
  return stacked(exits).map((values, index) => {
    const exit = exits.length - 1 - index;
    return { name: name(exit), colour: `--exit-${exit % colours}`, values, own: exits[exit] ?? [] };
  });
}

function shared({ exits, depthCutRows }: ConsoleSnapshot['minute'], name: (exit: number) => string): string {
  const cut = depthCutRows === 0 ? 'none cut short' : `${depthCutRows} cut short for want of time`;
  return `last minute: ${shares(exits, name)}; ${cut}`;
}

function sizes({ batchRows }: ConsoleSnapshot['minute']): string {
  const named = shares(
    batchRows.map(({ batches }) => batches),
    (power) => range(batchRows[power]?.atMost ?? 1),
  );
  return `last minute, share of batches by rows: ${named}`;
}

function range(atMost: number): string {
  const least = Math.floor(atMost / 2) + 1;
  return `${least >= atMost ? atMost : `${least}-${atMost}`}:`;
}
