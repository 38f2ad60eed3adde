import type { Contender } from './contenders.ts';
import { type Estimate, estimate } from './estimate.ts';
import { type FigureName, type Figures, figureNames, figuresOf } from './figures.ts';
import type { ModelProfile } from './profile.ts';
import { type ExitMode, type Service, serviceOf } from './service.ts';
import { simulate } from './simulation.ts';
import { judge, type Verdict } from './verdict.ts';
import { poissonWorkload, type Workload } from './workload.ts';

export interface SweepOptions {
  readonly models: readonly ModelProfile[];
  readonly contenders: readonly Contender[];
  readonly exits: ExitMode;
  /** Arrival rates, relative to the capacity. */
  readonly loads: readonly number[];
  /** Budgets of the requests, milliseconds. */
  readonly sloMs: readonly number[];
  readonly seeds: readonly number[];
  /** Virtual time in which requests arrive. */
  readonly seconds: number;
  readonly executors: number;
  readonly maxBatchRows: number;
  readonly onProgress: (done: number, total: number) => void;
}

/** One scheduler at one load point. */
export interface SchedulerResult {
  readonly name: string;
  readonly role: Contender['role'];
  /** One for each seed. */
  readonly runs: readonly Figures[];
  readonly figures: Readonly<Record<FigureName, Estimate>>;
}

export interface PointResult {
  readonly load: number;
  readonly sloMs: number;
  /** Requests per second on every stream, that of the dearest model last. */
  readonly ratesPerSecond: readonly number[];
  readonly schedulers: readonly SchedulerResult[];
}

export interface JudgedPoint extends PointResult {
  readonly verdict: Verdict;
}

export interface Sweep {
  /** Models in the order of their rates: the cheapest comes most often. */
  readonly models: readonly string[];
  /** Requests per second on every stream at load 1. */
  readonly capacityPerSecond: readonly number[];
  readonly points: readonly JudgedPoint[];
}

/** Runs every scheduler on the same requests at every load and every budget, on a virtual clock. */
export async function sweepSchedulers(options: SweepOptions): Promise<Sweep> {
  const models = cheapestFirst(options.models, options.exits);
  const service = serviceOf(models, options.exits);
  const capacityPerSecond = capacityOf(models, service, options);
  const points: JudgedPoint[] = [];
  const total = options.sloMs.length * options.loads.length;
  for (const sloMs of options.sloMs) {
    for (const load of options.loads) {
      const ratesPerSecond = capacityPerSecond.map((rate) => rate * load);
      const schedulers = runPoint(models, service, { load, sloMs, ratesPerSecond }, options);
      const point = { load, sloMs, ratesPerSecond, schedulers };
      points.push({ ...point, verdict: judge(point) });
      options.onProgress(points.length, total);
      // Gives the progress bar and Ctrl-C their turn.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
  return { models: models.map(({ id }) => id), capacityPerSecond, points };
}

/** By the duration of a single row to the final exit. */
export function cheapestFirst(models: readonly ModelProfile[], exits: ExitMode): ModelProfile[] {
  const { costs } = serviceOf(models, exits);
  return models
    .map((model) => ({ model, ms: costs.meanMs(model.id, model.exits.length - 1, 1) }))
    .sort((one, other) => one.ms - other.ms)
    .map(({ model }) => model);
}

/**
 * Rates at which executors that run nothing but full batches to the final exit would be busy all the time. Of n models the dearest
 * has one part, the next two, up to n: with three models 3:2:1 as in EdgeServing.
 */
export function capacityOf(
  models: readonly ModelProfile[],
  { costs }: Pick<Service, 'costs'>,
  { executors, maxBatchRows }: { readonly executors: number; readonly maxBatchRows: number },
): number[] {
  const parts = models.map((_, index) => models.length - index);
  const busyMs = models.reduce((sum, { id, exits }, index) => {
    const rowMs = costs.meanMs(id, exits.length - 1, maxBatchRows) / maxBatchRows;
    return sum + (parts[index] ?? 0) * rowMs;
  }, 0);
  return parts.map((part) => (part * executors * 1000) / busyMs);
}

function runPoint(
  models: readonly ModelProfile[],
  service: Service,
  { sloMs, ratesPerSecond }: Omit<PointResult, 'schedulers'>,
  { contenders, seeds, seconds, executors, maxBatchRows }: SweepOptions,
): SchedulerResult[] {
  const streams = models.map(({ images }, index) => ({
    ratePerSecond: ratesPerSecond[index] ?? 0,
    kindWeights: images.map(({ count }) => count),
  }));
  const workloads = seeds.map((seed) => poissonWorkload(streams, seconds, seed));
  const lanes = models.map(({ id }) => id);
  return contenders.map(({ name, role, scheduler }) => {
    const runs = workloads.map((workload: Workload) => {
      const trial = { lanes, service, scheduler, budgetMs: sloMs, maxBatchRows, executors };
      return figuresOf(workload, simulate(workload, trial), models, { budgetMs: sloMs, seconds });
    });
    return { name, role, runs, figures: averaged(runs) };
  });
}

function averaged(runs: readonly Figures[]): Record<FigureName, Estimate> {
  const entries = figureNames.map((name) => [name, estimate(runs.map((run) => run[name]))] as const);
  return Object.fromEntries(entries) as Record<FigureName, Estimate>;
}
