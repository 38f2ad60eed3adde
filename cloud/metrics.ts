import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../shared/errors.ts';
import type { Load } from '../shared/protocol/index.ts';
import type { MetricsTap } from './console/index.ts';
import type { EngineObserver } from './engine.ts';
import type { DecoderObserver } from './picture-decoder.ts';

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const rows = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Read when metrics are scraped. */
export interface Gauges {
  load(): Load;
  undecodedRows(): number;
  connections(): number;
  /** Connected devices with an alarm that stands, by watch. */
  alarmedDevices(): Readonly<Record<string, number>>;
  /** Open connections by the client's name. */
  clientConnections(): ReadonlyMap<string, number>;
  /** End of the certificate's validity, milliseconds since 1970; absent without TLS. */
  tlsExpiresAtMs(): number | undefined;
}

/** Names of clients that become a label of their own; the others share one. */
const maxClientLabels = 100;
const otherClients = 'other';

/** The server's Prometheus metrics: own prefix, base units, labels of bounded sets only. */
export class CloudMetrics implements EngineObserver, DecoderObserver {
  readonly registry = new Registry();
  readonly #rows = this.#counter('rows_total', 'Rows answered, by bundle and exit', ['bundle', 'exit']);
  readonly #depthCuts = this.#counter(
    'depth_cut_rows_total',
    'Rows that left by an exit which was not sure of them, for want of time',
    ['bundle'],
  );
  readonly #refusals = this.#counter('refusals_total', 'Requests and connections refused, by error code', [
    'code',
  ]);
  readonly #bytesIn = this.#counter('received_bytes_total', 'Bytes of frames received', []);
  readonly #batchRows = this.#histogram('batch_rows', 'Rows per batch', ['bundle', 'cut'], rows);
  readonly #run = this.#histogram('batch_run_seconds', 'Compute time of a batch', ['bundle', 'cut'], seconds);
  readonly #queue = this.#histogram('queue_seconds', 'Time a request waited for an executor', [], seconds);
  readonly #request = this.#histogram(
    'request_seconds',
    'Time from a whole request to its answer',
    ['bundle', 'by'],
    seconds,
  );
  readonly #decode = this.#histogram('decode_seconds', 'Time to decode one picture', [], seconds);

  readonly #clientRows = this.#counter('client_rows_total', 'Rows taken in, by client', ['client']);
  readonly #reloads = this.#counter('reloads_total', 'Times that tokens or certificates were read anew', [
    'what',
    'outcome',
  ]);
  readonly #repositoryChanges = this.#counter(
    'repository_changes_total',
    'Times that a bundle was to be loaded or unloaded',
    ['verb', 'outcome'],
  );
  readonly #clientLabels = new Set<string>();
  readonly #tap: MetricsTap | undefined;
  #page: Promise<string> | undefined;
  #nextPage: Promise<string> | undefined;

  /** @param tap hears of what is counted, as it is. */
  constructor(provider: string, gauges: Gauges, tap?: MetricsTap) {
    this.#tap = tap;
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#gauge('connections', 'Open connections', () => gauges.connections());
    this.#gauge('queued_rows', 'Rows waiting for an executor', () => gauges.load().queuedRows);
    this.#gauge('running_rows', 'Rows being computed', () => gauges.load().runningRows);
    this.#gauge('undecoded_rows', 'Pictures not decoded yet', () => gauges.undecodedRows());
    this.#gauge(
      'tls_expiry_timestamp_seconds',
      'End of the certificate, 0 without TLS',
      () => (gauges.tlsExpiresAtMs() ?? 0) / 1000,
    );
    const label = (client: string) => this.#clientLabel(client);
    new Gauge({
      name: 'offramp_cloud_client_connections',
      help: 'Open connections, by client',
      labelNames: ['client'],
      registers,
      collect() {
        this.reset();
        for (const [client, connections] of gauges.clientConnections()) {
          this.inc({ client: label(client) }, connections);
        }
      },
    });
    new Gauge({
      name: 'offramp_cloud_alarmed_devices',
      help: 'Connected devices with an alarm that stands, by the watch that raised it',
      labelNames: ['watch'],
      registers,
      collect() {
        for (const [watch, devices] of Object.entries(gauges.alarmedDevices())) this.set({ watch }, devices);
      },
    });
    new Gauge({
      name: 'offramp_cloud_provider_info',
      help: 'Execution provider the sessions really got',
      labelNames: ['provider'],
      registers,
    }).set({ provider }, 1);
  }

  /** The page for Prometheus. Whoever asks while one is made shares the next: making it is the dearest thing anybody may ask. */
  text(): Promise<string> {
    if (this.#page === undefined) return this.#makePage();
    this.#nextPage ??= this.#page.then(() => {
      this.#nextPage = undefined;
      return this.#makePage();
    });
    return this.#nextPage;
  }

  onBatch(bundle: string, cut: number, batchRows: number, runSeconds: number): void {
    this.#batchRows.observe({ bundle, cut }, batchRows);
    this.#run.observe({ bundle, cut }, runSeconds);
    this.#tap?.onBatch(batchRows, runSeconds);
  }

  onRow(bundle: string, exit: number): void {
    this.#rows.inc({ bundle, exit });
    this.#tap?.onRow(exit);
  }

  onDepthCut(bundle: string, cutRows: number): void {
    this.#depthCuts.inc({ bundle }, cutRows);
    this.#tap?.onDepthCut(cutRows);
  }

  onQueued(waitedSeconds: number): void {
    this.#queue.observe(waitedSeconds);
    this.#tap?.onQueued(waitedSeconds);
  }

  /** @param by what a request came by. */
  onAnswered(bundle: string, by: 'device' | 'http', tookSeconds: number): void {
    this.#request.observe({ bundle, by }, tookSeconds);
  }

  onDecoded(tookSeconds: number): void {
    this.#decode.observe(tookSeconds);
    this.#tap?.onDecoded(tookSeconds);
  }

  onClientRows(client: string, count: number): void {
    this.#clientRows.inc({ client: this.#clientLabel(client) }, count);
  }

  onRepositoryChange(verb: 'load' | 'unload', outcome: 'done' | 'failed'): void {
    this.#repositoryChanges.inc({ verb, outcome });
  }

  onReload(what: 'tokens' | 'tls', outcome: 'done' | 'failed'): void {
    this.#reloads.inc({ what, outcome });
  }

  onRefused(code: ErrorCode): void {
    this.#refusals.inc({ code });
    this.#tap?.onRefused(code);
  }

  onReceived(bytes: number): void {
    this.#bytesIn.inc(bytes);
  }

  #makePage(): Promise<string> {
    const page = this.registry.metrics().finally(() => {
      this.#page = undefined;
    });
    this.#page = page;
    return page;
  }

  /** Labels must be of a bounded set, and certificates can carry any number of names. */
  #clientLabel(client: string): string {
    if (this.#clientLabels.has(client)) return client;
    if (this.#clientLabels.size >= maxClientLabels) return otherClients;
    this.#clientLabels.add(client);
    return client;
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name: `offramp_cloud_${name}`, help, labelNames, registers: [this.registry] });
  }

  #histogram<L extends string>(name: string, help: string, labelNames: L[], buckets: number[]): Histogram<L> {
    return new Histogram({
      name: `offramp_cloud_${name}`,
      help,
      labelNames,
      buckets,
      registers: [this.registry],
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const registers = [this.registry];
    new Gauge({
      name: `offramp_cloud_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
}
