import type { FastifyBaseLogger } from 'fastify';
import type { SegmentGraph } from '../../shared/runtime/index.ts';
import { type Encoding, OipClient, type OipClientOptions } from '../oip-client/index.ts';
import { RemoteRunner } from './remote-runner.ts';

/** Another server that runs the segments. */
export interface RemoteServer extends Pick<OipClientOptions, 'tls' | 'token' | 'url'> {
  /** Runs that are sent at the same time. */
  readonly parallel: number;
  readonly encoding: Encoding | 'auto';
  /** For one run, the network included. */
  readonly runTimeoutMs: number;
}

/** Questions about health go beside the runs and must not wait behind them. */
const healthConnections = 1;
/** As many as tell how time grows with rows, the network included. */
const warmUpRows = [1, 4, 16];

/**
 * A runner on another server, which says in the log how it is.
 * @throws OfframpError CONFIG_INVALID for its address, and what {@link RemoteRunner.start} throws.
 */
export function startRemoteRunner(
  remote: RemoteServer,
  graphs: readonly SegmentGraph[],
  { maxRows, logger }: { readonly maxRows: number; readonly logger: FastifyBaseLogger },
): Promise<RemoteRunner> {
  const { parallel, encoding, runTimeoutMs } = remote;
  const client = new OipClient({ ...remote, connections: parallel + healthConnections });
  const about = { remote: client.origin };
  return RemoteRunner.start({
    ...{ client, graphs, parallel, maxRows, encoding, runTimeoutMs },
    warmUpRows: warmUpRows.filter((rows) => rows <= maxRows),
    onUnknownGraph: (model) =>
      logger.warn({ ...about, model }, 'the remote server cannot tell which version of the graph it has'),
    onChange(problem) {
      if (problem === undefined) logger.info(about, 'the remote server is back');
      else logger.error({ ...about, code: problem.code }, problem.message);
    },
  });
}
