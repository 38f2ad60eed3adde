import type { Bundle } from '../../shared/bundle/index.ts';
import type { Clock } from '../../shared/clock.ts';
import type { BundleRun } from '../../shared/protocol/index.ts';
import type { DeviceAlarms } from './device-alarms.ts';
import { Endpoints } from './endpoints.ts';
import type { Uplink, UplinkEvent, UplinkOptions } from './uplink.ts';

/** What joins an uplink to its device. */
export type UplinkListeners = Pick<UplinkOptions, 'alarms' | 'onEvent' | 'onRoundTrip'>;

export interface CloudServersOptions {
  /** Addresses of servers that do the same; none on a device that stands alone. */
  readonly urls: readonly string[];
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Makes the connection to one of them, without beginning it. */
  readonly makeUplink: (url: string, listeners: UplinkListeners) => Uplink;
  /** Told to all of them; absent on a device without watches. */
  readonly alarms?: DeviceAlarms;
  readonly onEvent: (event: UplinkEvent, url: string) => void;
}

export interface ServerUplink {
  readonly url: string;
  readonly uplink: Uplink;
}

/** The servers of a device. */
export interface CloudServers {
  /** All of them as one; absent on a device that stands alone. */
  readonly cloud: Endpoints | undefined;
  readonly uplinks: readonly ServerUplink[];
}

/** Makes several servers one. Begins no connection. */
export function joinServers(options: CloudServersOptions): CloudServers {
  const { urls, clock, random, makeUplink, onEvent, alarms } = options;
  let cloud: Endpoints | undefined;
  const uplinks = urls.map((url, index) => {
    const uplink = makeUplink(url, {
      onEvent: (event) => {
        onEvent(event, url);
        if (event.kind !== 'goaway') cloud?.onLinkEvent(event.kind);
      },
      onRoundTrip: (bytes, ms) => cloud?.onRoundTrip(index, bytes, ms),
      ...(alarms !== undefined && { alarms: () => alarms.standing }),
    });
    return { url, uplink };
  });
  alarms?.listen(() => {
    for (const { uplink } of uplinks) uplink.tellAlarms();
  });
  const links = uplinks.map(({ uplink }) => uplink);
  if (links.length > 0) cloud = new Endpoints({ links, clock, random });
  return { cloud, uplinks };
}

/** What the first server that is connected says of this very bundle's batches. */
export function toldRuns(bundle: Bundle, uplinks: readonly ServerUplink[]): readonly BundleRun[] {
  for (const { uplink } of uplinks) {
    const served = uplink.welcome?.bundles.find(({ digest }) => digest === bundle.digest);
    if (served?.runs !== undefined) return served.runs;
  }
  return [];
}
