import type { FastifyBaseLogger } from 'fastify';
import { OfframpError } from '../../shared/errors.ts';
import type { ExitShareChange, ExitShareFigures } from '../../shared/exits/index.ts';
import {
  foreignRequest,
  openPageSite,
  type PageOptions,
  type ResizeMode,
  type ServedPage,
  type TokenEntry,
} from '../../shared/host/index.ts';
import type { Choice } from '../../shared/plan/index.ts';
import type { Drift, UplinkEvent } from '../agent/index.ts';
import { httpApi } from './http-api.ts';
import { admissionOf, type ListeningPlace, listen } from './listening.ts';
import { EdgeMetrics } from './metrics.ts';
import { type AgentConfig, type RunningAgent, startAgent } from './start-agent.ts';
import { startWatch } from './start-watch.ts';
import type { WatchConfig } from './watch-folder.ts';

export interface EdgeConfig extends Omit<AgentConfig, 'onEvent'>, ListeningPlace {
  /** Tokens of the daemon's own HTTP API. */
  readonly tokens: readonly TokenEntry[];
  readonly resize: ResizeMode;
  /** A folder whose pictures are answered as they appear; absent: none. */
  readonly watch?: WatchConfig | undefined;
  /** Absent: no page is served. */
  readonly page?: Pick<PageOptions, 'folder' | 'imagesOf'> | undefined;
  readonly logger: FastifyBaseLogger;
}

export interface RunningEdge {
  /** `http://host:port` or `unix:/file`. */
  readonly url: string;
  /** Answers what is under way, then stops. */
  stop(): Promise<void>;
}

/**
 * Starts the edge agent daemon.
 * @throws OfframpError CONFIG_INVALID, PORT_IN_USE, or what opening the bundle and starting the threads throw.
 */
export async function startEdge(config: EdgeConfig): Promise<RunningEdge> {
  const { logger, resize, version } = config;
  refuseLimits(config.tokens);
  const admit = admissionOf(config.tokens, config);
  const page = await pageOf(config);
  const said = new Map<string, string>();
  const onEvent = (event: UplinkEvent, url: string) => {
    said.set(url, logEvent(logger.child({ cloud: url }), event, said.get(url) ?? ''));
  };
  const onDrift = (drift: Drift) =>
    logger.warn(drift, 'the cloud disagrees too often: thresholds are stricter now');
  const onPlan = ({ prediction: { plan, latency, accuracy, bytes } }: Choice) =>
    logger.info({ plan: plan.key, latency, accuracy, bytes }, 'follows another plan');
  const onExitShare = (change: ExitShareChange, figures: ExitShareFigures) =>
    logExitShare(logger, change, figures);
  const running = await startAgent({ ...config, onEvent, onDrift, onExitShare, onPlan });
  const { agent, auditor, bundle, cloud, uplinks, runner } = running;
  const metrics = new EdgeMetrics({
    connected: () => cloud?.connected ?? false,
    inFlight: () => agent.inFlight,
    audit: () => auditor?.status,
    exitShare: () => running.exitShare?.figures,
    planChanges: () => running.pilot?.changes ?? 0,
    hedges: () => cloud?.hedges ?? 0,
    lateAnswers: () => uplinks.reduce((sum, { uplink }) => sum + uplink.lateAnswers, 0),
  });
  const app = httpApi({
    ...{ agent, auditor, bundle, runner, cloud, uplinks, pilot: running.pilot },
    ...{ exitShare: running.exitShare },
    ...{ thresholds: running.thresholds, slowdown: config.slowdown, segmentMs: config.segmentMs },
    ...{ metrics, admit, page, resize, version, logger },
  });
  try {
    const url = await listen(app, config);
    const { maxInFlight, watch } = config;
    const watching = watch && (await startWatch(watch, running, { maxInFlight, resize, metrics, logger }));
    sayTrial(config, running);
    logger.info(
      {
        ...{ bundle: bundle.manifest.id, digest: bundle.digest },
        ...{ provider: runner.provider, cut: running.cut },
        ...(config.channels !== undefined && { channels: config.channels }),
      },
      'answering',
    );
    return {
      url,
      async stop() {
        await watching?.stop();
        await app.close();
        await running.stop();
      },
    };
  } catch (thrown) {
    await app.close();
    await running.stop();
    throw thrown;
  }
}

/** A page of the device's own bundle, which asks the device's own servers. */
async function pageOf(config: EdgeConfig): Promise<ServedPage | undefined> {
  const { page, bundleFolder, cloudUrls, tokens, version } = config;
  if (page === undefined) return undefined;
  const site = await openPageSite({
    ...page,
    bundleFolders: [bundleFolder],
    cloudUrls: cloudUrls ?? [],
    version,
  });
  return { site, admit: tokens.length === 0 ? foreignRequest : () => undefined };
}

function logExitShare(logger: FastifyBaseLogger, change: ExitShareChange, figures: ExitShareFigures): void {
  if (change === 'back') {
    logger.info(figures, 'as many images leave by the first exit as at its calibration again');
    return;
  }
  const { recent = 0, calibrated } = figures;
  const more = recent > calibrated ? 'more' : 'fewer';
  logger.warn(
    figures,
    `${more} images leave by the first exit than at its calibration: look at the pictures`,
  );
}

/** What is not as it would be in earnest. */
function sayTrial(
  { logger, auditShare = 0, slowdown = 1, segmentMs }: EdgeConfig,
  { auditor, cloud, thresholds }: RunningAgent,
): void {
  if (slowdown !== 1) logger.warn({ slowdown }, 'every run of a segment takes longer than it would here');
  if (segmentMs !== undefined)
    logger.warn({ segmentMs }, 'runs of segments take as long as they were told to');
  if (thresholds === undefined) return;
  const { inUse, calibrated } = thresholds;
  logger.warn({ thresholds: inUse, calibrated }, 'thresholds are fixed, and not those of the calibration');
  if (cloud === undefined || auditor !== undefined || auditShare === 0) return;
  logger.warn(
    'nothing is audited: the thresholds are looser than the calibrated ones, which promise nothing of them',
  );
}

/** A limit that is written down and does not hold would be worse than none. */
function refuseLimits(tokens: readonly TokenEntry[]): void {
  const limited = tokens.find(
    ({ connections, inFlight, rowsPerSecond }) => (connections ?? inFlight ?? rowsPerSecond) !== undefined,
  );
  if (limited === undefined) return;
  const message = `The token '${limited.name}' has limits, which only the cloud server holds`;
  throw new OfframpError('CONFIG_INVALID', message);
}

/** Returns the problem it logged, to be handed in at the next event of the same server. */
function logEvent(logger: FastifyBaseLogger, event: UplinkEvent, said: string): string {
  switch (event.kind) {
    case 'connected':
      logger.info({ server: event.welcome.server, credits: event.welcome.credits }, 'connected to the cloud');
      break;
    case 'goaway':
      logger.info({ reason: event.reason }, 'the cloud asks to go elsewhere');
      break;
    case 'disconnected':
      // A refusal that lasts is said once, not at every retry.
      if (said === event.error.message) logger.debug(event.error.message);
      else logger.warn({ code: event.error.code }, `${event.error.message}; answering on the device`);
      return event.error.message;
  }
  return '';
}
