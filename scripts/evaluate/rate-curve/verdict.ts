import { type Outcome, upperEnvelope } from '../curve/envelope.ts';
import { accuracyAt, costOf } from './interpolate.ts';

/** Which curve lies above. */
export type Leader = 'rates' | 'webp' | 'neither';

/** A range of byte counts over which one curve lies above the other. */
export interface Stretch {
  /** Bytes per image. */
  readonly from: number;
  /** `null`: at every larger byte count, too. */
  readonly to: number | null;
  readonly leader: Leader;
}

/** How much one curve lies above the other, where it does so most. */
export interface Lead {
  readonly bytes: number;
  /** Difference of the accuracies, above 0. */
  readonly by: number;
}

/** What WebP reaches with the bytes of one rate, and what it needs for its accuracy. */
export interface RateAgainstWebp {
  /** Accuracy of WebP at the bytes of the rate; `null` below its smallest files. */
  readonly webpAccuracy: number | null;
  /** Bytes that WebP needs for the accuracy of the rate; `null` where it never gets there. */
  readonly webpBytes: number | null;
}

/** How the curve of the rates and that of WebP compare, byte count by byte count. */
export interface Verdict {
  /** From the first byte count at which either curve is defined, without gaps. */
  readonly stretches: readonly Stretch[];
  /** Bytes of the smallest setting of each; below it that curve has nothing. */
  readonly smallest: { readonly rates: number; readonly webp: number };
  /** Where both curves are defined; `null` for one that nowhere lies above there. */
  readonly widest: { readonly rates: Lead | null; readonly webp: Lead | null };
  /** One entry per rate, in the order given. */
  readonly atRates: readonly RateAgainstWebp[];
}

/**
 * Compares two curves, costs in bytes, read as in {@link accuracyAt}. Below the smallest setting of one the other lies above. Sampling error is
 * not taken into account. Throws `RangeError` for a curve without points.
 */
export function compareCurves(rates: readonly Outcome[], webp: readonly Outcome[]): Verdict {
  const ours = upperEnvelope(rates);
  const theirs = upperEnvelope(webp);
  const [smallestRate, smallestWebp] = [ours[0], theirs[0]];
  if (smallestRate === undefined || smallestWebp === undefined) {
    throw new RangeError(`got curves of ${rates.length} and ${webp.length} points, expected at least one`);
  }
  const knots = [...new Set([...ours, ...theirs].map(({ cost }) => cost))].sort((a, b) => a - b);
  const leads = knots.flatMap((bytes) => {
    const [our, their] = [accuracyAt(ours, bytes), accuracyAt(theirs, bytes)];
    return our === undefined || their === undefined ? [] : [{ bytes, by: our - their }];
  });
  return {
    stretches: joined(knots.flatMap((knot, index) => stretchesFrom(knot, knots[index + 1], ours, theirs))),
    smallest: { rates: smallestRate.cost, webp: smallestWebp.cost },
    widest: { rates: widest(leads), webp: widest(leads.map(({ bytes, by }) => ({ bytes, by: -by }))) },
    atRates: rates.map(({ cost, accuracy }) => ({
      webpAccuracy: accuracyAt(theirs, cost) ?? null,
      webpBytes: costOf(theirs, accuracy) ?? null,
    })),
  };
}

/** Both curves are straight between two knots, so that they cross at most once there. */
function stretchesFrom(
  from: number,
  to: number | undefined,
  ours: readonly Outcome[],
  theirs: readonly Outcome[],
): Stretch[] {
  const [our, their] = [accuracyAt(ours, from), accuracyAt(theirs, from)];
  if (our === undefined) return [{ from, to: to ?? null, leader: 'webp' }];
  if (their === undefined) return [{ from, to: to ?? null, leader: 'rates' }];
  const start = our - their;
  if (to === undefined) return [{ from, to: null, leader: leaderBy(start) }];
  const end = (accuracyAt(ours, to) ?? our) - (accuracyAt(theirs, to) ?? their);
  if (start * end >= 0) return [{ from, to, leader: leaderBy(start + end) }];
  const crossing = from + (start / (start - end)) * (to - from);
  return [
    { from, to: crossing, leader: leaderBy(start) },
    { from: crossing, to, leader: leaderBy(end) },
  ];
}

function leaderBy(difference: number): Leader {
  if (difference === 0) return 'neither';
  return difference > 0 ? 'rates' : 'webp';
}

function joined(stretches: readonly Stretch[]): Stretch[] {
  const whole: Stretch[] = [];
  for (const stretch of stretches) {
    const last = whole.at(-1);
    if (last?.leader === stretch.leader) whole[whole.length - 1] = { ...last, to: stretch.to };
    else whole.push(stretch);
  }
  return whole;
}

function widest(leads: readonly Lead[]): Lead | null {
  return leads.reduce<Lead | null>((most, lead) => (lead.by > (most?.by ?? 0) ? lead : most), null);
}
