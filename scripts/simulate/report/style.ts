import { type Palette, pageChartRules, palettes } from '../../plot/index.ts';

function variables({ paper, ink, faint, grid, axis, tones }: Palette): string {
  const own = Object.entries({ paper, ink, faint, grid, axis, ...tones });
  return own.map(([name, colour]) => `--${name}: ${colour};`).join(' ');
}

/** The style sheet of a report: light or dark as the reader's system asks for; on paper light. */
export function reportStyle(): string {
  return `
:root { color-scheme: light dark; ${variables(palettes.light)} }
@media (prefers-color-scheme: dark) { :root { ${variables(palettes.dark)} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
main, header, footer { max-width: 1160px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
h1 { margin: 0; font-size: 28px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 21px; line-height: 1.3; overflow-wrap: anywhere; }
h3 { margin: 28px 0 8px; font-size: 16px; overflow-wrap: anywhere; }
section { margin: 44px 0; }
section.link { border-top: 1px solid var(--grid); padding-top: 32px; }
p { margin: 0 0 8px; max-width: 78ch; overflow-wrap: anywhere; }
a { color: inherit; text-decoration-color: var(--axis); text-underline-offset: 3px; }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
i { font-style: normal; color: var(--ink); }
.about { font-size: 17px; margin-top: 8px; }
.faint, caption, dt, small, figcaption { color: var(--faint); }
.faint { font-size: 14px; }
.origin p { max-width: none; margin: 0; }
.origin { margin: 14px 0 0; padding-left: 12px; border-left: 3px solid var(--blue); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 250px), 1fr)); gap: 12px 28px; margin: 24px 0 0; font-size: 14px; }
dl .wide { grid-column: 1 / -1; }
dt { font-size: 12.5px; }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { overflow: auto; max-height: 480px; padding: 12px; border: 1px solid var(--grid); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
nav ul, ul.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0; padding: 0; list-style: none; }
nav { margin-top: 24px; }
.answers { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); gap: 20px 40px; margin-top: 28px; }
.answers h3 { margin: 0 0 4px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 12px 24px; }
.charts.one { max-width: 568px; grid-template-columns: 1fr; }
.charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 4px 16px; }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; }
.charts.small figure svg { max-width: 350px; }
.charts.small .chart .heading { font-size: 15px; }
ul.legend { margin: 8px 0; font-size: 14px; }
.legend span { display: inline-block; width: 12px; height: 12px; margin-right: 7px; border-radius: 2px; vertical-align: -1px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.scroll { position: relative; overflow-x: auto; margin: 20px 0; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; min-width: min(100%, 760px); }
caption { text-align: left; padding-bottom: 6px; font-size: 14px; }
/* Stays where it can be read while the table is scrolled. */
caption span { display: inline-block; position: sticky; left: 0; max-width: min(92ch, calc(100vw - 40px)); }
th, td { padding: 5px 0 5px 22px; text-align: right; vertical-align: top; white-space: nowrap; font-weight: 400; }
td.words, th.words, table.words td, th[scope=row], table.words th, th.fleet { text-align: left; }
td.words, table.words td { white-space: normal; min-width: 14em; max-width: 34em; overflow-wrap: anywhere; }
th[scope=row] { position: sticky; left: 0; background: var(--paper); padding-left: 0; white-space: normal; min-width: 9.5em; max-width: 18em; overflow-wrap: anywhere; }
th[scope=col], th[scope=colgroup] { vertical-align: bottom; color: var(--faint); }
th[scope=colgroup] { text-align: center; }
th.words[scope=col]:first-child, table.words th:first-child { padding-left: 0; }
th.fleet { padding: 14px 0 4px; font-weight: 600; }
th small { display: block; font-size: 12px; white-space: nowrap; }
thead tr:last-child th { border-bottom: 1px solid var(--axis); }
thead th[rowspan] { border-bottom: 1px solid var(--axis); }
tbody tr + tr > *, tbody + tbody > tr:first-child > * { border-top: 1px solid var(--grid); }
.best strong { color: var(--blue); box-shadow: 0 2px 0 var(--blue); font-weight: 700; }
.hindsight { color: var(--faint); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
details { margin: 20px 0; }
summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
footer { padding-top: 24px; padding-bottom: 60px; border-top: 1px solid var(--grid); }
footer li { margin-bottom: 4px; max-width: 90ch; }
footer ul { padding-left: 20px; }
@media (max-width: 600px) {
  main, header, footer { padding-left: 14px; padding-right: 14px; }
  header { padding-top: 22px; }
  h1 { font-size: 24px; }
  section { margin: 32px 0; }
  th, td { padding-left: 16px; }
}
@media print {
  body { font-size: 10pt; }
  main, header, footer { max-width: none; padding: 0; }
  nav { display: none; }
  figure, tr, .answers > div { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .scroll { overflow: visible; }
  caption span { position: static; max-width: none; }
  table { font-size: 7.5pt; }
  th, td { padding-left: 8px; white-space: normal; }
  .charts { grid-template-columns: 1fr 1fr; }
  .charts.small { grid-template-columns: 1fr 1fr 1fr; }
  pre { max-height: none; overflow: visible; }
  main details::details-content { content-visibility: visible; block-size: auto; }
}
${pageChartRules()}
`;
}
