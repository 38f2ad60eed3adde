import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { OfframpError } from '../../../shared/errors.ts';
import type { Link } from '../link.ts';
import { linkJson } from '../link-json.ts';
import { ToldProcess } from './told-process.ts';

const program = fileURLToPath(new URL('./packet_link.py', import.meta.url));
const python = 'python3';
const notLinux = `packet link: got ${process.platform}, needs Linux`;
const noPython = `packet link: there is no ${python}: install version 3.9 or later`;

export interface PacketLinkOptions {
  readonly link: Link;
  /** Of the device; begins with `offramp-`. One that is left of an earlier link is taken away. */
  readonly namespace: string;
  /** IPv4 address of the side where the server is; a free one unless said. */
  readonly server?: string;
  /** Of jitter and losses. */
  readonly seed: number;
  /** Link time to begin at. */
  readonly startAtMs: number;
  /** TCP's congestion control over the link, in both directions; the kernel's own unless said. */
  readonly congestion?: string | undefined;
}

/** Where the two ends of a link are. */
export interface PacketLinkPlaces {
  readonly namespace: string;
  /** IPv4 address of the device, in its namespace. */
  readonly device: string;
  /** IPv4 address of this machine's side, which a server may listen on as soon as the link is there. */
  readonly server: string;
  readonly congestion: string;
}

/** Packets of a direction: what came in is what came out, found the queue full, was lost, or is on its way. */
export interface PacketCounts {
  readonly taken: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly lost: number;
}

/** What passed over a link from its beginning to its end. */
export interface PacketLinkSummary {
  readonly up: PacketCounts;
  readonly down: PacketCounts;
  /** How much later than the model says packets were delivered; those that were up to 0.1 ms early count as 0. */
  readonly lateMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/**
 * Why no packet-level link can be here, and the mend; `undefined` when one can.
 * It needs Linux, root, a TUN device, `ip` and Python.
 */
export function packetLinkLacking(): string | undefined {
  if (process.platform !== 'linux') return notLinux;
  const { error, status, stderr } = spawnSync(python, ['-B', program, '--check'], { encoding: 'utf8' });
  if (error !== undefined) return noPython;
  return status === 0 ? undefined : stderr.trim();
}

/** A link between a network namespace and this machine, in a process of its own that goes with this one. */
export class PacketLink {
  readonly places: PacketLinkPlaces;
  readonly #process: ToldProcess;

  private constructor(process: ToldProcess, places: PacketLinkPlaces) {
    this.#process = process;
    this.places = places;
  }

  /**
   * Makes the namespace and the link.
   * @throws OfframpError NOT_SUPPORTED where none can be, CONFIG_INVALID for a link or places that cannot be.
   */
  static async start(options: PacketLinkOptions): Promise<PacketLink> {
    const { link, namespace, server, seed, startAtMs, congestion } = options;
    const process = startProgram([
      ...['--namespace', namespace, '--seed', `${seed}`, '--start-at-ms', `${startAtMs}`],
      ...(server === undefined ? [] : ['--server', server]),
      ...(congestion === undefined ? [] : ['--congestion', congestion]),
    ]);
    process.write(`${JSON.stringify(linkJson(link))}\n`);
    return new PacketLink(process, await process.hear<PacketLinkPlaces>());
  }

  /** Comes before a command line to have it run where the device is; becomes that command. */
  get enter(): readonly string[] {
    return ['ip', 'netns', 'exec', this.places.namespace];
  }

  /** Resolves when the link has ended, asked to or not. */
  get ended(): Promise<void> {
    return this.#process.ended;
  }

  /** Begins the link's time anew. What is on its way arrives when it would have. @throws OfframpError INTERNAL when it has ended. */
  async restart(): Promise<void> {
    this.#process.signal('SIGUSR1');
    await this.#process.hear();
  }

  /** Takes the link and the namespace away. @throws OfframpError INTERNAL when it has ended before. */
  async stop(): Promise<PacketLinkSummary> {
    this.#process.signal('SIGTERM');
    const summary = await this.#process.hear<PacketLinkSummary>();
    await this.#process.ended;
    return summary;
  }
}

/** An address of this machine that a server listens on, and that links from several devices lead to. */
export interface ServerAddress {
  readonly address: string;
  stop(): Promise<void>;
}

/**
 * Finds a free address and keeps it, also while no link leads to it.
 * @throws OfframpError NOT_SUPPORTED where it cannot.
 */
export async function keepServerAddress(): Promise<ServerAddress> {
  const process = startProgram(['--keep-address']);
  const { server } = await process.hear<{ readonly server: string }>();
  return {
    address: server,
    stop() {
      process.signal('SIGTERM');
      return process.ended;
    },
  };
}

function startProgram(args: readonly string[]): ToldProcess {
  if (process.platform !== 'linux') throw new OfframpError('NOT_SUPPORTED', notLinux);
  return new ToldProcess('packet link', python, ['-B', program, '--while-stdin', ...args]);
}
