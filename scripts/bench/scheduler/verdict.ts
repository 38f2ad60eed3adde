import { type Estimate, estimate } from './estimate.ts';
import type { Figures } from './figures.ts';
import type { PointResult } from './sweep.ts';

/** What ours is judged by; less is better. */
export const judgedFigures = ['violationRatio', 'p95Ms'] as const satisfies readonly (keyof Figures)[];
export type JudgedFigure = (typeof judgedFigures)[number];

/** Ours against another scheduler on the same requests. */
export interface Comparison {
  readonly scheduler: string;
  readonly figure: JudgedFigure;
  /** Ours less theirs, seed by seed. */
  readonly difference: Estimate;
  /** `level` where the confidence interval of the difference holds 0. */
  readonly standing: 'below' | 'level' | 'above';
}

/** What is to be said of one load point. */
export interface Verdict {
  /** No other scheduler is better by more than chance explains. */
  readonly holds: boolean;
  /** Those that are better on average, be it by chance. */
  readonly behind: readonly Comparison[];
  readonly comparisons: readonly Comparison[];
}

/** Differences below this are those of adding up in another order. */
const negligible = 1e-9;

export function judge({ schedulers }: Pick<PointResult, 'schedulers'>): Verdict {
  const ours = schedulers.find(({ role }) => role === 'ours');
  const others = schedulers.filter(({ role }) => role === 'other');
  const comparisons = others.flatMap((other) =>
    judgedFigures.map((figure): Comparison => {
      const difference = estimate(
        other.runs.map((theirs, seed) => (ours?.runs[seed]?.[figure] ?? Number.NaN) - theirs[figure]),
      );
      return { scheduler: other.name, figure, difference, standing: standingOf(difference) };
    }),
  );
  return {
    holds: comparisons.every(({ standing }) => standing !== 'above'),
    behind: comparisons.filter(({ difference }) => difference.mean > negligible),
    comparisons,
  };
}

function standingOf({ mean, plusMinus }: Estimate): Comparison['standing'] {
  if (Math.abs(mean) <= Math.max(plusMinus, negligible)) return 'level';
  return mean < 0 ? 'below' : 'above';
}
