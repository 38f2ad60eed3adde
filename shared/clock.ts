/**
 * Time as a dependency: everything that waits or decides by time takes a `Clock`, so that the same code runs on a real
 * clock in the product and on a virtual one in tests and in the simulator.
 */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary origin. */
  now(): number;
  /** Calls `action` once after `delayMs`; the returned function cancels it and is harmless afterwards. */
  schedule(delayMs: number, action: () => void): () => void;
}

/** A timer of more than this, about 24.8 days, would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** The platform's monotonic clock and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, action) {
    const timer = setTimeout(action, Math.min(delayMs, maxTimerMs));
    return () => clearTimeout(timer);
  },
};
