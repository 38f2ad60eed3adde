import { percent } from '../../output.ts';
import type { RunFigures } from '../result.ts';

/** What is asked of a run; each holds only when the whole 95 % interval of its figure does. */
export interface Criteria {
  /** Most at the 95th percentile. */
  readonly p95Ms?: number;
  /** Least share of right answers. */
  readonly accuracy?: number;
  /** Largest share of late or degraded answers. */
  readonly miss?: number;
}

/** Why a run breaks the criteria, in words; none when it keeps them. A run in which devices refuse images never does. */
export function brokenBy(criteria: Criteria, figures: RunFigures): string[] {
  const { p95Ms = Number.POSITIVE_INFINITY, accuracy = 0, miss = 1 } = criteria;
  const { latencyMs, missed, refused, images } = figures;
  const [, slowest] = latencyMs.p95.interval;
  const [leastRight] = figures.accuracy.interval;
  const [, mostMissed] = missed.interval;
  const broken: string[] = [];
  // Not the other way round: what is no number keeps nothing.
  if (!(slowest <= p95Ms)) broken.push(`p95 up to ${slowest.toFixed(2)} ms`);
  if (!(leastRight >= accuracy)) broken.push(`right from ${percent(leastRight)}`);
  if (!(mostMissed <= miss)) broken.push(`missed up to ${percent(mostMissed)}`);
  if (refused > 0) broken.push(`${refused} images refused`);
  if (images === 0) broken.push('no images');
  return broken;
}

/** The criteria in words. */
export function criteriaWords({ p95Ms, accuracy, miss }: Criteria): string {
  const parts = [
    ...(p95Ms === undefined ? [] : [`p95 at most ${p95Ms} ms`]),
    ...(accuracy === undefined ? [] : [`at least ${percent(accuracy)} right`]),
    ...(miss === undefined ? [] : [`at most ${percent(miss)} late or degraded`]),
  ];
  return parts.join(', ');
}
