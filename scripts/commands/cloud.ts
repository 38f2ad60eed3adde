import pino from 'pino';
import { type CloudLimits, defaultCloudLimits, startCloud } from '../../cloud/index.ts';
import { untilSignal } from '../../shared/host/index.ts';
import { type Device, providersOf, readTokens } from '../options.ts';
import { listeningPlace, print, say } from '../output.ts';
import { findBundle, version } from '../project.ts';

export interface CloudCommandOptions {
  readonly host: string;
  readonly port: number;
  readonly bundle: readonly string[];
  readonly device: Device;
  readonly workers: number;
  readonly threads: number;
  readonly maxBatchRows: number;
  readonly maxQueuedRows: number;
  readonly credits: number;
  readonly maxImageBytes: number;
  readonly decoders: number;
  readonly drainMs: number;
  readonly tokenFile?: string;
  readonly logLevel: string;
  readonly json?: boolean;
}

/** Runs the cloud server until SIGTERM or SIGINT, then drains. */
export async function cloudCommand(options: CloudCommandOptions): Promise<void> {
  const { host, port, workers, threads, drainMs } = options;
  const logger = pino({ level: options.logLevel, base: { service: 'cloud' } }, pino.destination(2));
  const stopped = untilSignal();
  const cloud = await startCloud({
    host,
    port,
    tokens: readTokens(options.tokenFile, 'OFFRAMP_CLOUD_TOKEN'),
    bundleFolders: options.bundle.map(findBundle),
    providers: providersOf(options.device),
    workers,
    threadsPerWorker: threads,
    limits: limitsOf(options),
    version,
    logger,
  });
  if (options.json) print(JSON.stringify({ listening: cloud.url, provider: cloud.provider }));
  else
    print(
      `Cloud server on ${listeningPlace(host, cloud.url)}, segments on ${cloud.provider}. Ctrl-C drains and stops it.`,
    );
  const signal = await stopped;
  logger.info({ signal }, 'draining');
  const lost = await cloud.stop();
  if (lost > 0) say(`${lost} requests were still unanswered after ${drainMs} ms and were given up.`);
}

function limitsOf(options: CloudCommandOptions): CloudLimits {
  const { maxBatchRows, maxQueuedRows, credits, maxImageBytes, decoders, drainMs } = options;
  const chosen = { maxBatchRows, maxQueuedRows, credits, maxImageBytes, maxDecodes: decoders, drainMs };
  return { ...defaultCloudLimits, ...chosen };
}
