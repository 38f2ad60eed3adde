import { html, type Markup } from './html.ts';
import { type Fleet, hasImages, type LinkRuns, type ReportedRun } from './source.ts';
import { scrolling } from './tables.ts';
import { isAboutAsRight, verdictOf } from './verdict.ts';
import { deviceWords, msFigure, shortened } from './words.ts';

/** Characters of a link's name at the head of a column. */
const longest = 24;

interface Place {
  readonly group: LinkRuns;
  readonly fleet: Fleet;
}

/** Mean latency of every policy on every link of a bundle: the whole result on half a page. */
export function overviewTable(groups: readonly LinkRuns[], hindsight: ReadonlySet<string>): Markup {
  const places = groups.flatMap((group) => group.fleets.map((fleet) => ({ group, fleet })));
  const policies = [...new Set(groups.flatMap(({ runs }) => runs.map(({ policy }) => policy)))];
  const possible = policies.filter((policy) => !hindsight.has(policy));
  const known = policies.filter((policy) => hindsight.has(policy));
  const caption =
    'Mean latency, ms. Marked: the least among the policies that are right about as often as the best, half a point less at most. †: right less often than that.';
  const rows = (names: readonly string[]) => names.map((policy) => overviewRow(policy, places, hindsight));
  return scrolling(
    known.length === 0 ? caption : `${caption} Grey: found out afterwards, no device can follow these.`,
    html`<thead>${headRows(groups)}</thead>
<tbody>${rows(possible)}</tbody>
<tbody class="hindsight">${rows(known)}</tbody>`,
  );
}

function headRows(groups: readonly LinkRuns[]): Markup[] {
  const isFleet = groups.some(({ fleets }) => fleets.length > 1);
  if (!isFleet) {
    const links = groups.map(
      ({ id, link }) => html`<th scope="col"><a href="#${id}">${shortened(link, longest)}</a></th>`,
    );
    return [html`<tr><th scope="col" class="words">policy</th>${links}</tr>`];
  }
  const links = groups.map(
    ({ id, link, fleets }) =>
      html`<th scope="colgroup" colspan="${fleets.length}"><a href="#${id}">${shortened(link, longest)}</a></th>`,
  );
  const sizes = groups.flatMap(({ fleets }) =>
    fleets.map(({ devices }) => html`<th scope="col">${deviceWords(devices)}</th>`),
  );
  return [
    html`<tr><th scope="col" rowspan="2" class="words">policy</th>${links}</tr>`,
    html`<tr>${sizes}</tr>`,
  ];
}

function overviewRow(policy: string, places: readonly Place[], hindsight: ReadonlySet<string>): Markup {
  const cells = places.map(({ fleet }) => {
    const run = fleet.runs.find((one) => one.policy === policy);
    return run === undefined ? html`<td>–</td>` : overviewCell(run, fleet, hindsight);
  });
  return html`<tr><th scope="row">${policy}</th>${cells}</tr>`;
}

function overviewCell(run: ReportedRun, fleet: Fleet, hindsight: ReadonlySet<string>): Markup {
  if (!hasImages(run)) return html`<td>–</td>`;
  const figure = msFigure(run.latencyMs.mean.ms);
  const counted = fleet.runs.filter((one) => hasImages(one) && !hindsight.has(one.policy));
  const compared = counted.length > 0 ? counted : fleet.runs.filter(hasImages);
  if (!isAboutAsRight(run, compared)) {
    return html`<td>${figure}<span title="right less often">†</span></td>`;
  }
  const least = verdictOf(fleet, hindsight)?.best.latencyMs.mean.ms;
  return compared.includes(run) && run.latencyMs.mean.ms === least
    ? html`<td class="best"><strong>${figure}</strong><span class="unseen"> the least</span></td>`
    : html`<td>${figure}</td>`;
}
