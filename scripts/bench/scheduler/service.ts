import type { Costs } from '../../../cloud/batching/index.ts';
import { seededRandom } from '../../calibrate/random.ts';
import { mean, quantile } from '../../quantiles.ts';
import type { ModelProfile } from './profile.ts';
import { weightedPick } from './workload.ts';

/**
 * How a row leaves. `confidence`: at the first exit that is sure of it, at the latest where the scheduler's choice ends the batch;
 * `time`: there with all others, as in EdgeServing.
 */
export const exitModes = ['confidence', 'time'] as const;
export type ExitMode = (typeof exitModes)[number];

/** Durations of batches, drawn from what was measured. Models are numbered as in the profile, and so are kinds of images. */
export interface Service {
  /** What schedulers see: means and 95th percentiles by lane, exit and rows. A lane is called as its model. */
  readonly costs: Costs;
  /** Milliseconds that a batch of these kinds takes which goes no deeper than `exit`. `luck`, from 0 to below 1, picks the pass. */
  durationMs(model: number, exit: number, kinds: readonly number[], luck: number): number;
  /** Where a row leaves such a batch. */
  exitOf(model: number, exit: number, kind: number): number;
}

/** Batches that are drawn for one figure. */
const drawsPerFigure = 500;
const figuresSeed = 1;

export function serviceOf(models: readonly ModelProfile[], mode: ExitMode): Service {
  const sureAt = models.map(({ images }) => Uint8Array.from(images, ({ exit }) => exit));
  const durationMs: Service['durationMs'] = (model, exit, kinds, luck) => {
    const own = sureAt[model] ?? [];
    const sizes = models[model]?.passes ?? [];
    let rows = kinds.length;
    let ms = 0;
    for (let segment = 0; segment <= exit && rows > 0; segment++) {
      const passes = sizes[rows - 1] ?? [];
      ms += passes[Math.floor(luck * passes.length)]?.[segment] ?? Number.NaN;
      if (mode === 'confidence') rows = goingOn(kinds, own, segment);
    }
    return ms;
  };
  const figures = models.map((model, index) => figuresOf(model, index, durationMs));
  return {
    costs: costsOf(models, figures),
    durationMs,
    exitOf: (model, exit, kind) => (mode === 'time' ? exit : Math.min(exit, sureAt[model]?.[kind] ?? exit)),
  };
}

function goingOn(kinds: readonly number[], sureAt: ArrayLike<number>, segment: number): number {
  let rows = 0;
  for (const kind of kinds) if ((sureAt[kind] ?? 0) > segment) rows++;
  return rows;
}

interface Figure {
  readonly mean: number;
  readonly p95: number;
}

/** [exits][rows - 1]; with confidence exits those of batches of images as they come. */
function figuresOf(model: ModelProfile, index: number, durationMs: Service['durationMs']): Figure[][] {
  const pickKind = weightedPick(model.images.map(({ count }) => count));
  return model.exits.map((_, exit) =>
    model.passes.map((_, place) => {
      const random = seededRandom(figuresSeed);
      const samples = Array.from({ length: drawsPerFigure }, () => {
        const kinds = Array.from({ length: place + 1 }, () => pickKind(random()));
        return durationMs(index, exit, kinds, random());
      });
      return {
        mean: mean(samples),
        p95: quantile(
          samples.sort((one, other) => one - other),
          0.95,
        ),
      };
    }),
  );
}

function costsOf(models: readonly ModelProfile[], figures: readonly Figure[][][]): Costs {
  const lanes = new Map(
    models.map(({ id, exits }, index) => [
      id,
      { exits: exits.map((_, exit) => exit), figures: figures[index] },
    ]),
  );
  const figureOf = (lane: string, exit: number, rows: number) => lanes.get(lane)?.figures?.[exit]?.[rows - 1];
  return {
    exits: (lane) => lanes.get(lane)?.exits ?? [],
    meanMs: (lane, exit, rows) => figureOf(lane, exit, rows)?.mean ?? Number.NaN,
    predictMs: (lane, exit, rows) => figureOf(lane, exit, rows)?.p95 ?? Number.NaN,
  };
}
