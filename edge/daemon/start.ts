import type { FastifyBaseLogger } from 'fastify';
import { type Bundle, openBundle, type ReadFile } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  bundleFolder,
  httpAdmission,
  listenError,
  type ResizeMode,
  type TokenEntry,
} from '../../shared/host/index.ts';
import { type Runner, segmentGraph } from '../../shared/runtime/index.ts';
import { WorkerPool } from '../../shared/runtime/node/index.ts';
import type { Tracer } from '../../shared/trace/index.ts';
import { Agent, Uplink, type UplinkEvent } from '../agent/index.ts';
import { type CloudTlsFiles, keptFresh, readCloudTls } from './cloud-tls.ts';
import { httpApi } from './http-api.ts';
import { EdgeMetrics } from './metrics.ts';
import { wsDial } from './ws-dial.ts';

export interface AgentConfig {
  readonly bundleFolder: string;
  /** `ws:` or `wss:` address; absent on a device that stands alone. */
  readonly cloudUrl?: string | undefined;
  /** The token for it; asked for every connection, since tokens are renewed. */
  readonly cloudToken?: () => string | undefined;
  readonly cloudTls?: CloudTlsFiles;
  /** Segments to run here, 0 sends the image; absent: one with a cloud, all of them without. */
  readonly cut?: number | undefined;
  /** Channels of the codes to send, one of the rates of the cut; absent: all. */
  readonly channels?: number | undefined;
  /** At the server, 1 is served first; absent: its default. */
  readonly priority?: number | undefined;
  readonly budgetMs: number;
  readonly maxInFlight: number;
  readonly workers: number;
  readonly threadsPerWorker: number;
  readonly version: string;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly onEvent: (event: UplinkEvent) => void;
}

export interface RunningAgent {
  readonly agent: Agent;
  readonly bundle: Bundle;
  readonly cut: number;
  readonly uplink: Uplink | undefined;
  readonly runner: Runner;
  stop(): Promise<void>;
}

const heartbeatMs = 5000;
const connectTimeoutMs = 5000;
const maxMessageBytes = 1024 * 1024;

/**
 * Starts an agent on this machine: bundle, inference threads and, when there is one, the connection to the cloud. Does not
 * wait for the cloud: until it is there, images are answered on the device.
 */
export async function startAgent(config: AgentConfig): Promise<RunningAgent> {
  checkCloudUrl(config.cloudUrl);
  readCloudTls(config.cloudTls ?? {}, config.cloudUrl);
  const readFile = bundleFolder(config.bundleFolder);
  const cut = await chooseCut(config, readFile);
  // At cut 0 too: the first segment answers when the cloud does not.
  const segments = Array.from({ length: Math.max(1, cut) }, (_, index) => index);
  const bundle = await openBundle(readFile, { segments });
  const runner = await WorkerPool.start({
    graphs: segments.map((index) => segmentGraph(bundle, index)),
    workers: config.workers,
    threadsPerWorker: config.threadsPerWorker,
    providers: ['cpu'],
    maxQueuedRuns: config.maxInFlight,
  });
  let running: RunningAgent | undefined;
  try {
    running = assemble(config, bundle, runner, cut);
    if (cut === 0) await running.agent.warmUp();
    return running;
  } catch (thrown) {
    running?.uplink?.close();
    await runner.close();
    throw thrown;
  }
}

function assemble(config: AgentConfig, bundle: Bundle, runner: WorkerPool, cut: number): RunningAgent {
  const uplink = config.cloudUrl === undefined ? undefined : makeUplink(config, config.cloudUrl, bundle);
  const agent = new Agent({
    bundle,
    runner,
    ...(uplink && { cloud: uplink }),
    clock: systemClock,
    cut,
    ...(config.channels !== undefined && { channels: config.channels }),
    ...(config.priority !== undefined && { priority: config.priority }),
    defaultBudgetMs: config.budgetMs,
    maxInFlight: config.maxInFlight,
    ...(config.tracer !== undefined && { tracer: config.tracer }),
  });
  // Not before: an agent that cannot be made must not leave a connection behind.
  uplink?.start();
  return {
    agent,
    bundle,
    cut,
    uplink,
    runner,
    async stop() {
      uplink?.close();
      await runner.close();
    },
  };
}

async function chooseCut({ cloudUrl, cut }: AgentConfig, readFile: ReadFile): Promise<number> {
  const { id, segments } = (await openBundle(readFile, { segments: [] })).manifest;
  const chosen = cut ?? (cloudUrl === undefined ? segments.length : 1);
  if (chosen >= 0 && chosen <= segments.length) return chosen;
  throw new OfframpError(
    'CUT_UNSUPPORTED',
    `Cut ${chosen} of bundle ${id}, expected 0 to ${segments.length}`,
  );
}

function checkCloudUrl(url: string | undefined): void {
  if (url === undefined) return;
  const { protocol = '', hash = '' } = URL.canParse(url) ? new URL(url) : {};
  // RFC 6455 section 3: a WebSocket address has no fragment, and ws throws at one.
  if (/^wss?:$/.test(protocol) && hash === '') return;
  throw new OfframpError(
    'CONFIG_INVALID',
    `Cloud address '${url}', expected ws://host:port or wss://host:port`,
  );
}

function makeUplink(config: AgentConfig, url: string, bundle: Bundle): Uplink {
  const { cloudToken = () => undefined, cloudTls = {}, version, onEvent } = config;
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
    onEvent,
  });
}

export interface EdgeConfig extends Omit<AgentConfig, 'onEvent'> {
  readonly host: string;
  readonly port: number;
  /** Tokens of the daemon's own HTTP API. */
  readonly tokens: readonly TokenEntry[];
  readonly resize: ResizeMode;
  readonly logger: FastifyBaseLogger;
}

export interface RunningEdge {
  readonly url: string;
  /** Answers what is under way, then stops. */
  stop(): Promise<void>;
}

/**
 * Starts the edge agent daemon.
 * @throws OfframpError CONFIG_INVALID, PORT_IN_USE, or what opening the bundle and starting the threads throw.
 */
export async function startEdge(config: EdgeConfig): Promise<RunningEdge> {
  const { host, port, logger, resize, version } = config;
  refuseLimits(config.tokens);
  const admit = httpAdmission(config.tokens, host);
  let said = '';
  const onEvent = (event: UplinkEvent) => {
    said = logEvent(logger, event, said);
  };
  const running = await startAgent({ ...config, onEvent });
  const { agent, uplink, bundle, runner } = running;
  const metrics = new EdgeMetrics({
    connected: () => uplink?.connected ?? false,
    inFlight: () => agent.inFlight,
    lateAnswers: () => uplink?.lateAnswers ?? 0,
  });
  const app = httpApi({ agent, bundle, uplink, metrics, admit, resize, runner, version, logger });
  try {
    const url = await app.listen({ host, port });
    logger.info(
      {
        ...{ bundle: bundle.manifest.id, digest: bundle.digest, provider: runner.provider, cut: running.cut },
        ...(config.channels !== undefined && { channels: config.channels }),
      },
      'answering',
    );
    return {
      url,
      async stop() {
        await app.close();
        await running.stop();
      },
    };
  } catch (thrown) {
    await running.stop();
    throw listenError(thrown, host, port);
  }
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

/** Returns the problem it logged, to be handed in at the next event. */
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
