import type { MarkShape, Stroke, Tone } from '../../plot/index.ts';
import { hasImages, type ReportedRun } from './source.ts';

/** How a policy is drawn in all charts of a report. */
export interface Look {
  readonly tone: Tone;
  readonly stroke: Stroke;
  readonly shape: MarkShape;
  /** Of the first policies: the others are in the background. */
  readonly isNamed: boolean;
}

const tones = ['blue', 'orange', 'green', 'purple', 'red', 'teal'] as const;
const strokes = ['solid', 'dashed', 'dotted'] as const;
const shapes = ['dot', 'square', 'triangle', 'diamond', 'star', 'ring', 'cross'] as const;
/** More lines than this are not told apart. */
const mostColoured = 8;
const background: Look = { tone: 'grey', stroke: 'solid', shape: 'ring', isNamed: false };

/**
 * Looks of policies by their names. Where there are more than eight, those with the least latency over all runs keep a colour.
 * Policies that only hindsight can follow are grey.
 */
export function looksOf(
  runs: readonly ReportedRun[],
  hindsight: ReadonlySet<string>,
): (policy: string) => Look {
  const names = [...new Set(runs.map(({ policy }) => policy))];
  const followable = names.filter((name) => !hindsight.has(name));
  const byMean = followable
    .map((name) => ({ name, ms: typicalMs(name, runs) }))
    .sort((one, other) => one.ms - other.ms);
  const coloured = new Set(byMean.slice(0, mostColoured).map(({ name }) => name));
  const looks = new Map<string, Look>();
  for (const [index, name] of followable.filter((one) => coloured.has(one)).entries()) {
    looks.set(name, { ...colouredLook(index), isNamed: true });
  }
  for (const [index, name] of names.filter((one) => hindsight.has(one)).entries()) {
    const stroke = strokes[(1 + index) % strokes.length] ?? 'dashed';
    const shape = index % 2 === 0 ? 'cross' : 'ring';
    looks.set(name, { tone: 'grey', stroke, shape, isNamed: index < 2 });
  }
  return (policy) => looks.get(policy) ?? background;
}

function colouredLook(index: number): Omit<Look, 'isNamed'> {
  return {
    tone: tones[index % tones.length] ?? 'blue',
    // One step further with every round through the tones, so that no two look the same.
    stroke: strokes[(index + Math.floor(index / tones.length)) % strokes.length] ?? 'solid',
    shape: shapes[index % shapes.length] ?? 'dot',
  };
}

/** Mean of the logarithm: a link that is slow for all policies must not decide alone. */
function typicalMs(policy: string, runs: readonly ReportedRun[]): number {
  const own = runs.filter((run) => run.policy === policy && hasImages(run));
  if (own.length === 0) return Number.POSITIVE_INFINITY;
  return (
    own.reduce((sum, { latencyMs }) => sum + Math.log(Math.max(1e-3, latencyMs.mean.ms)), 0) / own.length
  );
}
