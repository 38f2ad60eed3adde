import type { FastifyBaseLogger } from 'fastify';
import { openBundle } from '../shared/bundle/index.ts';
import { OfframpError } from '../shared/errors.ts';
import { bundleFolder } from '../shared/host/index.ts';
import type { Provider } from '../shared/runtime/index.ts';
import { WorkerPool } from '../shared/runtime/node/index.ts';
import { type ServedBundle, serveBundle } from './served-bundle.ts';
import { type CloudLimits, CloudServer } from './server.ts';

export interface CloudConfig {
  readonly host: string;
  readonly port: number;
  readonly tokens: readonly string[];
  /** Folders of the bundles to serve. */
  readonly bundleFolders: readonly string[];
  /** Execution providers, tried in this order. */
  readonly providers: readonly Provider[];
  readonly workers: number;
  readonly threadsPerWorker: number;
  readonly limits: CloudLimits;
  readonly version: string;
  readonly logger: FastifyBaseLogger;
}

export interface RunningCloud {
  readonly url: string;
  readonly provider: Provider;
  /** Drains and stops; returns the number of requests that had to be given up. */
  stop(): Promise<number>;
}

/**
 * Opens the bundles, starts the inference threads and the server.
 * @throws OfframpError what {@link openBundle}, {@link WorkerPool.start} and {@link CloudServer.start} throw.
 */
export async function startCloud(config: CloudConfig): Promise<RunningCloud> {
  const { logger, limits, workers, threadsPerWorker, providers } = config;
  const bundles = await Promise.all(
    config.bundleFolders.map(async (folder) => serveBundle(await openBundle(bundleFolder(folder)))),
  );
  refuseTwins(bundles);
  const runner = await WorkerPool.start({
    graphs: bundles.flatMap(({ graphs }) => graphs),
    workers,
    threadsPerWorker,
    providers,
    maxQueuedRuns: workers,
    onWorkerDeath: (error) => logger.error({ code: error.code }, error.message),
  });
  try {
    const server = await CloudServer.start({ ...config, bundles, runner, limits });
    for (const { id, digest } of bundles) {
      logger.info({ bundle: id, digest, provider: runner.provider, workers: runner.parallel }, 'serving');
    }
    return {
      url: server.url,
      provider: runner.provider,
      async stop() {
        const lost = await server.drain();
        await runner.close();
        return lost;
      },
    };
  } catch (thrown) {
    await runner.close();
    throw thrown;
  }
}

/** Graphs are named by the bundle's id and frames by its tag: two bundles that share one would get each other's rows. */
function refuseTwins(bundles: readonly ServedBundle[]): void {
  for (const [index, { id, tag }] of bundles.entries()) {
    const twin = bundles.slice(0, index).find((earlier) => earlier.id === id || earlier.tag === tag);
    if (twin === undefined) continue;
    const what = twin.id === id ? `the id '${id}'` : 'digests that begin alike';
    throw new OfframpError('CONFIG_INVALID', `Two bundles have ${what}; serve each bundle once`);
  }
}
