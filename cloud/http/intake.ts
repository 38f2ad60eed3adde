import { OfframpError } from '../../shared/errors.ts';

export interface IntakeLimits {
  readonly maxHttpRequests: number;
  readonly maxHttpHeldBytes: number;
}

/** A request that was let in. */
export interface Entry {
  /** Aborted when the caller has gone or the server gives up; its reason is an OfframpError. */
  readonly signal: AbortSignal;
  /** Frees its place; harmless a second time. */
  leave(): void;
  /** The caller has gone. */
  abandon(): void;
}

/** When a place will be free nobody knows; soon. */
const retryAfterMs = 1000;

/** Keeps count of the requests under way and of the bytes that they may hold, and refuses what goes beyond. */
export class Intake {
  readonly #limits: IntakeLimits;
  readonly #inside = new Map<AbortController, number>();
  #heldBytes = 0;

  constructor(limits: IntakeLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inside.size;
  }

  /**
   * Lets a request in that may hold up to `bytes` bytes.
   * @throws OfframpError BUSY.
   */
  enter(bytes: number): Entry {
    const { maxHttpRequests, maxHttpHeldBytes } = this.#limits;
    if (this.#inside.size >= maxHttpRequests) {
      const message = `${this.#inside.size} requests are under way, at most ${maxHttpRequests} may be`;
      throw new OfframpError('BUSY', message, { retryAfterMs });
    }
    // A single one may always come, however small the memory for all.
    if (this.#heldBytes + bytes > maxHttpHeldBytes && this.#inside.size > 0) {
      const message = `Requests of ${this.#heldBytes} bytes are under way, at most ${maxHttpHeldBytes} may be`;
      throw new OfframpError('BUSY', message, { retryAfterMs });
    }
    const controller = new AbortController();
    this.#inside.set(controller, bytes);
    this.#heldBytes += bytes;
    return {
      signal: controller.signal,
      leave: () => this.#leave(controller),
      abandon: () => controller.abort(new OfframpError('CONNECTION_LOST', 'The caller has gone')),
    };
  }

  /** Gives up every request under way. */
  giveUp(reason: OfframpError): void {
    for (const controller of this.#inside.keys()) controller.abort(reason);
  }

  #leave(controller: AbortController): void {
    this.#heldBytes -= this.#inside.get(controller) ?? 0;
    this.#inside.delete(controller);
  }
}
