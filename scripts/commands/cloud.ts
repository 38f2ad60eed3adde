import pino from 'pino';
import {
  type CloudLimits,
  defaultCloudLimits,
  type SchedulerName,
  schedulerNamed,
  startCloud,
  type TlsFiles,
} from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { untilSignal } from '../../shared/host/index.ts';
import type { Provider } from '../../shared/runtime/index.ts';
import type { AccessSettings } from '../cli/access.ts';
import type { HttpSettings } from '../cli/http.ts';
import type { RemoteSettings } from '../cli/remote.ts';
import type { TracingSettings } from '../cli/tracing.ts';
import { consoleFiles } from '../console-page.ts';
import { acceleratorsOf, type Device, providersOf, tokenSource } from '../options.ts';
import { listeningPlace, print, say } from '../output.ts';
import { findPage } from '../page.ts';
import { findBundle, version } from '../project.ts';
import { unavailable } from '../unavailable.ts';
import { remoteServerOf } from './remote.ts';
import { tracingOf } from './tracing.ts';

export interface CloudCommandOptions extends AccessSettings, HttpSettings, RemoteSettings, TracingSettings {
  readonly host: string;
  readonly port: number;
  readonly bundle: readonly string[];
  readonly repository?: string;
  readonly device: Device;
  readonly requireDevice?: boolean;
  readonly workers: number;
  readonly threads: number;
  readonly maxBatchRows: number;
  readonly maxQueuedRows: number;
  readonly credits: number;
  readonly maxImageBytes: number;
  readonly decoders: number;
  readonly drainMs: number;
  readonly page?: boolean;
  readonly console: boolean;
  readonly tokenFile?: string;
  readonly logLevel: string;
  readonly json?: boolean;
  /** The configuration file, for messages about what it holds. */
  readonly config?: string;
  /** What the configuration file has under `bundles`, an object by bundle id that nobody has checked. */
  readonly bundleSettings?: unknown;
  readonly scheduler: SchedulerName;
}

/** Runs the cloud server until SIGTERM or SIGINT, then drains. */
export async function cloudCommand(options: CloudCommandOptions): Promise<void> {
  const { host, port, workers, threads, drainMs } = options;
  const logger = pino({ level: options.logLevel, base: { service: 'cloud' } }, pino.destination(2));
  let onDrainAsked = () => {};
  const asked = new Promise<string>((resolve) => {
    onDrainAsked = () => resolve('asked to drain');
  });
  const stopped = Promise.race([untilSignal(), asked]);
  const tracing = await tracingOf(options, 'offramp-cloud', logger);
  const providers = providersFor(options);
  const cloud = await startCloud({
    host,
    port,
    tokens: tokenSource(options.tokenFile, 'OFFRAMP_CLOUD_TOKEN'),
    tls: tlsFilesOf(options),
    allowedOrigins: options.allowOrigin ?? [],
    trustedProxies: options.trustProxy ?? [],
    bundleFolders: options.bundle.map(findBundle),
    repositoryFolder: options.repository,
    providers,
    workers,
    threadsPerWorker: threads,
    remote: remoteServerOf(options),
    scheduler: schedulerNamed(options.scheduler, workers),
    batching: settingsOf(options.bundleSettings),
    limits: limitsOf(options),
    page: options.page ? await findPage() : undefined,
    consoleFiles: options.console ? consoleFiles : undefined,
    onDrainAsked,
    version,
    tracer: tracing?.tracer,
    logger,
  }).catch((thrown) => {
    throw unavailable(thrown, providers);
  });
  if (options.json) print(JSON.stringify({ listening: cloud.url, provider: cloud.provider }));
  else
    print(
      `Cloud server on ${listeningPlace(host, cloud.url)}, segments on ${cloud.provider}. Ctrl-C drains and stops it.`,
    );
  if (options.page && !options.json) say(`See it in a browser: ${cloud.url}/page/`);
  const signal = await stopped;
  logger.info({ signal }, 'draining');
  const lost = await cloud.stop();
  await tracing?.stop();
  if (lost > 0) say(`${lost} requests were still unanswered after ${drainMs} ms and were given up.`);
}

/** @throws OfframpError CONFIG_INVALID for the CPU where another device is required. */
function providersFor({ device, requireDevice }: CloudCommandOptions): Provider[] {
  if (!requireDevice) return providersOf(device);
  const accelerators = acceleratorsOf(device);
  if (accelerators.length > 0) return accelerators;
  throw new OfframpError(
    'CONFIG_INVALID',
    `--require-device: got --device ${device}, expected auto, cuda or webgpu`,
  );
}

/** The configuration has checked that it is an object. */
function settingsOf(bundles: unknown): Record<string, unknown> {
  return typeof bundles === 'object' && bundles !== null ? { ...bundles } : {};
}

function limitsOf(options: CloudCommandOptions): CloudLimits {
  const { maxBatchRows, maxQueuedRows, credits, maxImageBytes, decoders, drainMs } = options;
  const chosen = { maxBatchRows, maxQueuedRows, credits, maxImageBytes, maxDecodes: decoders, drainMs };
  return { ...defaultCloudLimits, ...chosen, ...peerLimitsOf(options), ...httpLimitsOf(options) };
}

function peerLimitsOf(options: AccessSettings): Partial<CloudLimits> {
  const { peerTimeoutMs, maxConnections, maxConnectionsPerAddress } = options;
  const { newConnectionsPerSecond, requestsPerSecond } = options;
  return {
    ...{ maxConnections, maxConnectionsPerAddress, newConnectionsPerSecond, requestsPerSecond },
    headersTimeoutMs: Math.min(defaultCloudLimits.headersTimeoutMs, peerTimeoutMs),
    requestTimeoutMs: peerTimeoutMs,
    messageTimeoutMs: peerTimeoutMs,
  };
}

function httpLimitsOf(options: HttpSettings): HttpSettings {
  const { httpBudgetMs, maxHttpRows, maxHttpTensorBytes, maxHttpRequests, maxHttpHeldBytes } = options;
  return { httpBudgetMs, maxHttpRows, maxHttpTensorBytes, maxHttpRequests, maxHttpHeldBytes };
}

function tlsFilesOf({ tlsCert, tlsKey, tlsClientCa }: AccessSettings): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new OfframpError('CONFIG_INVALID', 'TLS needs both --tls-cert and --tls-key');
  }
  return {
    certFile: tlsCert,
    keyFile: tlsKey,
    ...(tlsClientCa !== undefined && { clientCaFile: tlsClientCa }),
  };
}
