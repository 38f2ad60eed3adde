import type { FastifyBaseLogger } from 'fastify';
import { openBundle } from '../shared/bundle/index.ts';
import { OfframpError } from '../shared/errors.ts';
import {
  bundleFolder,
  isLoopback,
  openPageSite,
  type PageOptions,
  type PageSite,
  type TokenSource,
} from '../shared/host/index.ts';
import type { LoadingRunner, Provider, RunnerProvider, SegmentGraph } from '../shared/runtime/index.ts';
import { WorkerPool } from '../shared/runtime/node/index.ts';
import type { Tracer } from '../shared/trace/index.ts';
import type { Scheduler } from './batching/index.ts';
import { bundleNames } from './bundle-repository.ts';
import type { AssetSource } from './console/index.ts';
import { type RemoteServer, startRemoteRunner } from './executors/index.ts';
import type { CloudLimits } from './limits.ts';
import { Secrets } from './secrets.ts';
import { type ServedBundle, serveBundle } from './served-bundle.ts';
import { type CloudOptions, CloudServer } from './server.ts';
import type { TlsFiles } from './tls.ts';

export interface CloudConfig {
  readonly host: string;
  readonly port: number;
  /** A file is read again on SIGHUP and when it changes. */
  readonly tokens: TokenSource;
  /** Absent: no TLS. Read again as the tokens are. */
  readonly tls?: TlsFiles | undefined;
  /** See {@link AccessOptions}. */
  readonly allowedOrigins?: readonly string[];
  readonly trustedProxies?: readonly string[];
  /** Folders of the bundles to serve. */
  readonly bundleFolders: readonly string[];
  /** See {@link CloudOptions}. */
  readonly repositoryFolder?: string | undefined;
  /** Execution providers, tried in this order. */
  readonly providers: readonly Provider[];
  readonly workers: number;
  readonly threadsPerWorker: number;
  /** Runs the segments in place of the inference threads. */
  readonly remote?: RemoteServer | undefined;
  /** Decides what runs next; the project's own when absent. */
  readonly scheduler?: Scheduler | undefined;
  /** Settings of bundles by id, see `batchingSchema`. */
  readonly batching?: Readonly<Record<string, unknown>> | undefined;
  readonly limits: CloudLimits;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Absent: no page is served. */
  readonly page?: Pick<PageOptions, 'folder' | 'imagesOf'> | undefined;
  /** See {@link CloudOptions}. */
  readonly consoleFiles?: AssetSource | undefined;
  readonly onDrainAsked?: (() => void) | undefined;
  readonly version: string;
  readonly logger: FastifyBaseLogger;
}

export interface RunningCloud {
  readonly url: string;
  readonly provider: RunnerProvider;
  /** Drains and stops; returns the number of requests that had to be given up. */
  stop(): Promise<number>;
}

/**
 * Opens the bundles, starts the inference threads, or finds the server that stands in for them, and the server.
 * @throws OfframpError what {@link Secrets.read}, {@link openBundle}, {@link WorkerPool.start}, {@link startRemoteRunner} and
 * {@link CloudServer.start} throw.
 */
export async function startCloud(config: CloudConfig): Promise<RunningCloud> {
  const { logger, limits } = config;
  const secrets = await Secrets.read({ tokens: config.tokens, tls: config.tls, logger });
  const bundles = await Promise.all(
    config.bundleFolders.map(async (folder) => serveBundle(await openBundle(bundleFolder(folder)))),
  );
  // What cannot be read is better known now than when somebody wants something out of it.
  if (config.repositoryFolder !== undefined) await bundleNames(config.repositoryFolder);
  refuseTwins(bundles);
  refuseSettingsOfOthers(config, bundles);
  const page = await pageOf(config);
  const runner = await startRunner(
    config,
    bundles.flatMap(({ graphs }) => graphs),
  );
  try {
    const { tokens, tls } = secrets;
    const server = await CloudServer.start({
      ...{ ...config, tokens, tls, bundles, page, runner, limits, warmRuns: runner.warmRuns },
    });
    secrets.watch(server);
    if (tls === undefined && !isLoopback(config.host)) {
      logger.warn({ host: config.host }, 'not encrypted: use --tls-cert, or a proxy that ends TLS');
    }
    for (const { id, digest } of bundles) {
      logger.info({ bundle: id, digest, provider: runner.provider, workers: runner.parallel }, 'serving');
    }
    return {
      url: server.url,
      provider: runner.provider,
      async stop() {
        secrets.stop();
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

/** A page of the bundles served from the start, which asks this very server, whatever proxy is before it. */
async function pageOf({ page, bundleFolders, version }: CloudConfig): Promise<PageSite | undefined> {
  return page && openPageSite({ ...page, bundleFolders, cloudUrls: ['../'], version });
}

function startRunner(config: CloudConfig, graphs: readonly SegmentGraph[]): Promise<LoadingRunner> {
  const { remote, workers, threadsPerWorker, providers, limits, logger } = config;
  if (remote !== undefined)
    return startRemoteRunner(remote, graphs, { maxRows: limits.maxBatchRows, logger });
  return WorkerPool.start({
    graphs,
    workers,
    threadsPerWorker,
    providers,
    warmUpRows: warmUpRows(config),
    maxQueuedRuns: workers,
    onWorkerDeath: (error) => logger.error({ code: error.code }, error.message),
  });
}

/** On a GPU every batch size, for each may compile on its first run; on a CPU as many as tell how time grows with rows. */
function warmUpRows({ providers, limits: { maxBatchRows } }: CloudConfig): number[] {
  const all = Array.from({ length: maxBatchRows }, (_, index) => index + 1);
  const isCpu = providers.every((provider) => provider === 'cpu');
  return isCpu ? all.filter((rows) => [1, 4, 16].includes(rows)) : all;
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

/** A name that is written wrongly would leave its bundle with the defaults. What a repository has may come later. */
function refuseSettingsOfOthers(
  { batching = {}, repositoryFolder }: CloudConfig,
  bundles: readonly ServedBundle[],
): void {
  if (repositoryFolder !== undefined) return;
  const ids = bundles.map(({ id }) => id);
  const other = Object.keys(batching).find((id) => !ids.includes(id));
  if (other === undefined) return;
  const message = `bundles.${other}: got settings of a bundle that is not served, expected one of ${ids.join(', ')}`;
  throw new OfframpError('CONFIG_INVALID', message);
}
