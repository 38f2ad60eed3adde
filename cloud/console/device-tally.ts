import type { Clock } from '../../shared/clock.ts';

/** What one device did within the last minute. */
export interface DeviceMinute {
  readonly requests: number;
  /** Rows answered by the cut at which they came in; the index is the cut. */
  readonly cutRows: readonly number[];
  /** Rows answered by the exit that they left by; the index is the exit. */
  readonly exitRows: readonly number[];
}

interface Slot {
  number: number;
  requests: number;
  cutRows: number[];
  exitRows: number[];
}

const slotMs = 5000;
const slots = 12;

/** Counts what one device does, in steps of five seconds. A device that does nothing costs next to nothing. */
export class DeviceTally {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #startedAtMs: number;
  readonly #slots: Slot[] = [];

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#startedAtMs = clock.now();
  }

  get connectedSeconds(): number {
    return (this.#clock.now() - this.#startedAtMs) / 1000;
  }

  onRequest(): void {
    this.#now().requests++;
  }

  /** @param exits of each row of an answer. */
  onAnswer(cut: number, exits: readonly number[]): void {
    const { cutRows, exitRows } = this.#now();
    add(cutRows, cut, exits.length);
    for (const exit of exits) add(exitRows, exit, 1);
  }

  /** Of the last 55 to 60 seconds. */
  minute(): DeviceMinute {
    const recent = this.#recent();
    return {
      requests: recent.reduce((sum, { requests }) => sum + requests, 0),
      cutRows: summed(recent.map(({ cutRows }) => cutRows)),
      exitRows: summed(recent.map(({ exitRows }) => exitRows)),
    };
  }

  /** Mean of the last minute, or of the time since it came. */
  get requestsPerSecond(): number {
    const requests = this.#recent().reduce((sum, slot) => sum + slot.requests, 0);
    const nowMs = this.#clock.now() - this.#startedAtMs;
    const coveredMs = Math.min(nowMs, (slots - 1) * slotMs + (nowMs % slotMs));
    return requests / Math.max(1, coveredMs / 1000);
  }

  #number(): number {
    return Math.floor((this.#clock.now() - this.#startedAtMs) / slotMs);
  }

  #now(): Slot {
    const number = this.#number();
    const index = number % slots;
    const slot = this.#slots[index];
    if (slot?.number === number) return slot;
    const fresh = { number, requests: 0, cutRows: [], exitRows: [] };
    this.#slots[index] = fresh;
    return fresh;
  }

  #recent(): Slot[] {
    const oldest = this.#number() - slots + 1;
    // The list has holes before its device has been active for a minute; filter skips them.
    return this.#slots.filter(({ number }) => number >= oldest);
  }
}

function add(counts: number[], index: number, rows: number): void {
  while (counts.length <= index) counts.push(0);
  counts[index] = (counts[index] ?? 0) + rows;
}

function summed(lists: readonly (readonly number[])[]): number[] {
  const total: number[] = [];
  for (const list of lists) for (const [index, rows] of list.entries()) add(total, index, rows);
  return total;
}
