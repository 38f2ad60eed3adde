import type { ConsoleSnapshot } from '../snapshot-schema.ts';
import { byId, Pairs } from './dom.ts';
import { type Past, recentMean } from './past.ts';
import { bytes, count, duration, figure } from './words.ts';

/** A second alone jumps too much to be read. */
const meanSeconds = 10;

/** The figures that tell at a glance whether all is well. */
export class Overview {
  readonly #tiles = new Pairs(byId('tiles', HTMLElement));
  readonly #limits = new Pairs(byId('limits', HTMLElement));

  show(snapshot: ConsoleSnapshot, past: Past): void {
    const { minute, total, load, devices, limits, provider, executors } = snapshot;
    const { queue, run, decode } = minute.stages;
    const rate = (values: readonly number[]) => figure(recentMean(values, meanSeconds));
    const inFlight = devices.busiest.reduce((sum, device) => sum + device.inFlight, 0);
    this.#tiles.set('Rows per second', rate(past.rows), `${count(total.rows)} since the start`);
    this.#tiles.set(
      'Queue wait, p95',
      duration(queue.p95Ms),
      `median ${duration(queue.p50Ms)}; ${count(load.queuedRows)} rows wait`,
    );
    const decoding = decode.count === 0 ? '' : `; pictures ${duration(decode.p95Ms)}`;
    this.#tiles.set('Computing, p95', duration(run.p95Ms), `median ${duration(run.p50Ms)}${decoding}`);
    this.#tiles.set('Refusals per second', rate(past.refusals), `${sumOf(minute)} in the last minute`);
    this.#tiles.set(
      'Devices',
      count(devices.count),
      `of ${count(limits.maxConnections)}; ${count(inFlight)} in flight; ${alarmed(devices.alarmed)}`,
    );
    this.#tiles.set('Runs on', provider, `${count(executors)} at once; ${count(load.runningRows)} rows run`);
    this.#limit('Devices', count(limits.maxConnections));
    this.#limit('Credits of a device', count(limits.credits));
    this.#limit('Requests per second of a device', count(limits.requestsPerSecond));
    this.#limit('Rows of a batch', count(limits.maxBatchRows));
    this.#limit('Rows that may wait', count(limits.maxQueuedRows));
    this.#limit('Bytes of a picture', bytes(limits.maxImageBytes));
    this.#limit('HTTP requests under way', count(limits.maxHttpRequests));
    this.#limit('A drain waits for', duration(limits.drainMs));
  }

  #limit(name: string, value: string): void {
    this.#limits.set(name, value);
  }
}

function alarmed(devices: number): string {
  return devices === 0 ? 'no drift alarm' : `${count(devices)} with a drift alarm`;
}

function sumOf({ refusals }: ConsoleSnapshot['minute']): string {
  return count(refusals.reduce((sum, one) => sum + one.count, 0));
}
