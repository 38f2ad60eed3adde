import { type HeapMember, IndexedHeap } from '../../cloud/batching/index.ts';
import type { Clock } from '../../shared/clock.ts';

/** Something that is to happen. */
export interface Event extends HeapMember {
  readonly atMs: number;
  /** Breaks ties: what was asked for first happens first. */
  readonly order: number;
  readonly action: () => void;
}

/**
 * The clock of a simulation. Actions happen at their moments, those of one moment in the order in which they were asked for, and no
 * time passes while they do.
 */
export class VirtualTime implements Clock {
  readonly #events = new IndexedHeap<Event>(
    (one, other) => one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order),
  );
  #nowMs = 0;
  #order = 0;
  #isSettling = false;
  #happened = 0;
  #waiting = 0;

  now(): number {
    return this.#nowMs;
  }

  /** Actions that have happened. */
  get happened(): number {
    return this.#happened;
  }

  /** Actions that are to happen. */
  get waiting(): number {
    return this.#waiting;
  }

  schedule(delayMs: number, action: () => void): () => void {
    const event = this.at(this.#nowMs + Math.max(0, delayMs), action);
    return () => {
      if (event.heapPlace < 0) return;
      this.#events.remove(event);
      this.#waiting--;
    };
  }

  /** Calls `action` at a moment, not before now; with less ado than {@link schedule}, and for good. */
  at(atMs: number, action: () => void): Event {
    const event: Event = { atMs: Math.max(this.#nowMs, atMs), order: this.#order++, action, heapPlace: -1 };
    this.#events.add(event);
    this.#waiting++;
    return event;
  }

  /** To be called by an action that settles a promise: nothing else happens before those who wait for it have had their say. */
  settle(): void {
    this.#isSettling = true;
  }

  /** Lets everything happen until nothing is left to do, or up to a moment. */
  async run(untilMs = Number.POSITIVE_INFINITY): Promise<void> {
    for (let event = this.#events.first; event !== undefined; event = this.#events.first) {
      if (event.atMs > untilMs) break;
      this.#events.remove(event);
      this.#waiting--;
      this.#happened++;
      this.#nowMs = event.atMs;
      event.action();
      if (!this.#isSettling) continue;
      this.#isSettling = false;
      // By then every promise that waits for this one has been told, however long the chain.
      await new Promise(setImmediate);
    }
    if (Number.isFinite(untilMs)) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }
}
