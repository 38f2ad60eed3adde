import type { Scenario } from '../scenario.ts';
import { html, type Markup } from './html.ts';
import type { Origin, ReportSource } from './source.ts';
import { grouped, listed, msWords, rangeWords } from './words.ts';

/** A scenario that names none has this one. */
const usualSeed = 1;

/** What was asked, of what, and where it ran: terms and their values. */
export function askedTerms(source: ReportSource): Markup {
  const { scenario, results, command, date, machine } = source;
  const images = results.map((run) => run.images);
  const total = images.reduce((sum, count) => sum + count, 0);
  const { cpu, processors, platform, node, onnxruntime, offramp } = machine;
  const terms: readonly (readonly [string, string])[] = [
    ['Bundle', listed([scenario.bundle].flat())],
    [
      'Images counted',
      `${rangeWords(images)} in each of ${grouped(images.length)} runs, ${grouped(total)} in all`,
    ],
    ['Images come', arrivalWords(scenario)],
    ['Budget for an answer', msWords(scenario.budgetMs)],
    [
      'Fleet',
      `${listed((scenario.devices ?? [1]).map((count) => grouped(count)))} ${isOne(scenario) ? 'device' : 'devices'}`,
    ],
    ...differences(scenario),
    ...originTerms(source.origin),
    ['Seed', String(scenario.seed ?? usualSeed)],
    ['Run on', `${cpu}, ${processors} processors, ${platform}; Node ${node}, onnxruntime ${onnxruntime}`],
    ['Offramp', `${offramp}, ${date}`],
  ];
  return html`<dl>
${terms.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}
<div class="wide"><dt>Command</dt><dd><code>${command}</code></dd></div>
</dl>`;
}

/** In words, for the line below the heading. */
export function originWords(origin: Origin): string {
  if (origin.kind === 'simulated') {
    return "Simulated: the product's own deciding code on a virtual clock, with recorded and measured costs.";
  }
  return `Live: real processes, with the ${origin.emulator} emulator in place of the links.`;
}

function isOne({ devices = [1] }: Scenario): boolean {
  return devices.length === 1 && devices[0] === 1;
}

function arrivalWords({ arrivals, seconds, warmUpSeconds = 0 }: Scenario): string {
  const length = `for ${grouped(seconds)} s${warmUpSeconds > 0 ? `, the first ${grouped(warmUpSeconds)} s not counted` : ''}`;
  if (arrivals.kind === 'trace') return `at the times of ${arrivals.file}, ${length}`;
  const burst = arrivals.kind === 'bursty' ? ` in bursts of ${arrivals.burstImages}` : '';
  return `${arrivals.kind}${burst}, ${arrivals.imagesPerSecond} each second and device, ${length}`;
}

/** What the scenario sets that it could have left out. */
function differences({
  deviceSlowdown,
  linkStarts,
  maxInFlight,
  profile,
  cloud,
}: Scenario): [string, string][] {
  return [
    ...given('Device', deviceSlowdown, (times) => `${grouped(times)} times as slow as the profiled machine`),
    ...given('Links begin', linkStarts, (starts) => starts),
    ...given('Most under way on a device', maxInFlight, (most) => `${grouped(most)} images`),
    ...given('Profile', profile, (files) => (typeof files === 'string' ? files : JSON.stringify(files))),
    ...given('Server', cloud, serverWords),
  ];
}

function given<Value>(
  term: string,
  value: Value | undefined,
  words: (value: Value) => string,
): [string, string][] {
  return value === undefined ? [] : [[term, words(value)]];
}

function serverWords({
  executors,
  scheduler,
  maxBatchRows,
  segments,
}: NonNullable<Scenario['cloud']>): string {
  const times = segments?.map(({ fixedMs, perRowMs }) => `${fixedMs} ms and ${perRowMs} ms for each row`);
  return [
    `${grouped(executors)} ${executors === 1 ? 'executor' : 'executors'}`,
    ...(scheduler === undefined ? [] : [`scheduler ${scheduler}`]),
    ...(maxBatchRows === undefined ? [] : [`at most ${maxBatchRows} rows in a batch`]),
    ...(times === undefined ? [] : [`segments that take ${listed(times)}, as the scenario has it`]),
  ].join(', ');
}

function originTerms(origin: Origin): [string, string][] {
  if (origin.kind === 'simulated') return [];
  const leftOut: [string, string][] =
    origin.leftOut.length === 0
      ? []
      : [['Not run, as only hindsight can follow them', listed(origin.leftOut)]];
  return [['Images', origin.images], ['Link emulator', origin.emulator], ...leftOut];
}

/** What every policy is, and every link. */
export function scenarioDetails(scenario: Scenario): Markup {
  const links = scenario.links.map((one) => (typeof one === 'string' ? { name: one, link: one } : one));
  return html`<details><summary>Policies, links and the whole scenario</summary>
<div class="tables">
${definitionTable(
  'Policies',
  scenario.policies.map((policy) => [policy.name, policyWords(policy)]),
)}
${definitionTable(
  'Links',
  links.map(({ name, link }) => [name, link]),
)}
</div>
<pre tabindex="0" aria-label="The scenario as JSON">${JSON.stringify(scenario, null, 2)}</pre>
</details>`;
}

function definitionTable(caption: string, rows: readonly (readonly [string, string])[]): Markup {
  return html`<div class="scroll"><table class="words"><caption>${caption}</caption>
<thead><tr><th scope="col">name</th><th scope="col">what it is</th></tr></thead>
<tbody>${rows.map(([name, words]) => html`<tr><th scope="row">${name}</th><td>${words}</td></tr>`)}</tbody>
</table></div>`;
}

function policyWords(policy: Scenario['policies'][number]): string {
  if ('best' in policy) {
    return policy.best === 'static'
      ? 'of all plans that never change, the best on this very run; found out afterwards'
      : 'before each image the plan that is best at that very moment; no device can know it';
  }
  if ('objective' in policy) {
    const floor = policy.accuracyFloor === undefined ? '' : `, accuracy of at least ${policy.accuracyFloor}`;
    return `the agent's own planning, objective ${policy.objective}${floor}`;
  }
  const { cut, exits = 'calibrated', thresholds, channels } = policy;
  const rule =
    thresholds === undefined
      ? `${exits === 'none' ? 'no exits' : 'calibrated exits'}`
      : `thresholds ${thresholds.join(', ')}`;
  return `cut ${cut}, ${rule}${channels === undefined ? '' : `, ${channels} channels`}`;
}
