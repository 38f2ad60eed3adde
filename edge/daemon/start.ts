import type { FastifyBaseLogger } from 'fastify';
import { type Bundle, openBundle, type ReadFile } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { bundleFolder, type ResizeMode, type TokenEntry } from '../../shared/host/index.ts';
import { type Runner, type SegmentGraph, segmentGraph } from '../../shared/runtime/index.ts';
import { InlineRunner, WorkerPool } from '../../shared/runtime/node/index.ts';
import type { Tracer } from '../../shared/trace/index.ts';
import {
  Agent,
  Auditor,
  allowedDisagreement,
  type Drift,
  Endpoints,
  Uplink,
  type UplinkEvent,
} from '../agent/index.ts';
import { type CloudTlsFiles, keptFresh, readCloudTls } from './cloud-tls.ts';
import { httpApi } from './http-api.ts';
import { admissionOf, type ListeningPlace, listen } from './listening.ts';
import { EdgeMetrics } from './metrics.ts';
import { startWatch } from './start-watch.ts';
import type { WatchConfig } from './watch-folder.ts';
import { wsDial } from './ws-dial.ts';

/** What computes the device's segments: onnxruntime's binary for the machine, or WebAssembly, which runs on any. */
export type EdgeRuntime = 'native' | 'wasm';

export interface AgentConfig {
  readonly bundleFolder: string;
  /** `ws:` or `wss:` addresses of servers that do the same; none on a device that stands alone. */
  readonly cloudUrls?: readonly string[];
  /** The token for them; asked for every connection, since tokens are renewed. */
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
  /** Inference threads; with 0 segments run in this one. `auto`: that, where each takes less than a millisecond, else one thread. */
  readonly workers: number | 'auto';
  readonly threadsPerWorker: number;
  /** Absent: native. */
  readonly runtime?: EdgeRuntime | undefined;
  readonly version: string;
  /** Share of the device's own answers that the cloud is asked about as well; none when absent. */
  readonly auditShare?: number;
  /** Share of them in which the cloud may disagree; by the bundle's calibration when absent. */
  readonly allowedDisagreement?: number | undefined;
  readonly onDrift?: (drift: Drift) => void;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly onEvent: (event: UplinkEvent, url: string) => void;
}

export interface RunningAgent {
  readonly agent: Agent;
  readonly bundle: Bundle;
  readonly cut: number;
  /** All servers as one; absent on a device that stands alone. */
  readonly cloud: Endpoints | undefined;
  /** Absent where nothing is audited. */
  readonly auditor: Auditor | undefined;
  readonly uplinks: readonly { readonly url: string; readonly uplink: Uplink }[];
  readonly runner: Runner;
  stop(): Promise<void>;
}

/** Until the server's welcome says its own. */
const heartbeatMs = 5000;
const connectTimeoutMs = 5000;
/** What may hold up sockets and timers; the way to a thread and back takes a tenth of it. */
const longestInlineMicros = 1000;
const maxMessageBytes = 1024 * 1024;

/**
 * Starts an agent on this machine: bundle, inference threads and, when there is one, the connection to the cloud. Does not
 * wait for the cloud: until it is there, images are answered on the device.
 */
export async function startAgent(config: AgentConfig): Promise<RunningAgent> {
  const { cloudUrls = [], cloudTls = {} } = config;
  for (const url of cloudUrls) checkCloudUrl(url);
  if (cloudUrls.length === 0) readCloudTls(cloudTls, undefined);
  for (const url of cloudUrls) readCloudTls(cloudTls, url);
  const readFile = bundleFolder(config.bundleFolder);
  const cut = await chooseCut(config, readFile);
  // At cut 0 too: the first segment answers when the cloud does not.
  const segments = Array.from({ length: Math.max(1, cut) }, (_, index) => index);
  const bundle = await openBundle(readFile, { segments });
  const graphs = segments.map((index) => segmentGraph(bundle, index));
  const runner = await startRunner(config, graphs);
  let running: RunningAgent | undefined;
  try {
    running = assemble(config, bundle, runner, cut);
    if (cut === 0) await running.agent.warmUp();
    return running;
  } catch (thrown) {
    for (const { uplink } of running?.uplinks ?? []) uplink.close();
    await runner.close();
    throw thrown;
  }
}

async function startRunner(config: AgentConfig, graphs: readonly SegmentGraph[]): Promise<Runner> {
  const { workers, threadsPerWorker, maxInFlight: maxQueuedRuns, runtime } = config;
  const providers = [runtime === 'wasm' ? 'wasm' : 'cpu'] as const;
  if (workers === 0 || workers === 'auto') {
    const runner = await InlineRunner.start({ graphs, providers, threads: threadsPerWorker, maxQueuedRuns });
    const longestMicros = Math.max(...runner.warmRuns.map(({ runMicros }) => runMicros));
    if (workers === 0 || longestMicros <= longestInlineMicros) return runner;
    await runner.close();
  }
  const threads = workers === 'auto' ? 1 : workers;
  return WorkerPool.start({ graphs, providers, workers: threads, threadsPerWorker, maxQueuedRuns });
}

function assemble(config: AgentConfig, bundle: Bundle, runner: Runner, cut: number): RunningAgent {
  const { cloudUrls = [] } = config;
  let cloud: Endpoints | undefined;
  const onEvent = (url: string) => (event: UplinkEvent) => {
    config.onEvent(event, url);
    if (event.kind !== 'goaway') cloud?.onLinkEvent(event.kind);
  };
  const uplinks = cloudUrls.map((url) => ({ url, uplink: makeUplink(config, url, bundle, onEvent(url)) }));
  const links = uplinks.map(({ uplink }) => uplink);
  if (links.length > 0) cloud = new Endpoints({ links, clock: systemClock, random: Math.random });
  const auditor = cloud === undefined ? undefined : makeAuditor(config, bundle);
  const agent = new Agent({
    bundle,
    runner,
    ...(cloud !== undefined && { cloud }),
    ...(auditor !== undefined && { auditor }),
    clock: systemClock,
    cut,
    ...(config.channels !== undefined && { channels: config.channels }),
    ...(config.priority !== undefined && { priority: config.priority }),
    defaultBudgetMs: config.budgetMs,
    maxInFlight: config.maxInFlight,
    ...(config.tracer !== undefined && { tracer: config.tracer }),
  });
  // Not before: an agent that cannot be made must not leave a connection behind.
  for (const { uplink } of uplinks) uplink.start();
  return {
    agent,
    bundle,
    cut,
    cloud,
    uplinks,
    auditor,
    runner,
    async stop() {
      for (const { uplink } of uplinks) uplink.close();
      await runner.close();
    },
  };
}

function makeAuditor(config: AgentConfig, { manifest }: Bundle): Auditor | undefined {
  const { auditShare: share = 0, allowedDisagreement: allowed, onDrift } = config;
  if (share === 0) return undefined;
  return new Auditor({
    ...{ share, random: Math.random, allowedDisagreement: allowed ?? allowedDisagreement(manifest) },
    ...(onDrift !== undefined && { onDrift }),
  });
}

async function chooseCut({ cloudUrls = [], cut }: AgentConfig, readFile: ReadFile): Promise<number> {
  const { id, segments } = (await openBundle(readFile, { segments: [] })).manifest;
  const chosen = cut ?? (cloudUrls.length === 0 ? segments.length : 1);
  if (chosen >= 0 && chosen <= segments.length) return chosen;
  throw new OfframpError(
    'CUT_UNSUPPORTED',
    `Cut ${chosen} of bundle ${id}, expected 0 to ${segments.length}`,
  );
}

function checkCloudUrl(url: string): void {
  const { protocol = '', hash = '' } = URL.canParse(url) ? new URL(url) : {};
  // RFC 6455 section 3: a WebSocket address has no fragment, and ws throws at one.
  if (/^wss?:$/.test(protocol) && hash === '') return;
  throw new OfframpError(
    'CONFIG_INVALID',
    `Cloud address '${url}', expected ws://host:port or wss://host:port`,
  );
}

function makeUplink(
  config: AgentConfig,
  url: string,
  bundle: Bundle,
  onEvent: (event: UplinkEvent) => void,
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
    onEvent,
  });
}

export interface EdgeConfig extends Omit<AgentConfig, 'onEvent'>, ListeningPlace {
  /** Tokens of the daemon's own HTTP API. */
  readonly tokens: readonly TokenEntry[];
  readonly resize: ResizeMode;
  /** A folder whose pictures are answered as they appear; absent: none. */
  readonly watch?: WatchConfig | undefined;
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
  const said = new Map<string, string>();
  const onEvent = (event: UplinkEvent, url: string) => {
    said.set(url, logEvent(logger.child({ cloud: url }), event, said.get(url) ?? ''));
  };
  const onDrift = (drift: Drift) =>
    logger.warn(drift, 'the cloud disagrees too often: thresholds are stricter now');
  const running = await startAgent({ ...config, onEvent, onDrift });
  const { agent, auditor, bundle, cloud, uplinks, runner } = running;
  const metrics = new EdgeMetrics({
    connected: () => cloud?.connected ?? false,
    inFlight: () => agent.inFlight,
    audit: () => auditor?.status,
    hedges: () => cloud?.hedges ?? 0,
    lateAnswers: () => uplinks.reduce((sum, { uplink }) => sum + uplink.lateAnswers, 0),
  });
  const app = httpApi({
    ...{ agent, auditor, bundle, runner, cloud, uplinks },
    ...{ metrics, admit, resize, version, logger },
  });
  try {
    const url = await listen(app, config);
    const { maxInFlight, watch } = config;
    const watching = watch && (await startWatch(watch, running, { maxInFlight, resize, metrics, logger }));
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
