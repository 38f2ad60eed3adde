import type { Bundle } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { Uplink, type UplinkListeners } from '../agent/index.ts';
import { version } from './version.ts';
import { type OpenSocket, webDial } from './web-dial.ts';

/** Until the server's welcome says its own. */
const heartbeatMs = 5000;
const maxMessageBytes = 1024 * 1024;

/** The connection of a page to one server, not yet begun. */
export function makeUplink(
  url: string,
  token: string | undefined,
  bundle: Bundle,
  listeners: UplinkListeners,
  open?: OpenSocket,
): Uplink {
  const bundles = [{ id: bundle.manifest.id, digest: bundle.digest }];
  return new Uplink({
    dial: webDial({ url, clock: systemClock, heartbeatMs, maxMessageBytes, ...(open && { open }) }),
    hello: { agent: `offramp-web/${version}`, ...(token !== undefined && { token }), bundles },
    clock: systemClock,
    random: Math.random,
    ...listeners,
  });
}
