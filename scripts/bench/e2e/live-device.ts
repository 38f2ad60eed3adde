import { setTimeout as sleep } from 'node:timers/promises';
import { OfframpError } from '../../../shared/errors.ts';
import { spawnServer } from '../../processes.ts';
import { DaemonClient, metricSum } from './daemon-client.ts';
import type { LinkNeeds, LinkSite, LiveLink } from './live-link.ts';

export interface LiveDeviceOptions {
  readonly site: LinkSite;
  readonly needs: LinkNeeds;
  readonly socketPath: string;
  /** Of `offramp edge`, besides server and socket. */
  readonly edgeArguments: readonly string[];
}

/** An agent daemon that has reached its server over a link of its own. */
export interface LiveDevice {
  readonly client: DaemonClient;
  readonly link: LiveLink;
  stop(): Promise<void>;
}

const connectDeadlineMs = 60_000;
const pollMs = 50;

/** @throws OfframpError INTERNAL when something does not start, CLOUD_UNREACHABLE when the daemon does not reach its server. */
export async function startDevice({
  site,
  needs,
  socketPath,
  edgeArguments,
}: LiveDeviceOptions): Promise<LiveDevice> {
  const link = await site.startLink(needs);
  const client = new DaemonClient(socketPath);
  try {
    const place = ['--cloud', link.cloudUrl, '--socket', socketPath, '--log-level', 'error'];
    const daemon = await spawnServer(['edge', ...place, ...edgeArguments], {
      ...{ stderr: 'inherit', enter: link.enter },
      ...(site.token !== undefined && { env: { OFFRAMP_CLOUD_TOKEN: site.token } }),
    });
    const stop = async () => {
      client.close();
      await daemon.stop();
      await link.stop();
    };
    try {
      await connected(client);
    } catch (thrown) {
      await daemon.stop();
      throw thrown;
    }
    return { client, link, stop };
  } catch (thrown) {
    client.close();
    await link.stop();
    throw thrown;
  }
}

async function connected(client: DaemonClient): Promise<void> {
  for (let waitedMs = 0; waitedMs < connectDeadlineMs; waitedMs += pollMs) {
    if (metricSum(await client.metrics(), 'offramp_edge_cloud_connected') === 1) return;
    await sleep(pollMs);
  }
  throw new OfframpError(
    'CLOUD_UNREACHABLE',
    `A device did not reach its server within ${connectDeadlineMs / 1000} s`,
  );
}
