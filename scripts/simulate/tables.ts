import { milliseconds, percent, table } from '../output.ts';
import type { Estimated, RunResult } from './result.ts';

/** A column of a table of runs. */
interface Column {
  readonly name: string;
  readonly of: (run: RunResult) => string;
}

const bundleColumn: Column = { name: 'bundle', of: ({ bundle }) => bundle };

const columns: readonly Column[] = [
  { name: 'link', of: ({ link }) => link },
  { name: 'devices', of: ({ devices }) => String(devices) },
  { name: 'policy', of: ({ policy }) => policy },
  { name: 'mean ms', of: ({ latencyMs }) => estimatedMs(latencyMs.mean) },
  { name: 'p50', of: ({ latencyMs }) => milliseconds(latencyMs.p50.ms) },
  { name: 'p95 ms', of: ({ latencyMs }) => estimatedMs(latencyMs.p95) },
  { name: 'right', of: ({ accuracy }) => percent(accuracy.share) },
  { name: 'on device', of: ({ routes }) => percent(routes.exit + routes.edgeOnly, 0) },
  { name: 'degraded', of: ({ degraded }) => percent(degraded.share, 1) },
  { name: 'late', of: ({ lateShare }) => percent(lateShare, 1) },
  { name: 'bytes', of: ({ bytesPerImage }) => bytesPerImage.toFixed(0) },
  {
    name: 'cloud s/1000',
    of: ({ cloudSecondsPer1000Images }) => cloudSecondsPer1000Images?.toFixed(2) ?? '',
  },
  { name: 'regret', of: ({ regret }) => (regret === undefined ? '' : percent(regret, 1)) },
  { name: 'best plan', of: ({ bestPlan }) => bestPlan ?? '' },
];

/** One row for each run, which names its bundle where there are several. */
export function resultTable(results: readonly RunResult[]): string {
  const shown = areSeveralBundles(results) ? [bundleColumn, ...columns] : columns;
  return table(
    shown.map(({ name }) => name),
    results.map((run) => shown.map(({ of }) => of(run))),
  );
}

export function areSeveralBundles(runs: readonly Pick<RunResult, 'bundle'>[]): boolean {
  return new Set(runs.map(({ bundle }) => bundle)).size > 1;
}

/** With the interval in which it lies. */
export function estimatedMs({ ms, interval: [low, high] }: Estimated): string {
  return `${ms.toFixed(1)} (${low.toFixed(1)}-${high.toFixed(1)})`;
}
