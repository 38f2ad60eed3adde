import type { Direction, Link, Rate } from './link.ts';

/**
 * A link for JSON, for programs in other languages: as it is, but a trace's moments are a plain list, and a rate without a
 * limit is `null`, since JSON has no infinity.
 */
export function linkJson(link: Link): Record<string, unknown> {
  return { ...link, up: directionJson(link.up), down: directionJson(link.down) };
}

function directionJson(direction: Direction): Record<string, unknown> {
  return { ...direction, rate: rateJson(direction.rate) };
}

function rateJson(rate: Rate): unknown {
  if (rate.kind === 'opportunities') return { ...rate, atMs: Array.from(rate.atMs) };
  if (rate.kind === 'steps' || Number.isFinite(rate.bitsPerSecond)) return rate;
  return { ...rate, bitsPerSecond: null };
}
