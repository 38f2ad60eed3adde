import type {
  ConsoleAlarm,
  ConsoleBundle,
  ConsoleDevice,
  ConsoleLane,
  ConsoleSnapshot,
} from '../snapshot-schema.ts';
import type { Actions } from './actions.ts';
import { byId, make } from './dom.ts';
import { LiveTable } from './table.ts';
import { age, count, duration, figure, percent, shares } from './words.ts';

/** What each code of docs/errors.md means, put in by the build. */
declare const codeMeanings: Readonly<Record<string, string>>;

const digestDigits = 12;

interface Refusal {
  readonly code: string;
  readonly lastMinute: number;
  readonly total: number;
}

/** Everything that is there more than once. */
export class Tables {
  readonly #devices: LiveTable<ConsoleDevice & { readonly key: string }>;
  readonly #lanes: LiveTable<ConsoleLane>;
  readonly #bundles: LiveTable<ConsoleBundle>;
  readonly #refusals: LiveTable<Refusal>;
  readonly #actions: Actions;

  constructor(actions: Actions) {
    this.#actions = actions;
    this.#devices = devicesTable();
    this.#lanes = lanesTable();
    this.#bundles = this.#bundlesTable();
    this.#refusals = refusalsTable();
  }

  show({ devices, lanes, bundles, minute, total, mayChange }: ConsoleSnapshot): void {
    const listed = devices.busiest.length;
    const some = listed < devices.count ? `the ${count(listed)} busiest of ${count(devices.count)}` : '';
    this.#devices.show(devices.busiest.map(keyed()), some);
    const all = lanes.busiest.length === lanes.count;
    this.#lanes.show(all ? inPlace(lanes.busiest) : lanes.busiest, all ? '' : `of ${count(lanes.count)}`);
    this.#bundles.show(bundles);
    this.#actions.show(mayChange);
    this.#refusals.show(
      total.refusals.map(({ code, count: times }) => ({
        ...{ code, total: times },
        lastMinute: minute.refusals.find((one) => one.code === code)?.count ?? 0,
      })),
    );
  }

  #bundlesTable(): LiveTable<ConsoleBundle> {
    return new LiveTable<ConsoleBundle>({
      section: byId('bundles', HTMLElement),
      title: 'Bundles',
      keyOf: ({ digest, state }) => `${digest} ${state === 'serving'}`,
      none: 'No bundle is served.',
      columns: [
        { title: 'Bundle', text: ({ id }) => id },
        { title: 'Title', text: ({ title }) => title },
        { title: 'Version', text: ({ version }) => version },
        { title: 'Digest', text: ({ digest }) => digest.slice(0, digestDigits) },
        { title: 'State', text: ({ state }) => state },
        { title: 'Devices', align: 'right', text: ({ devices }) => count(devices) },
        { title: 'Change', align: 'for-admins', text: () => '', make: (bundle) => this.#change(bundle) },
      ],
    });
  }

  #change({ id, digest, state }: ConsoleBundle): HTMLElement {
    const button = make('button', { type: 'button', class: 'grave' }, 'Unload…');
    button.setAttribute('aria-label', `Unload ${id} ${digest.slice(0, digestDigits)}`);
    button.addEventListener('click', () => this.#actions.unload(id, digest));
    return state === 'serving' ? button : make('span');
  }
}

/** Two connections may say the very same of themselves; then they are told apart by their place. */
function keyed(): (device: ConsoleDevice) => ConsoleDevice & { readonly key: string } {
  const seen = new Map<string, number>();
  return (device) => {
    const name = `${device.client}\n${device.address}\n${device.agent}`;
    const twin = seen.get(name) ?? 0;
    seen.set(name, twin + 1);
    return { ...device, key: `${name}\n${twin}` };
  };
}

function devicesTable(): LiveTable<ConsoleDevice & { readonly key: string }> {
  return new LiveTable({
    section: byId('devices', HTMLElement),
    title: 'Devices',
    keyOf: ({ key }) => key,
    none: 'No device is connected.',
    columns: [
      { title: 'Client', text: ({ client }) => client },
      { title: 'Agent', text: ({ agent }) => agent },
      { title: 'Address', text: ({ address }) => address },
      { title: 'Bundles', text: ({ bundles, bundleCount }) => more(bundles, bundleCount) },
      { title: 'Alarms', align: 'long', text: ({ alarms }) => alarms.map(alarmWords).join('; ') || '–' },
      { title: 'Requests/s', align: 'right', text: ({ requestsPerSecond }) => figure(requestsPerSecond) },
      {
        title: 'In flight',
        align: 'right',
        text: ({ inFlight, credits }) => `${count(inFlight)} of ${count(credits)}`,
      },
      { title: 'Came in at', text: ({ cutRows }) => shares(cutRows, (cut) => `cut ${cut}`) },
      { title: 'Left by', text: ({ exitRows }) => shares(exitRows, (exit) => `exit ${exit}`) },
      { title: 'Connected', align: 'right', text: ({ connectedSeconds }) => age(connectedSeconds) },
    ],
  });
}

/** What is seen, beside what the calibration makes one expect. */
function alarmWords({ bundle, watch, seen, expected, thresholdScale }: ConsoleAlarm): string {
  if (watch === 'exit-share') {
    return `${bundle}: ${percent(seen)} of the images are sure on the device, ${percent(expected)} at calibration`;
  }
  const thresholds = thresholdScale > 0 ? `thresholds × ${figure(thresholdScale)}` : 'nothing leaves there';
  return `${bundle}: the cloud disagrees in ${percent(seen)} of the audits, ${percent(expected)} allowed; ${thresholds}`;
}

/** Where all are shown each keeps its place. */
function inPlace(lanes: readonly ConsoleLane[]): readonly ConsoleLane[] {
  const nameOf = ({ bundle, digest, cut, way }: ConsoleLane) => `${bundle} ${digest} ${100 + cut} ${way}`;
  return [...lanes].sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

function more(bundles: readonly string[], all: number): string {
  const rest = all - bundles.length;
  return rest > 0 ? `${bundles.join(', ')} and ${rest} more` : bundles.join(', ');
}

function lanesTable(): LiveTable<ConsoleLane> {
  return new LiveTable<ConsoleLane>({
    section: byId('lanes', HTMLElement),
    title: 'Lanes',
    keyOf: ({ digest, cut, way }) => `${digest} ${cut} ${way}`,
    none: 'There are no lanes.',
    columns: [
      { title: 'Bundle', text: ({ bundle }) => bundle },
      { title: 'Digest', text: ({ digest }) => digest },
      { title: 'Cut', align: 'right', text: ({ cut }) => String(cut) },
      { title: 'Runs', text: ({ way }) => (way === 'cascade' ? 'to the first sure exit' : 'one segment') },
      { title: 'Rows waiting', align: 'right', text: ({ waitingRows }) => count(waitingRows) },
      {
        title: 'Longest wait',
        align: 'right',
        text: ({ waitingRows, oldestWaitMs }) => duration(waitingRows === 0 ? null : oldestWaitMs),
      },
      { title: 'Requests under way', align: 'right', text: ({ underWay }) => count(underWay) },
      {
        title: 'By priority',
        text: ({ priorities }) =>
          priorities.map(({ priority, rows }) => `${priority}: ${count(rows)}`).join(', ') || '–',
      },
    ],
  });
}

function refusalsTable(): LiveTable<Refusal> {
  return new LiveTable<Refusal>({
    section: byId('refusals', HTMLElement),
    title: 'Refusals',
    keyOf: ({ code }) => code,
    none: 'Nothing has been refused since the start.',
    columns: [
      { title: 'Code', text: ({ code }) => code },
      { title: 'Last minute', align: 'right', text: ({ lastMinute }) => count(lastMinute) },
      { title: 'Since the start', align: 'right', text: ({ total }) => count(total) },
      { title: 'Meaning', align: 'long', text: ({ code }) => codeMeanings[code] ?? '' },
    ],
  });
}
