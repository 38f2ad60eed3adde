import type { Clock } from '../clock.ts';
import { OfframpError } from '../errors.ts';
import { addressKey } from './addresses.ts';
import { RateBucket } from './rate-bucket.ts';

export interface AddressLimitsOptions {
  /** Connections that one address may have open. */
  readonly maxOpen: number;
  /** Connections that one address may open per second, over time; after a pause twice as many at once. */
  readonly newPerSecond: number;
  /** Addresses without a connection that are remembered for their rate; beyond it the oldest are forgotten. */
  readonly maxRemembered: number;
}

interface Address {
  open: number;
  readonly arrivals: RateBucket;
}

/** Counts connections by address. Bounded: by the connections that are open, and by `maxRemembered` for the others. */
export class AddressLimits {
  readonly #options: AddressLimitsOptions;
  readonly #clock: Clock;
  readonly #open = new Map<string, Address>();
  /** Least recently used first. */
  readonly #idle = new Map<string, Address>();

  constructor(options: AddressLimitsOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Addresses known now. */
  get size(): number {
    return this.#open.size + this.#idle.size;
  }

  /**
   * Takes a connection; returns what to call, once, when it has ended.
   * @throws OfframpError TOO_MANY_CONNECTIONS, RATE_LIMITED.
   */
  enter(remoteAddress: string): () => void {
    const { maxOpen } = this.#options;
    const key = addressKey(remoteAddress);
    const address = this.#open.get(key) ?? this.#remembered(key);
    if (address.open >= maxOpen) {
      const message = `${address.open} connections of this address are open, no more are taken`;
      throw new OfframpError('TOO_MANY_CONNECTIONS', message);
    }
    const waitMs = address.arrivals.take(1, this.#clock.now());
    if (waitMs > 0) {
      throw new OfframpError('RATE_LIMITED', 'This address opens connections too fast', {
        retryAfterMs: waitMs,
      });
    }
    address.open++;
    this.#idle.delete(key);
    this.#open.set(key, address);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave(key, address);
    };
  }

  /** An address without connections, put last in the order of use. */
  #remembered(key: string): Address {
    const { newPerSecond, maxRemembered } = this.#options;
    const rate = { perSecond: newPerSecond, burst: 2 * newPerSecond };
    const address = this.#idle.get(key) ?? { open: 0, arrivals: new RateBucket(rate, this.#clock.now()) };
    this.#idle.delete(key);
    this.#idle.set(key, address);
    for (const oldest of this.#idle.keys()) {
      if (this.#idle.size <= maxRemembered) break;
      this.#idle.delete(oldest);
    }
    return address;
  }

  #leave(key: string, address: Address): void {
    address.open--;
    if (address.open > 0) return;
    this.#open.delete(key);
    this.#idle.set(key, address);
    this.#remembered(key);
  }
}
