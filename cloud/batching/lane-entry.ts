import type { HeapMember } from './heap.ts';
import type { Level } from './levels.ts';
import type { QueuePolicy } from './policy.ts';
import type { Turns, TurnTaker } from './turns.ts';
import type { Ticket } from './types.ts';

export interface Ending {
  /** When something happens to a request unless it is served before: it expires, or is delayed. */
  readonly endsMs: number;
  /** Its number in order of arrival. */
  readonly arrival: number;
}

/** A waiting request, and where it stands in each of the orders that are kept. */
export interface Entry<T> extends HeapMember, TurnTaker<Entry<T>>, Ending {
  readonly ticket: Ticket<T>;
  readonly level: Level<Entry<T>>;
  /** `inTime` or `delayed` of its level. */
  section: Turns<Entry<T>>;
  endsMs: number;
  /** Number of the last view that showed it among those served first. */
  shownFirst: number;
}

export function endsBefore(one: Ending, other: Ending): boolean {
  if (one.endsMs !== other.endsMs) return one.endsMs < other.endsMs;
  return one.arrival < other.arrival;
}

/** Whether a request that meets its end is only late. */
export function isToDelay<T>({ ticket, level }: Entry<T>, nowMs: number): boolean {
  return level.policy.timeoutAction === 'DELAY' && ticket.deadlineMs > nowMs;
}

/** When the timeout of a request is over; Infinity without one. Its own counts only where it may, and is the shorter. */
export function timesOutMs<T>({ queuedAtMs, timeoutMicros = 0 }: Ticket<T>, policy: QueuePolicy): number {
  const own = policy.allowTimeoutOverride ? timeoutMicros : 0;
  const timeouts = [own, policy.defaultTimeoutMicros].filter((micros) => micros > 0);
  return queuedAtMs + Math.min(...timeouts) / 1000;
}
