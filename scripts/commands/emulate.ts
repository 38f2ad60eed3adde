import { isLoopback, untilSignal } from '../../shared/host/index.ts';
import { seededRandom } from '../calibrate/random.ts';
import {
  type Direction,
  type Link,
  LinkEmulator,
  linkJson,
  meanBitsPerSecond,
  type Outage,
  type Place,
  parseLink,
  presets,
  readTraceFile,
  restartedMessage,
  restartMessage,
} from '../links/index.ts';
import { PacketLink, type PacketLinkSummary } from '../links/packet/index.ts';
import { milliseconds, print, printJson, say, table } from '../output.ts';
import { defaultCloudPort } from '../project.ts';

export interface EmulateCommandOptions {
  readonly link: string;
  readonly listen: Place;
  readonly to: Place;
  readonly seed: number;
  readonly startAtMs: number;
  readonly maxConnections: number;
  readonly packet?: boolean;
  readonly namespace: string;
  readonly congestion?: string;
  readonly print?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

/** Stands in for a link until SIGTERM or SIGINT, or only tells what it would be. */
export async function emulateCommand(options: EmulateCommandOptions): Promise<void> {
  if (options.list) {
    if (options.json) printJson(presets);
    else print(presetTable());
    return;
  }
  const link = parseLink(options.link, readTraceFile);
  // On one line: a trace has a hundred thousand moments.
  if (options.print) print(JSON.stringify(linkJson(link)));
  else if (options.packet) await emulatePackets(link, options);
  else await emulate(link, options);
}

async function emulate(link: Link, options: EmulateCommandOptions): Promise<void> {
  const { listen, to: target, seed, startAtMs, maxConnections, json } = options;
  const stopped = untilSignal();
  const random = seededRandom(seed);
  const emulator = await LinkEmulator.start({ listen, target, link, random, startAtMs, maxConnections });
  process.on('message', (message) => {
    if (message !== restartMessage) return;
    emulator.restart();
    process.send?.(restartedMessage);
  });
  if (!isLoopback(listen.host)) {
    say(`Whoever can reach ${emulator.url} can reach ${target.host}:${target.port} through it.`);
  }
  if (json) print(JSON.stringify({ listening: emulator.url, link: link.name }));
  else print(`${describe(link)}: ${emulator.url} -> ${target.host}:${target.port}. Ctrl-C ends it.`);
  await stopped;
  await emulator.close();
}

async function emulatePackets(link: Link, options: EmulateCommandOptions): Promise<void> {
  const { namespace, congestion, seed, startAtMs, json } = options;
  const stopped = untilSignal();
  const packetLink = await PacketLink.start({ link, namespace, congestion, seed, startAtMs });
  const { server, device } = packetLink.places;
  if (json) print(JSON.stringify({ ...packetLink.places, link: link.name }));
  else {
    const enter = packetLink.enter.join(' ');
    print(
      `${describe(link)}: ${device} in ${namespace} -> ${server} here, packet by packet. Ctrl-C ends it.`,
    );
    print(`  OFFRAMP_CLOUD_TOKEN=... offramp cloud --host ${server}`);
    print(
      `  OFFRAMP_CLOUD_TOKEN=... ${enter} offramp edge --cloud ws://${server}:${defaultCloudPort} --socket FILE`,
    );
  }
  await Promise.race([stopped, packetLink.ended]);
  const summary = await packetLink.stop();
  if (json) print(JSON.stringify(summary));
  else say(passed(summary));
}

/** What passed over a link, in lines. */
function passed({ up, down, lateMs }: PacketLinkSummary): string {
  const rows = Object.entries({ up, down }).map(([name, { taken, delivered, dropped, lost }]) =>
    [name, taken, delivered, dropped, lost].map(String),
  );
  const late = `Late by ${milliseconds(lateMs.p50)} in the median, ${milliseconds(lateMs.p99)} one in a hundred, ${milliseconds(lateMs.max)} at most.`;
  return `${table(['packets', 'taken', 'delivered', 'dropped', 'lost'], rows)}\n${late}`;
}

/** A link in one line. */
function describe({ name, up, down, outages }: Link): string {
  const directions = `up ${mbit(up)}, down ${mbit(down)} Mbit/s`;
  const rtt = `${up.delayMs + down.delayMs} ms there and back`;
  return [`Link ${name}`, rtt, directions, ...(outages.length > 0 ? ['outages'] : [])].join(', ');
}

function mbit({ rate }: Direction): string {
  const value = meanBitsPerSecond(rate) / 1e6;
  if (!Number.isFinite(value)) return 'unlimited';
  return rate.kind === 'constant' ? `${value}` : `${value.toFixed(2)} on average`;
}

function outageText({ lastsMs, everyMs }: Outage): string {
  const every = everyMs === undefined ? '' : ` every ${everyMs / 1000} s`;
  return `${lastsMs / 1000} s${every}`;
}

function presetTable(): string {
  const rows = presets.map((preset) => [
    preset.name,
    `${preset.rttMs} ± ${preset.jitterMs}`,
    `${preset.downMbitPerSecond}`,
    `${preset.upMbitPerSecond}`,
    `${(preset.lossShare * 100).toFixed(1)} %`,
    preset.outages.map(outageText).join(', '),
  ]);
  const sources = presets.map(({ name, source }) => `${name}: ${source}`);
  return `${table(['name', 'RTT ms', 'down Mbit/s', 'up Mbit/s', 'loss', 'outages'], rows)}\n\n${sources.join('\n')}`;
}
