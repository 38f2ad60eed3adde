export interface BreakerLimits {
  /** Failures in a row after which nothing is sent for a while. */
  readonly failures: number;
  /** The first such while; each that ends in another failure is twice as long. */
  readonly coolDownMs: number;
  readonly maxCoolDownMs: number;
}

export const defaultBreaker: BreakerLimits = { failures: 5, coolDownMs: 250, maxCoolDownMs: 8000 };

/**
 * Keeps requests from a server that fails them (circuit breaker, Nygard, Release It!): after some failures in a row it is left alone
 * for a while, then tried with a single request, which decides. Takes the time as an argument.
 */
export class CircuitBreaker {
  readonly #limits: BreakerLimits;
  #failures = 0;
  #openUntilMs = Number.NEGATIVE_INFINITY;
  #coolDownMs: number;
  #trying = false;

  constructor(limits: BreakerLimits = defaultBreaker) {
    this.#limits = limits;
    this.#coolDownMs = limits.coolDownMs;
  }

  get isOpen(): boolean {
    return this.#failures >= this.#limits.failures;
  }

  /** Whether a request may be sent; of an open one whose while is over, only one at a time. */
  allows(nowMs: number): boolean {
    if (!this.isOpen) return true;
    return !this.#trying && nowMs >= this.#openUntilMs;
  }

  /** A request is sent. */
  onSent(): void {
    if (this.isOpen) this.#trying = true;
  }

  onSuccess(): void {
    this.#failures = 0;
    this.#trying = false;
    this.#coolDownMs = this.#limits.coolDownMs;
  }

  onFailure(nowMs: number): void {
    const wasTrial = this.#trying;
    this.#trying = false;
    this.#failures++;
    if (!this.isOpen) return;
    if (wasTrial) this.#coolDownMs = Math.min(2 * this.#coolDownMs, this.#limits.maxCoolDownMs);
    // What had been sent before it opened and fails now says nothing new.
    if (wasTrial || this.#failures === this.#limits.failures) this.#openUntilMs = nowMs + this.#coolDownMs;
  }

  /** A request ended in a way that says nothing of the server. */
  onNeither(): void {
    this.#trying = false;
  }
}
