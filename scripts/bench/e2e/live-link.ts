import type { Link } from '../../links/index.ts';

/** Where a device's process runs, and how it reaches the server. */
export interface LiveLink {
  /** The server's address as the device has to name it, `ws:`. */
  readonly cloudUrl: string;
  /** Comes before the device's command line, such as `ip netns exec NAME`; empty where it needs nothing. */
  readonly enter: readonly string[];
  /** Begins the link's time anew (its traces and outages); called when the first image is about to come. */
  restart(): void | Promise<void>;
  stop(): Promise<void>;
}

/** Between which server and which device a link is, and what it does. */
export interface LinkNeeds {
  /** The server, `http://HOST:PORT`. */
  readonly serverUrl: string;
  readonly link: Link;
  /** The same as `offramp emulate --link` takes it, traces by their full paths. */
  readonly spec: string;
  /** Of jitter and losses, 0 to 2^32 - 1. */
  readonly seed: number;
  /** Link time to begin at, whole milliseconds. */
  readonly startAtMs: number;
  /** TCP's congestion control over it, where there are packets; the kernel's own unless said. */
  readonly congestion?: string | undefined;
}

/** Where the processes of one cell are: a server, and devices that have a link each. */
export interface LinkSite {
  /** Where the server has to listen for links to lead to it. */
  readonly serverHost: string;
  /** Lets devices in at the server; absent where it needs none. */
  readonly token: string | undefined;
  startLink(needs: LinkNeeds): Promise<LiveLink>;
  close(): Promise<void>;
}

export type OpenSite = () => Promise<LinkSite>;
