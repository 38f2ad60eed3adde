import { setTimeout as sleep } from 'node:timers/promises';
import { OfframpError } from '../shared/errors.ts';
import { type ServerProcess, spawnServer } from './processes.ts';

export interface PairOptions {
  /** Id or folder, for both. */
  readonly bundle: string;
  /** Further arguments of `offramp cloud` and `offramp edge`. */
  readonly cloud: readonly string[];
  readonly edge: readonly string[];
}

/** A server and an agent that is connected to it, as processes of their own on loopback. */
export interface Pair {
  readonly cloud: ServerProcess;
  readonly edge: ServerProcess;
  /** Ends both, the agent first. */
  stop(): Promise<void>;
}

const connectDeadlineMs = 30_000;
const pollMs = 50;

/** @throws OfframpError INTERNAL when one of them does not start, CLOUD_UNREACHABLE when they do not find each other. */
export async function startPair({ bundle, cloud, edge }: PairOptions): Promise<Pair> {
  const usual = ['--bundle', bundle, '--port', '0', '--log-level', 'error'];
  const server = await spawnServer(['cloud', ...usual, ...cloud], { stderr: 'inherit' });
  try {
    const address = server.url.replace(/^http/, 'ws');
    const agent = await spawnServer(['edge', ...usual, '--cloud', address, ...edge], { stderr: 'inherit' });
    const stop = async () => {
      await agent.stop();
      await server.stop();
    };
    try {
      await connected(agent.url);
    } catch (thrown) {
      await agent.stop();
      throw thrown;
    }
    return { cloud: server, edge: agent, stop };
  } catch (thrown) {
    // A server left behind would keep this process alive, and itself.
    await server.stop();
    throw thrown;
  }
}

async function connected(edgeUrl: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < connectDeadlineMs; waitedMs += pollMs) {
    const metrics = await (await fetch(`${edgeUrl}/metrics`)).text();
    if (/^offramp_edge_cloud_connected 1$/m.test(metrics)) return;
    await sleep(pollMs);
  }
  throw new OfframpError(
    'CLOUD_UNREACHABLE',
    `The agent did not reach its server within ${connectDeadlineMs / 1000} s`,
  );
}
