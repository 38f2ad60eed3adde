import type { Rate } from './link.ts';

/** Bytes that one opportunity of a Mahimahi trace takes. */
export const opportunityBytes = 1500;

/** Bits per second over the whole of a trace; Infinity for a rate that takes no time. */
export function meanBitsPerSecond(rate: Rate): number {
  switch (rate.kind) {
    case 'constant':
      return rate.bitsPerSecond;
    case 'opportunities':
      return (rate.atMs.length * opportunityBytes * 8 * 1000) / rate.lengthMs;
    case 'steps': {
      const { steps, lengthMs } = rate;
      const bitMs = steps.reduce((sum, { fromMs, bitsPerSecond }, index) => {
        const untilMs = steps[index + 1]?.fromMs ?? lengthMs;
        return sum + bitsPerSecond * (untilMs - fromMs);
      }, 0);
      return bitMs / lengthMs;
    }
  }
}

/** How much of a rate a bottleneck holds back unless it is said: a quarter of a second. */
const queueMs = 250;
const queueBounds = [32 * 1024, 1024 * 1024] as const;

/** Bytes that the bottleneck of a direction holds back where nothing else is said: 250 ms of its mean rate, 32 KiB to 1 MiB. */
export function usualQueueBytes(rate: Rate): number {
  const [least, most] = queueBounds;
  return Math.round(Math.min(most, Math.max(least, (meanBitsPerSecond(rate) / 8000) * queueMs)));
}
