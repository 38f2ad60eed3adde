import { type Link, meanBitsPerSecond, type Rate } from '../links/index.ts';
import { opportunityBytes } from '../links/rates.ts';

/** Opportunities of a recorded trace are taken together in steps of this length. */
const stepMs = 20;

/**
 * A link whose uplink takes so many Mbit/s in the mean, and whose downlink is as many times as fast as its own. Traces keep their
 * shape; delays, jitter, losses and outages stay as they are. Rates without end become `uplinkMbps` in both directions.
 */
export function withUplink(link: Link, uplinkMbps: number): Link {
  const bitsPerSecond = 1e6 * uplinkMbps;
  const factor = bitsPerSecond / meanBitsPerSecond(link.up.rate);
  const changed = (rate: Rate): Rate =>
    Number.isFinite(meanBitsPerSecond(rate)) && factor > 0
      ? scaled(rate, factor)
      : { kind: 'constant', bitsPerSecond };
  return {
    ...link,
    up: { ...link.up, rate: changed(link.up.rate) },
    down: { ...link.down, rate: changed(link.down.rate) },
  };
}

function scaled(rate: Rate, factor: number): Rate {
  switch (rate.kind) {
    case 'constant':
      return { kind: 'constant', bitsPerSecond: factor * rate.bitsPerSecond };
    case 'steps': {
      const steps = rate.steps.map(({ fromMs, bitsPerSecond }) => ({
        fromMs,
        bitsPerSecond: factor * bitsPerSecond,
      }));
      return { ...rate, steps };
    }
    case 'opportunities':
      return scaled(stepsOf(rate), factor);
  }
}

/** A trace of opportunities as steps: as many opportunities as a faster link would have might not fit into memory. */
function stepsOf({ atMs, lengthMs }: Extract<Rate, { kind: 'opportunities' }>): Rate {
  const bits = new Float64Array(Math.ceil(lengthMs / stepMs));
  const last = bits.length - 1;
  for (const ms of atMs) {
    const step = Math.min(last, Math.floor(ms / stepMs));
    bits[step] = (bits[step] ?? 0) + 8 * opportunityBytes;
  }
  const steps = Array.from(bits, (amount, index) => {
    const fromMs = index * stepMs;
    const lastsMs = Math.min(stepMs, lengthMs - fromMs);
    return { fromMs, bitsPerSecond: (1000 * amount) / lastsMs };
  });
  return { kind: 'steps', steps, lengthMs };
}
