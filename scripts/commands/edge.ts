import pino from 'pino';
import { type EdgeRuntime, startEdge } from '../../edge/daemon/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { type ResizeMode, untilSignal } from '../../shared/host/index.ts';
import type { Aim, Objective } from '../../shared/plan/index.ts';
import type { CloudTlsSettings } from '../cli/access.ts';
import type { TracingSettings } from '../cli/tracing.ts';
import { cloudTlsFilesOf, readTokens } from '../options.ts';
import { listeningPlace, print, say } from '../output.ts';
import { findPage } from '../page.ts';
import { findBundle, version } from '../project.ts';
import { tracingOf } from './tracing.ts';
import { type WatchSettings, watchConfigOf } from './watch-delivery.ts';

export interface EdgeCommandOptions extends CloudTlsSettings, TracingSettings, WatchSettings {
  readonly host: string;
  readonly port: number;
  readonly socket?: string;
  readonly bundle: string;
  readonly cloud?: readonly string[];
  readonly cut?: number;
  /** Channels of the codes to send. */
  readonly rate?: number;
  /** Of the device's exits. */
  readonly threshold?: readonly number[];
  readonly priority?: number;
  readonly budgetMs: number;
  readonly resize: ResizeMode;
  readonly runtime: EdgeRuntime;
  readonly workers: number | 'auto';
  readonly threads: number;
  readonly slowdown: number;
  readonly segmentMs?: readonly number[];
  readonly maxInFlight: number;
  readonly objective?: Aim;
  readonly accuracyFloor?: number;
  readonly auditShare: number;
  readonly allowedDisagreement?: number;
  readonly exitShareTolerance: number;
  readonly page?: boolean;
  readonly tokenFile?: string;
  readonly cloudTokenFile?: string;
  readonly logLevel: string;
  readonly json?: boolean;
}

/** Runs the edge agent daemon until SIGTERM or SIGINT. */
export async function edgeCommand(options: EdgeCommandOptions): Promise<void> {
  const logger = pino({ level: options.logLevel, base: { service: 'edge' } }, pino.destination(2));
  const stopped = untilSignal();
  const tracing = await tracingOf(options, 'offramp-edge', logger);
  const edge = await startEdge({
    host: options.host,
    port: options.port,
    socket: options.socket,
    tokens: readTokens(options.tokenFile, 'OFFRAMP_EDGE_TOKEN'),
    bundleFolder: findBundle(options.bundle),
    cloudUrls: options.cloud ?? [],
    cloudToken: () => readTokens(options.cloudTokenFile, 'OFFRAMP_CLOUD_TOKEN')[0]?.token,
    cloudTls: cloudTlsFilesOf(options),
    cut: options.cut,
    channels: options.rate,
    thresholds: options.threshold,
    priority: options.priority,
    budgetMs: options.budgetMs,
    resize: options.resize,
    runtime: options.runtime,
    workers: options.workers,
    threadsPerWorker: options.threads,
    slowdown: options.slowdown,
    segmentMs: options.segmentMs,
    maxInFlight: options.maxInFlight,
    objective: objectiveOf(options),
    auditShare: options.auditShare,
    allowedDisagreement: options.allowedDisagreement,
    exitShareTolerance: options.exitShareTolerance,
    watch: watchConfigOf(options),
    page: options.page ? await findPage() : undefined,
    version,
    tracer: tracing?.tracer,
    logger,
  });
  if (options.json) print(JSON.stringify({ listening: edge.url }));
  else if (options.watch !== undefined && options.out === undefined) say(greeting(options, edge.url));
  else print(greeting(options, edge.url));
  if (options.page && !options.json) say(`See it in a browser: ${edge.url}/page/`);
  const signal = await stopped;
  logger.info({ signal }, 'stopping');
  await edge.stop();
  await tracing?.stop();
}

function greeting({ host, socket }: EdgeCommandOptions, url: string): string {
  const place = socket === undefined ? `${url}/v1/classify` : '/v1/classify there';
  return `Edge agent on ${listeningPlace(host, url)}: POST an image to ${place}. Ctrl-C stops it.`;
}

function objectiveOf({ objective: aim, accuracyFloor }: EdgeCommandOptions): Objective | undefined {
  if (aim === undefined) {
    if (accuracyFloor === undefined) return undefined;
    throw new OfframpError('CONFIG_INVALID', '--accuracy-floor needs --objective');
  }
  return { aim, ...(accuracyFloor !== undefined && { accuracyFloor }) };
}
