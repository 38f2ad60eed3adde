import { OfframpError } from '../../shared/errors.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: OfframpError) => void;
}

/** Lets a fixed number of runs proceed at the same time, first come first served, and a bounded number wait. */
export class RunSlots {
  readonly slots: number;
  readonly #maxWaiting: number;
  readonly #waiting: Waiting[] = [];
  readonly #onEmpty: (() => void)[] = [];
  #taken = 0;
  #closed: OfframpError | undefined;

  constructor(slots: number, maxWaiting: number) {
    this.slots = slots;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Resolves once a slot is taken; {@link leave} gives it back.
   * @throws OfframpError BUSY when as many wait as may, or what it was closed with.
   */
  async enter(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#taken < this.slots) {
      this.#taken++;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new OfframpError('BUSY', `${this.#waiting.length} runs already wait behind ${this.slots} others`);
    }
    await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next.resolve();
      return;
    }
    this.#taken--;
    if (this.#taken === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** Refuses those that wait and all that come, with `reason`; resolves once every slot is free. */
  async close(reason: OfframpError): Promise<void> {
    this.#closed = reason;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    if (this.#taken > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }
}
