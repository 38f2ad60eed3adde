import type { Clock } from '../shared/clock.ts';
import type { ErrorCode } from '../shared/errors.ts';

/** A line for the log: how often this was refused since the last line, and an example of whom. */
export interface RefusalLine {
  readonly code: ErrorCode;
  readonly times: number;
  readonly address: string | undefined;
}

interface Count {
  times: number;
  saidAtMs: number;
}

const everyMs = 10_000;

/** Says refusals at most once in ten seconds for each code: whoever is refused must not be able to fill the disk. */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #write: (line: RefusalLine) => void;
  readonly #counts = new Map<ErrorCode, Count>();

  constructor(clock: Clock, write: (line: RefusalLine) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  add(code: ErrorCode, address: string | undefined): void {
    const now = this.#clock.now();
    const count = this.#counts.get(code) ?? { times: 0, saidAtMs: Number.NEGATIVE_INFINITY };
    this.#counts.set(code, count);
    count.times++;
    if (now - count.saidAtMs < everyMs) return;
    this.#write({ code, times: count.times, address });
    count.times = 0;
    count.saidAtMs = now;
  }
}
