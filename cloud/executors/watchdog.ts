import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';

export interface WatchdogOptions {
  readonly clock: Clock;
  /** From the end of one look to the beginning of the next. */
  readonly everyMs: number;
  /** Looks whether all is well; rejects when it is not. `wasWell`: whether it was at the last look. */
  readonly look: (wasWell: boolean) => Promise<void>;
  /** Called when a trouble begins, and with nothing when it is over. */
  readonly onChange: (problem: OfframpError | undefined) => void;
}

/** Looks after something that may fail and come back by itself. Begins well. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  #problem: OfframpError | undefined;
  #stopped = false;
  #cancel: () => void;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#cancel = this.#lookLater();
  }

  /** What is wrong; `undefined` while all is well. */
  get problem(): OfframpError | undefined {
    return this.#problem;
  }

  /** Somebody has met a trouble: it holds until a look finds that it is over. */
  report(problem: OfframpError): void {
    this.#settle(problem);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #lookLater(): () => void {
    return this.#options.clock.schedule(this.#options.everyMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    let found: OfframpError | undefined;
    try {
      await this.#options.look(this.#problem === undefined);
    } catch (thrown) {
      found = OfframpError.from(thrown, 'RUNTIME_FAILED');
    }
    if (this.#stopped) return;
    this.#settle(found);
    this.#cancel = this.#lookLater();
  }

  #settle(problem: OfframpError | undefined): void {
    const isChange = (problem === undefined) !== (this.#problem === undefined);
    this.#problem = problem;
    if (isChange && !this.#stopped) this.#options.onChange(problem);
  }
}
