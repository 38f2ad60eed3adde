import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Load } from '../shared/protocol/index.ts';
import type { EngineObserver } from './engine.ts';
import type { DecoderObserver } from './picture-decoder.ts';

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const rows = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Read when metrics are scraped. */
export interface Gauges {
  load(): Load;
  undecodedRows(): number;
  connections(): number;
}

/** The server's Prometheus metrics: own prefix, base units, labels of bounded sets only. */
export class CloudMetrics implements EngineObserver, DecoderObserver {
  readonly registry = new Registry();
  readonly #rows = this.#counter('rows_total', 'Rows answered, by bundle and exit', ['bundle', 'exit']);
  readonly #refusals = this.#counter('refusals_total', 'Requests and connections refused, by error code', [
    'code',
  ]);
  readonly #bytesIn = this.#counter('received_bytes_total', 'Bytes of frames received', []);
  readonly #batchRows = this.#histogram('batch_rows', 'Rows per batch', ['bundle', 'cut'], rows);
  readonly #run = this.#histogram('batch_run_seconds', 'Compute time of a batch', ['bundle', 'cut'], seconds);
  readonly #queue = this.#histogram('queue_seconds', 'Time a request waited for an executor', [], seconds);
  readonly #decode = this.#histogram('decode_seconds', 'Time to decode one picture', [], seconds);

  constructor(provider: string, gauges: Gauges) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#gauge('connections', 'Open connections', () => gauges.connections());
    this.#gauge('queued_rows', 'Rows waiting for an executor', () => gauges.load().queuedRows);
    this.#gauge('running_rows', 'Rows being computed', () => gauges.load().runningRows);
    this.#gauge('undecoded_rows', 'Pictures not decoded yet', () => gauges.undecodedRows());
    new Gauge({
      name: 'offramp_cloud_provider_info',
      help: 'Execution provider the sessions really got',
      labelNames: ['provider'],
      registers,
    }).set({ provider }, 1);
  }

  onBatch(bundle: string, cut: number, batchRows: number, runSeconds: number): void {
    this.#batchRows.observe({ bundle, cut }, batchRows);
    this.#run.observe({ bundle, cut }, runSeconds);
  }

  onRow(bundle: string, exit: number): void {
    this.#rows.inc({ bundle, exit });
  }

  onQueued(waitedSeconds: number): void {
    this.#queue.observe(waitedSeconds);
  }

  onDecoded(tookSeconds: number): void {
    this.#decode.observe(tookSeconds);
  }

  onRefused(code: string): void {
    this.#refusals.inc({ code });
  }

  onReceived(bytes: number): void {
    this.#bytesIn.inc(bytes);
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
