import type { RunRecord } from '../evaluate/run-record.ts';
import type { TableEntry } from '../evaluate/table/figures.ts';
import { againstChart, type ChartFile, latencyCharts } from './charts.ts';
import {
  type Documents,
  documentFiles,
  type LiveDocument,
  type SimulatedDocument,
  type TableDocument,
  type WebDocument,
} from './documents.ts';
import { bestFixed, costTable, gridOf, latencyTable, rightTable } from './links.ts';
import { markdownTable, ms, percentOf, signedPercent } from './markdown.ts';

/** The page and the charts that it shows; names are of files beside it. */
export interface ResultsPage {
  readonly markdown: string;
  readonly charts: readonly ChartFile[];
}

interface Section {
  readonly markdown: string;
  readonly charts: readonly ChartFile[];
}

const ours = 'ours';
const picture = 'cloud only, picture';
const closeNote = 'mean and p50 within 5 %, p95 within 10 %, every route within 2 points';

/** Writes the page from what was measured. Pure: the same documents give the same text. */
export function resultsPage({ table, links, linksLive, againstLive, web }: Documents): ResultsPage {
  const sections = [
    ...(table === undefined ? [] : [tableSection(table)]),
    ...(links === undefined ? [] : [linksSection(links)]),
    ...(linksLive === undefined ? [] : [liveSection(linksLive)]),
    ...(againstLive === undefined ? [] : [againstSection(againstLive)]),
    ...(web === undefined ? [] : [webSection(web)]),
  ];
  const head = [
    '# Results on one page',
    'Made by `npx offramp results` from the files that it names; `--measure` measures them anew. Not written by hand: what the figures',
    'mean, and those of server, agent and scheduler, is in [results.md](../results.md).',
  ];
  return {
    markdown: `${[head[0], head.slice(1).join('\n'), ...sections.map(({ markdown }) => markdown)].join('\n\n')}\n`,
    charts: sections.flatMap(({ charts }) => charts),
  };
}

function tableSection(document: TableDocument): Section {
  const rows = document.bundles.map((entry) => tableRow(entry));
  const header = ['network', 'accuracy', "baseline's", 'ms', 'gain', 'exits', 'MACs', "baseline's"];
  const markdown = [
    "## BranchyNet's Table I",
    "Each network with branches beside the same network without, trained by itself; single images, one thread, nothing left out. In brackets the paper's.",
    markdownTable(header, rows),
    source(document, documentFiles.table, testImages(document)),
  ];
  return { markdown: markdown.join('\n\n'), charts: [] };
}

function testImages({ bundles }: TableDocument): string {
  return bundles
    .map(({ bundle, images, dataset }) => `${bundle}: all ${images} test images of ${dataset}`)
    .join('; ');
}

function tableRow({ bundle, branchy, baseline, paper }: TableEntry): string[] {
  const { gain } = branchy;
  const bracket = (text: string | undefined) => (text === undefined ? '' : ` (${text})`);
  return [
    bundle,
    `${percentOf(branchy.accuracy, 2)}${bracket(paper?.branchy.accuracy.toFixed(2))}`,
    baseline === null
      ? ''
      : `${percentOf(baseline.accuracy, 2)}${bracket(paper?.baseline.accuracy.toFixed(2))}`,
    branchy.ms.typical.toFixed(2),
    gain === null
      ? ''
      : `${gain.typical.toFixed(2)}x${bracket(paper === null ? undefined : `${paper.branchy.gain}x`)}`,
    branchy.exits.map(({ share }) => (100 * share).toFixed(1)).join(' '),
    `${(branchy.meanMacs / 1e6).toFixed(1)} M`,
    baseline === null ? '' : `${(baseline.macs / 1e6).toFixed(1)} M`,
  ];
}

function linksSection(document: SimulatedDocument): Section {
  const { scenario, results } = document;
  const grid = gridOf(results);
  const images = Math.max(...results.map((run) => run.images));
  const charts = latencyCharts(results, 'six-links', `simulated, ${images} images a run`);
  const markdown = [
    '## Links, against what is usually done (simulated)',
    `${scenario.about ?? ''} The product's own deciding code on a virtual clock; ${device(scenario)}, ${images} images in each run.`,
    latencyTable(grid, ours),
    regretWords(document),
    'Right answers, and degraded ones among all:',
    rightTable(grid),
    `What an image sends, and how much less time of the server than \`${picture}\`:`,
    costTable(grid, picture),
    ...charts.map(shown),
    source(document, documentFiles.links),
  ];
  return { markdown: markdown.join('\n\n'), charts };
}

function regretWords({ results }: SimulatedDocument): string {
  const regrets = results.filter(({ policy, regret }) => policy === ours && regret !== undefined);
  const words = regrets.map(({ link, regret = 0 }) => `${link} ${percentOf(regret)}`);
  return `Mean of \`${ours}\` above the plan that was best at each moment, which nobody can know: ${words.join(', ')}.`;
}

function device({ bundle, deviceSlowdown = 1, arrivals }: SimulatedDocument['scenario']): string {
  const rate =
    'imagesPerSecond' in arrivals ? `, ${arrivals.imagesPerSecond} images a second (${arrivals.kind})` : '';
  return `${[bundle].flat().join(', ')} on a device ${deviceSlowdown} times as slow as the profiled machine${rate}`;
}

function liveSection(document: LiveDocument): Section {
  const { scenario, results, emulator, images } = document;
  const grid = gridOf(results);
  const counted = Math.max(...results.map((run) => run.images));
  const charts = latencyCharts(results, 'six-links-live', `real processes, ${counted} images a run`);
  const markdown = [
    '## The same with real processes',
    `Server, agent and link as processes of their own, ${counted} images in each run, sent from intended times (open loop); ${images}. ` +
      `Links by the ${emulator} emulator ([what that shows](../links.md)); ${device(scenario)}.`,
    latencyTable(grid, ours),
    bestWords(document),
    'Right answers, and degraded ones among all:',
    rightTable(grid),
    ...charts.map(shown),
    source(document, documentFiles.linksLive),
  ];
  return { markdown: markdown.join('\n\n'), charts };
}

function bestWords({ results }: LiveDocument): string {
  const grid = gridOf(results);
  const words = grid.links.map((link) => `${link}: ${bestFixed(grid, link, ours)?.policy ?? 'none'}`);
  return `The best that never changes, among those measured and, as far as so many images tell, about as right: ${words.join('; ')}.`;
}

function againstSection(document: LiveDocument): Section {
  const { comparisons = [], results, scenario, emulator, congestion } = document;
  const counted = Math.max(...results.map((run) => run.images));
  const rows = comparisons.map((one) => {
    const live = results.find(({ link, policy }) => link === one.link && policy === one.policy);
    const routes = Math.max(...Object.values(one.routePoints).map(Math.abs));
    return [
      `${one.link}, ${one.policy}`,
      live === undefined ? '' : `${ms(live.latencyMs.p50.ms)}, ${ms(live.latencyMs.p95.ms)}`,
      ...[one.meanError, one.p50Error, one.p95Error].map((error) => signedPercent(error)),
      routes.toFixed(1),
      one.isClose ? 'yes' : 'no',
    ];
  });
  const close = comparisons.filter(({ isClose }) => isClose).length;
  const chart = againstChart(document, 'against-live.svg');
  const markdown = [
    '## The simulator against real processes',
    `${comparisons.length} runs with server, agent and a link of ${emulator === 'packet' ? `packets (TCP ${congestion ?? 'of the kernel'})` : 'streams'} as real ` +
      `processes, ${counted} images in each, and the same runs simulated; ${device(scenario)}. What everything but the device's segments takes was measured just ` +
      'before, without a link. Errors are the simulation over the real run, less 1.',
    markdownTable(
      ['link, policy', 'real p50, p95 (ms)', 'mean', 'p50', 'p95', 'routes, points', 'close'],
      rows,
    ),
    `Close is ${closeNote}: ${close} of ${comparisons.length}.`,
    shown(chart),
    source(document, documentFiles.againstLive),
  ];
  return { markdown: markdown.join('\n\n'), charts: [chart] };
}

function webSection(document: WebDocument): Section {
  const { bundle, browser, visits, cold, warm } = document;
  const rows = Object.entries({ 'nothing cached': cold, 'kept by an earlier visit': warm }).map(
    ([name, { readyMs, answerMs }]) => [
      name,
      ...[readyMs, answerMs].map(({ p50, p95 }) => `${p50.toFixed(0)}, ${p95.toFixed(0)}`),
    ],
  );
  const markdown = [
    '## The page: how soon the first answer',
    `Milliseconds from the beginning of a visit until pictures may be shown, and until the answer to one that is shown at that very moment can be read; ` +
      `${bundle}, ${browser}, ${visits} visits each, page and server on one machine.`,
    markdownTable(['visit', 'ready, p50, p95', 'first answer, p50, p95'], rows),
    source(document, documentFiles.web),
  ];
  return { markdown: markdown.join('\n\n'), charts: [] };
}

function shown({ name, alt }: ChartFile): string {
  return `![${alt}](${name})`;
}

function source({ command, date, machine }: RunRecord, file: string, images?: string): string {
  const { cpu, processors, node, onnxruntime } = machine;
  const on = `${cpu}, ${processors} processors, Node ${node}, onnxruntime ${onnxruntime}`;
  return `\`${command}\`, ${date}, ${on}${images === undefined ? '' : `; ${images}`} ([raw figures](${file})).`;
}
