import { type Clock, systemClock } from '../../shared/clock.ts';
import type { Link } from './link.ts';

/** A clock, and how long before its time an arrival may come. */
export interface Timing {
  readonly clock: Clock;
  readonly earlyMs: number;
}

/** From this delay on, half a millisecond is not worth a core. */
const coarseFromDelayMs = 5;
/** How late Node's timers are by the median; asking for so much less centres them on the time that was meant. */
const usualLatenessMs = 0.75;

/** Timers that suit a link: to fractions of a millisecond where its delay is short, else to about a millisecond either way. */
export function timingOf({ up, down }: Link): Timing {
  const coarse = Math.min(up.delayMs, down.delayMs) >= coarseFromDelayMs;
  return coarse ? { clock: systemClock, earlyMs: usualLatenessMs } : { clock: preciseClock, earlyMs: 0 };
}

/** Node's timers fire up to so much beside their time; what is left is waited for in the event loop. */
const timerSlackMs = 1;

/**
 * The system's clock with timers that keep fractions of a millisecond: Node's fire at whole ones. The last millisecond or two
 * before each are spent turning the event loop, up to a whole core while much is on its way.
 */
const preciseClock: Clock = {
  now: systemClock.now,
  schedule(delayMs, action) {
    const dueMs = systemClock.now() + delayMs;
    let cancel: () => void;
    const wait = () => {
      const leftMs = dueMs - systemClock.now();
      if (leftMs > 2 * timerSlackMs) cancel = systemClock.schedule(leftMs - timerSlackMs, turn);
      else {
        const immediate = setImmediate(turn);
        cancel = () => clearImmediate(immediate);
      }
    };
    const turn = () => {
      if (systemClock.now() >= dueMs) action();
      else wait();
    };
    wait();
    return () => cancel();
  },
};
