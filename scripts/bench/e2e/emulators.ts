import { randomBytes } from 'node:crypto';
import type { EmulatorName } from './emulator-names.ts';
import type { LinkSite, OpenSite } from './live-link.ts';
import { keepServerAddress, startPacketLink } from './packet-link.ts';
import { startStreamLink } from './stream-link.ts';

export const emulators: Readonly<Record<EmulatorName, OpenSite>> = {
  stream: openStreamSite,
  packet: openPacketSite,
};

/** Everything on loopback, which needs no privileges. */
async function openStreamSite(): Promise<LinkSite> {
  return { serverHost: '127.0.0.1', token: undefined, startLink: startStreamLink, async close() {} };
}

/** The server on an address of its own that only this machine has. @throws OfframpError NOT_SUPPORTED where there can be none. */
async function openPacketSite(): Promise<LinkSite> {
  const kept = await keepServerAddress();
  return {
    serverHost: kept.address,
    // The server asks for one on any address but loopback.
    token: randomBytes(24).toString('hex'),
    startLink: startPacketLink,
    close: () => kept.stop(),
  };
}
