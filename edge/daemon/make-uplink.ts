import type { Bundle } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { Uplink, type UplinkListeners } from '../agent/index.ts';
import { type CloudTlsFiles, keptFresh, readCloudTls } from './cloud-tls.ts';
import { wsDial } from './ws-dial.ts';

/** What a device shows to its servers. */
export interface UplinkConfig {
  /** The token for them; asked for every connection, since tokens are renewed. */
  readonly cloudToken?: () => string | undefined;
  readonly cloudTls?: CloudTlsFiles;
  readonly version: string;
}

/** Until the server's welcome says its own. */
const heartbeatMs = 5000;
const connectTimeoutMs = 5000;
const maxMessageBytes = 1024 * 1024;

/** The connection to one server, not yet begun. */
export function makeUplink(
  config: UplinkConfig,
  url: string,
  bundle: Bundle,
  listeners: UplinkListeners,
): Uplink {
  const { cloudToken = () => undefined, cloudTls = {}, version } = config;
  const token = keptFresh(cloudToken);
  const tls = keptFresh(() => readCloudTls(cloudTls, url));
  const agent = `offramp-edge/${version}`;
  const bundles = [{ id: bundle.manifest.id, digest: bundle.digest }];
  return new Uplink({
    dial: wsDial({ url, heartbeatMs, connectTimeoutMs, maxMessageBytes, tls }),
    hello: () => {
      const own = token();
      return { agent, ...(own !== undefined && { token: own }), bundles };
    },
    clock: systemClock,
    random: Math.random,
    ...listeners,
  });
}
