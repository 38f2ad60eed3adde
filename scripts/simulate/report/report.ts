import { askedTerms, originWords, scenarioDetails } from './asked.ts';
import { accuracyChart, type Drawing, growthChart, latencyChart } from './charts.ts';
import { html, inOneList, Markup, withoutHidden } from './html.ts';
import { looksOf } from './looks.ts';
import { overviewTable } from './overview.ts';
import { onlyRoute, routes, routesChart } from './routes-chart.ts';
import {
  type Fleet,
  hindsightPolicies,
  type LinkRuns,
  linkRuns,
  type ReportedRun,
  type ReportSource,
} from './source.ts';
import { reportStyle } from './style.ts';
import { linkSummary } from './summary.ts';
import { linkTables } from './tables.ts';
import { deviceWords } from './words.ts';

/** Nothing may be loaded or run: all that the page needs is in it. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

interface Page {
  readonly source: ReportSource;
  readonly groups: readonly LinkRuns[];
  readonly hindsight: ReadonlySet<string>;
  readonly drawing: Drawing;
}

/**
 * A simulation's results, or those of real processes, as one HTML document: no script, nothing loaded from elsewhere. Names come
 * from a scenario, which is a file from anybody: they are escaped. The same source gives the same text.
 */
export function renderReport(source: ReportSource): string {
  const { scenario, results, origin } = source;
  const hindsight = hindsightPolicies(scenario);
  const kind = origin.kind === 'simulated' ? 'simulated' : `live, ${origin.emulator} emulator`;
  const look = looksOf(results, hindsight);
  const drawing = { look, hindsight, budgetMs: scenario.budgetMs, kind };
  const page = { source, groups: linkRuns(source), hindsight, drawing };
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${scenario.name} – Offramp</title>
<style>${new Markup(reportStyle())}</style>
</head>
<body>
${heading(page)}
<main>
${inShort(page)}
${page.groups.map((group) => linkSection(group, page))}
</main>
${reading(page)}
</body>
</html>
`;
  return withoutHidden(document.text);
}

function heading({ source }: Page): Markup {
  const { scenario, origin } = source;
  const about = scenario.about === undefined ? html`` : html`<p class="about">${scenario.about}</p>`;
  const warnings = origin.kind === 'live' ? origin.warnings : [];
  return html`<header>
<h1>${scenario.name}</h1>
${about}
<div class="origin"><p>${originWords(origin)}</p>
${warnings.map((warning) => html`<p><b>Mind:</b> ${warning}.</p>`)}</div>
${askedTerms(source)}
${scenarioDetails(scenario)}
</header>`;
}

function inShort({ groups, hindsight }: Page): Markup {
  const bundles = [...new Set(groups.map(({ bundle }) => bundle))];
  const tables = bundles.map((bundle) => {
    const own = groups.filter((group) => group.bundle === bundle);
    const name = bundles.length === 1 ? html`` : html`<h3>${bundle}</h3>`;
    return html`${name}${overviewTable(own, hindsight)}`;
  });
  const answers = groups.map(
    (group) => html`<div><h3><a href="#${group.id}">${nameOf(group, groups)}</a></h3>
${linkSummary(group, hindsight)}</div>`,
  );
  return html`<section aria-labelledby="in-short">
<h2 id="in-short">In short</h2>
${tables}
<div class="answers">
${answers}
</div>
</section>`;
}

function linkSection(group: LinkRuns, page: Page): Markup {
  const { source, groups, drawing } = page;
  const { id, fleets } = group;
  const growth = growthChart(`${id}-growth`, group, drawing);
  const own = fleets.map((fleet, at) => fleetFigures(`${id}-fleet-${at + 1}`, group, fleet, page));
  return html`<section class="link" id="${id}" aria-labelledby="${id}-name">
<h2 id="${id}-name">${nameOf(group, groups)}</h2>
${growth.map((chart) => html`<div class="charts one"><figure>${chart}</figure></div>`)}
${own}
<details open><summary>All figures</summary>
${linkTables(group, source.origin)}
</details>
</section>`;
}

/** A link's charts with so many devices; of several fleets those of the largest are open. */
function fleetFigures(id: string, group: LinkRuns, fleet: Fleet, page: Page): Markup {
  const { drawing } = page;
  const charts = [
    ...latencyChart(`${id}-latency`, group, fleet, drawing),
    ...accuracyChart(`${id}-accuracy`, group, fleet, drawing),
  ];
  if (charts.length === 0) return html`<p>No images were counted with ${deviceWords(fleet.devices)}.</p>`;
  const figures = html`<div class="charts">${charts.map((chart) => html`<figure>${chart}</figure>`)}</div>`;
  const small = routeFigures(id, fleet, page);
  if (group.fleets.length === 1) return html`${figures}${small}`;
  const open = fleet === group.fleets.at(-1) ? ' open' : '';
  return html`<details${open}><summary>Latency, accuracy and routes with ${deviceWords(fleet.devices)}</summary>
${figures}${small}
</details>`;
}

/** A small chart for each policy whose answers took several routes, and a line for those that took one. */
function routeFigures(id: string, { runs }: Fleet, { source, drawing }: Page): Markup {
  const fromSeconds = source.scenario.warmUpSeconds ?? 0;
  const charts = runs.flatMap((run, at) =>
    onlyRoute(run) === undefined ? routesChart(`${id}-routes-${at + 1}`, run, drawing, fromSeconds) : [],
  );
  const legend = routes.map(
    ({ name, tone }) => html`<li><span style="background: var(--${tone})"></span>${name}</li>`,
  );
  const stacks = html`<p class="faint">Which way images were answered, by when they came, ${drawing.kind}. From below:</p>
<ul class="legend">${legend}</ul>
<div class="charts small">${charts.map((chart) => html`<figure>${chart}</figure>`)}</div>`;
  return html`<h3>Routes over time</h3>
${charts.length === 0 ? html`` : stacks}
${singleRoutes(runs)}`;
}

function singleRoutes(runs: readonly ReportedRun[]): Markup[] {
  return routes.flatMap((route) => {
    const names = runs.filter((run) => onlyRoute(run) === route).map(({ policy }) => html`<i>${policy}</i>`);
    return names.length === 0
      ? []
      : [html`<p class="faint">All by <b>${route.name}</b>: ${inOneList(names)}.</p>`];
  });
}

function nameOf({ bundle, link }: LinkRuns, groups: readonly LinkRuns[]): string {
  return groups.every((group) => group.bundle === bundle) ? link : `${bundle}, ${link}`;
}

/** What the words mean. */
function reading({ source }: Page): Markup {
  return html`<footer>
<h2>How to read this</h2>
<ul>
<li>${originWords(source.origin)}</li>
<li><b>Latency</b> runs from the moment at which an image was to be sent to its answer, whatever gave it.</li>
<li><b>Intervals</b> hold the figure in 95 of 100 cases, were the images independent of each other. Queues and slow spells of a link make
neighbours alike: the true ones are wider.</li>
<li><b>Routes</b>: <i>exit</i>, answered from an exit on the device; <i>edge-only</i>, all segments ran on the device; <i>features</i>, codes
were sent and the server finished; <i>image</i>, the picture was sent and answered by the server.</li>
<li><b>Degraded</b>: answered from an exit that was not sure, because a later one could not have answered in time. <b>Late</b>: later than the
budget and 20 ms. <b>Refused</b>: the device had too many images under way.</li>
<li><b>Regret</b>: mean latency over that of the plan that was best at every moment, less 1.</li>
<li><b>Executor time</b>: seconds that the server's executors computed, for 1,000 images of all devices, those that stayed on a device
included; with an executor on a GPU, GPU-seconds.</li>
</ul>
</footer>`;
}
