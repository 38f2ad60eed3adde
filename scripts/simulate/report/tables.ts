import { html, type Markup } from './html.ts';
import { routes } from './routes-chart.ts';
import type { Fleet, LinkRuns, Origin, ReportedComparison, ReportedRun, StageMeansMs } from './source.ts';
import { deviceWords, estimateFigure, grouped, msFigure, percentFigure, shareFigure } from './words.ts';

interface Column {
  readonly head: string;
  /** Below the head. */
  readonly unit?: string;
  /** A column that has none for any run is left out. */
  readonly cell: (run: ReportedRun) => string | undefined;
  /** Default: figures, to the right. */
  readonly kind?: 'words';
}

const percent = '%';
const independent = 'Intervals are 95 %, were the images independent of each other.';

const latencyColumns: readonly Column[] = [
  { head: 'images', cell: ({ images }) => grouped(images) },
  { head: 'mean', unit: 'ms', cell: ({ latencyMs }) => estimateFigure(latencyMs.mean) },
  { head: 'median', unit: 'ms', cell: ({ latencyMs }) => estimateFigure(latencyMs.p50) },
  { head: '95th perc.', unit: 'ms', cell: ({ latencyMs }) => estimateFigure(latencyMs.p95) },
  { head: '99th perc.', unit: 'ms', cell: ({ latencyMs }) => estimateFigure(latencyMs.p99) },
  { head: 'largest', unit: 'ms', cell: ({ latencyMs }) => msFigure(latencyMs.max) },
  { head: 'late', unit: percent, cell: ({ lateShare }) => percentFigure(lateShare) },
  {
    ...{ head: 'late or degraded', unit: percent },
    cell: ({ missed }) => shareFigure(missed.share, missed.interval),
  },
  {
    head: 'regret',
    unit: percent,
    cell: ({ regret }) => (regret === undefined ? undefined : percentFigure(regret)),
  },
];

const answerColumns: readonly Column[] = [
  { head: 'right', unit: percent, cell: ({ accuracy }) => shareFigure(accuracy.share, accuracy.interval) },
  ...routes.map(({ key, name }) => ({
    ...{ head: name, unit: percent },
    cell: (run: ReportedRun) => percentFigure(run.routes[key]),
  })),
  { head: 'degraded', unit: percent, cell: ({ degraded }) => percentFigure(degraded.share) },
  {
    ...{ head: 'right of these', unit: percent },
    cell: ({ degraded }) => (degraded.accuracy === undefined ? undefined : percentFigure(degraded.accuracy)),
  },
  {
    ...{ head: 'reasons', unit: '% of all images', kind: 'words' },
    cell: ({ degraded }) => shareWords(degraded.reasons),
  },
  { head: 'refused', unit: 'images', cell: ({ refused }) => grouped(refused) },
];

const costColumns: readonly Column[] = [
  { head: 'sent', unit: 'bytes per image', cell: ({ bytesPerImage }) => grouped(bytesPerImage) },
  { head: 'sent', unit: 'kB/s, all devices', cell: (run) => grouped(run.bytesPerSecond / 1000, 2) },
  {
    ...{ head: 'executor time', unit: 's per 1,000 images' },
    cell: ({ cloudSecondsPer1000Images: seconds }) =>
      seconds === undefined ? undefined : grouped(seconds, 2),
  },
  {
    ...{ head: 'batch', unit: 'rows, mean' },
    cell: ({ batchRows }) => (batchRows === undefined ? undefined : grouped(batchRows, 2)),
  },
  { head: 'plans followed', unit: '% of images', kind: 'words', cell: ({ plans }) => shareWords(plans) },
  { head: 'best plan', kind: 'words', cell: ({ bestPlan }) => bestPlan },
];

const stages: readonly { readonly key: keyof StageMeansMs; readonly head: string }[] = [
  { key: 'call', head: 'call' },
  { key: 'prepare', head: 'prepare' },
  { key: 'device', head: 'device' },
  { key: 'exit', head: 'exit' },
  { key: 'encode', head: 'encode' },
  { key: 'network', head: 'network' },
  { key: 'cloudQueue', head: 'server queue' },
  { key: 'cloudRun', head: 'server run' },
];

const stageColumns: readonly Column[] = [
  ...stages.map(({ key, head }) => ({
    ...{ head, unit: 'ms' },
    cell: ({ stagesMs }: ReportedRun) => (stagesMs === undefined ? undefined : grouped(stagesMs[key], 2)),
  })),
  {
    ...{ head: 'sent late', unit: 'ms, 99th perc.' },
    cell: ({ sendLateMs }) => (sendLateMs === undefined ? undefined : msFigure(sendLateMs.p99)),
  },
];

/** All figures of a link. */
export function linkTables(group: LinkRuns, origin: Origin): Markup {
  const from = origin.kind === 'simulated' ? 'Simulated.' : `Live, ${origin.emulator} emulator.`;
  const table = (caption: string, columns: readonly Column[]) =>
    runTable(`${caption} ${from}`, columns, group);
  return html`${[
    table(`Latency from the moment an image was to be sent. ${independent}`, latencyColumns),
    table(
      `Answers: share right, share of each route, and how many fell short. ${independent}`,
      answerColumns,
    ),
    table(
      'Cost: what devices sent, and how long executors of the server ran; on a GPU these are GPU-seconds.',
      costColumns,
    ),
    table('Where the time went, in the mean; the stages add up to the mean latency.', stageColumns),
    ...comparisonTable(group, origin),
  ]}`;
}

function runTable(caption: string, columns: readonly Column[], { runs, fleets }: LinkRuns): Markup {
  const own = columns.filter(({ cell }) => runs.some((run) => cell(run) !== undefined));
  if (own.length === 0) return html``;
  const heads = own.map(({ head, unit, kind }) => headCell(head, unit, kind));
  const bodies = fleets.map((fleet) => tableBody(fleet, own, fleets.length));
  return scrolling(
    caption,
    html`<thead><tr>${headCell('policy', undefined, 'words')}${heads}</tr></thead>
${bodies}`,
  );
}

function tableBody({ devices, runs }: Fleet, columns: readonly Column[], fleets: number): Markup {
  const name =
    fleets === 1 && devices === 1
      ? html``
      : html`<tr><th scope="rowgroup" class="fleet" colspan="${columns.length + 1}">${deviceWords(devices)}</th></tr>`;
  return html`<tbody>${name}${runs.map((run) => runRow(run, columns))}</tbody>`;
}

function runRow(run: ReportedRun, columns: readonly Column[]): Markup {
  const cells = columns.map(({ cell, kind }) => {
    const words = cell(run) ?? '–';
    return kind === 'words' ? html`<td class="words">${words}</td>` : html`<td>${words}</td>`;
  });
  return html`<tr><th scope="row">${run.policy}</th>${cells}</tr>`;
}

function headCell(head: string, unit?: string, kind?: 'words'): Markup {
  const below = unit === undefined ? html`` : html`<small>${unit}</small>`;
  return kind === 'words'
    ? html`<th scope="col" class="words">${head}${below}</th>`
    : html`<th scope="col">${head}${below}</th>`;
}

/** A table that scrolls by itself where the page is too narrow for it. */
export function scrolling(caption: string, rows: Markup): Markup {
  return html`<div class="scroll" role="group" tabindex="0" aria-label="${caption}"><table><caption><span>${caption}</span></caption>
${rows}
</table></div>`;
}

function shareWords(shares: Readonly<Record<string, number>>): string | undefined {
  const words = Object.entries(shares).map(([name, share]) => `${name} ${percentFigure(share)}`);
  return words.length === 0 ? undefined : words.join(', ');
}

function comparisonTable(group: LinkRuns, origin: Origin): Markup[] {
  const all = origin.kind === 'live' ? (origin.comparisons ?? []) : [];
  const own = all.filter(
    ({ link, bundle }) => link === group.link && (bundle ?? group.bundle) === group.bundle,
  );
  if (own.length === 0) return [];
  const heads = ['mean', 'median', '95th perc.', ...routes.map(({ name }) => name), 'degraded'];
  const units = heads.map((_, at) => (at < 3 ? percent : 'points'));
  const caption =
    'The simulation of the same runs against these: its latency over the real one less 1, and its shares less the real ones.';
  return [
    scrolling(
      caption,
      html`<thead><tr>${headCell('policy', undefined, 'words')}${heads.map((head, at) => headCell(head, units[at]))}${headCell('close')}</tr></thead>
<tbody>${own.map(comparisonRow)}</tbody>`,
    ),
  ];
}

function comparisonRow(one: ReportedComparison): Markup {
  const errors = [one.meanError, one.p50Error, one.p95Error].map((error) => 100 * error);
  const points = [...routes.map(({ key }) => one.routePoints[key]), one.degradedPoints];
  const name = one.devices === 1 ? one.policy : `${one.policy}, ${deviceWords(one.devices)}`;
  const cells = [...errors, ...points].map((value) => html`<td>${signed(value)}</td>`);
  return html`<tr><th scope="row">${name}</th>${cells}<td>${one.isClose ? 'yes' : 'no'}</td></tr>`;
}

function signed(value: number): string {
  return Number.isFinite(value) ? `${value > 0 ? '+' : ''}${value.toFixed(1)}` : '–';
}
