import { OfframpError } from '../../shared/errors.ts';
import type { Direction, Link, Outage, Rate } from './link.ts';
import { OneWay } from './one-way.ts';
import { presetLink, presets } from './presets.ts';
import { usualQueueBytes } from './rates.ts';
import { parseTrace, type TraceFormat } from './read-trace.ts';

/** Reads a trace as text, and throws an OfframpError when it cannot; `readTraceFile` outside of tests. */
export type ReadFile = (file: string) => string;

const keys = ['rtt', 'up', 'down', 'jitter', 'loss', 'outage', 'queue'] as const;
type Key = (typeof keys)[number];

/** What replays of recordings that say nothing of the delay usually take: 20 ms each way. */
const usualTraceRttMs = 40;
const mostOutages = 16;

/**
 * Reads a link as it is written on a command line or in a file: a preset's name, settings `key=value` with commas between
 * them, or a preset and settings that change it. Keys: `rtt`, `jitter` (ms), `up`, `down` (Mbit/s, or a trace's file, with
 * `#mahimahi`, `#columns` or `#TIME:RATE` behind it to say how it is written), `loss` (share of packets), `queue` (bytes),
 * `outage` (`AT+LASTS` or `AT+LASTS/EVERY` in seconds, several times if need be). Examples: `lte`, `rtt=70,up=6,down=12`,
 * `lte,outage=5+2`, `up=drive.up,down=drive.down,rtt=40`.
 *
 * The round trip and its jitter are those of both directions. Rates that are not said take no time.
 * @throws OfframpError CONFIG_INVALID naming the setting, what was got and what was expected.
 */
export function parseLink(spec: string, readFile: ReadFile): Link {
  const parts = spec.split(',').map((part) => part.trim());
  const [first = ''] = parts;
  const preset = first.includes('=') ? undefined : presetOf(first);
  const settings = settingsOf(preset === undefined ? parts : parts.slice(1));
  if (preset !== undefined && settings.size === 0) return preset;
  const traces: string[] = [];
  const rateOf = (key: 'up' | 'down') => {
    const value = settings.get(key)?.[0];
    return value === undefined ? undefined : parseRate(key, value, readFile, traces);
  };
  const up = rateOf('up');
  const down = rateOf('down');
  const rttMs = numberOf(settings, 'rtt', 0, 60_000);
  if (preset === undefined && rttMs === undefined && traces.length === 0) {
    throw bad('rtt', 'nothing', 'the round trip in ms, such as rtt=70, or the name of a preset');
  }
  const figures: Figures = {
    delayMs: rttMs === undefined ? undefined : rttMs / 2,
    jitterMs: numberOf(settings, 'jitter', 0, 10_000),
    lossShare: numberOf(settings, 'loss', 0, 0.5),
    queueBytes: numberOf(settings, 'queue', 1500, 1e9),
  };
  const link = {
    name: spec,
    source: sourceOf(preset, traces),
    up: directionOf(preset?.up, up, figures),
    down: directionOf(preset?.down, down, figures),
    outages: settings.get('outage')?.map(parseOutage) ?? preset?.outages ?? [],
  };
  refuseClosed(link);
  return link;
}

/** Outages that together, or with a trace's gaps, leave no time to send: found now and not in the middle of a run. */
function refuseClosed({ up, down, outages }: Link): void {
  const allBegunMs = Math.max(0, ...outages.map(({ atMs }) => atMs));
  for (const direction of [up, down]) {
    new OneWay({ ...direction, jitterMs: 0, lossShare: 0 }, outages, Math.random).send(0, allBegunMs);
  }
}

function presetOf(name: string): Link {
  const preset = presetLink(name);
  if (preset !== undefined) return preset;
  const names = presets.map((known) => known.name).join(', ');
  throw new OfframpError(
    'CONFIG_INVALID',
    `Link: got ${JSON.stringify(name)}, expected one of ${names}, or settings such as rtt=70,up=6,down=12`,
  );
}

function sourceOf(preset: Link | undefined, traces: readonly string[]): string {
  const recorded = traces.length === 0 ? [] : [`recorded: ${traces.join(', ')}`];
  if (preset !== undefined) return [`${preset.name}, changed by hand`, ...recorded].join('; ');
  return recorded[0] ?? 'given by hand';
}

function settingsOf(parts: readonly string[]): Map<Key, string[]> {
  const settings = new Map<Key, string[]>();
  for (const part of parts) {
    const [, name = part, value = ''] = /^([^=]*)=(.*)$/.exec(part) ?? [];
    const key = keys.find((known) => known === name.trim());
    if (key === undefined) throw bad('setting', name.trim(), `one of ${keys.join(', ')}`);
    if (value.trim() === '') throw bad(key, 'nothing', `a value, ${key}=VALUE`);
    const values = [...(settings.get(key) ?? []), value.trim()];
    if (values.length > (key === 'outage' ? mostOutages : 1)) {
      throw bad(key, `${values.length} of them`, key === 'outage' ? `at most ${mostOutages}` : 'one');
    }
    settings.set(key, values);
  }
  return settings;
}

function numberOf(settings: ReadonlyMap<Key, string[]>, key: Key, least: number, most: number) {
  const text = settings.get(key)?.[0];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw bad(key, text, `a number from ${least} to ${most}`);
}

function parseRate(key: Key, text: string, readFile: ReadFile, traces: string[]): Rate {
  const mbitPerSecond = Number(text);
  if (!Number.isNaN(mbitPerSecond)) {
    if (mbitPerSecond > 0) return { kind: 'constant', bitsPerSecond: mbitPerSecond * 1e6 };
    throw bad(key, text, "Mbit/s above 0, or a trace's file");
  }
  const { file, format } = splitFormat(text);
  const rate = parseTrace(file, readFile(file), format);
  traces.push(`${key} ${file}`);
  return rate;
}

/** What stands behind the last `#` says how the trace is written, unless it is part of the file's name. */
function splitFormat(text: string): { readonly file: string; readonly format?: TraceFormat } {
  const at = text.lastIndexOf('#');
  const file = text.slice(0, at);
  const words = text.slice(at + 1);
  if (at <= 0) return { file: text };
  if (words === 'mahimahi' || words === 'columns') return { file, format: { kind: words } };
  const colon = words.indexOf(':');
  if (colon === -1) return { file: text };
  const [timeColumn, rateColumn] = [words.slice(0, colon), words.slice(colon + 1)];
  return { file, format: { kind: 'csv', timeColumn, rateColumn } };
}

function parseOutage(text: string): Outage {
  const number = String.raw`(\d+(?:\.\d+)?)`;
  const [, at, lasts, every] = new RegExp(String.raw`^${number}\+${number}(?:/${number})?$`).exec(text) ?? [];
  const [atMs, lastsMs] = [Number(at) * 1000, Number(lasts) * 1000];
  if (!(atMs <= 1e9 && lastsMs > 0 && lastsMs <= 1e9)) {
    throw bad('outage', text, 'AT+LASTS or AT+LASTS/EVERY in seconds, such as 10+5/30');
  }
  if (every === undefined) return { atMs, lastsMs };
  const everyMs = Number(every) * 1000;
  if (everyMs > lastsMs && everyMs >= 1 && everyMs <= 1e9) return { atMs, lastsMs, everyMs };
  throw bad('outage', text, 'it to come again after more seconds than it lasts');
}

/** What was said of both directions; `undefined` where nothing was. */
interface Figures {
  readonly delayMs: number | undefined;
  readonly jitterMs: number | undefined;
  readonly lossShare: number | undefined;
  readonly queueBytes: number | undefined;
}

const unlimited: Rate = { kind: 'constant', bitsPerSecond: Number.POSITIVE_INFINITY };

function directionOf(preset: Direction | undefined, said: Rate | undefined, figures: Figures): Direction {
  const { delayMs, jitterMs, lossShare, queueBytes } = figures;
  const rate = said ?? preset?.rate ?? unlimited;
  return {
    rate,
    delayMs: delayMs ?? preset?.delayMs ?? usualTraceRttMs / 2,
    // Two directions that are independent of each other make the whole.
    jitterMs: jitterMs === undefined ? (preset?.jitterMs ?? 0) : jitterMs * Math.SQRT1_2,
    lossShare: lossShare ?? preset?.lossShare ?? 0,
    queueBytes: queueBytes ?? usualQueueBytes(rate),
  };
}

function bad(setting: string, got: string, expected: string): OfframpError {
  return new OfframpError('CONFIG_INVALID', `Link, ${setting}: got ${got}, expected ${expected}`);
}
