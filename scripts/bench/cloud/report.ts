import { milliseconds, percent, table } from '../../output.ts';
import type { CloudBench, CloudBenchStage } from './bench.ts';

/** What progress bars say. */
export const cloudStageLabels: Readonly<Record<CloudBenchStage, string>> = {
  direct: 'segment alone, batch sizes',
  served: 'server and segment in turns',
  single: 'one row a batch',
  open: 'offered loads',
};

/** What a run found, for people. */
export function cloudBenchWords(bench: CloudBench): string {
  const { connections, budgetMs } = bench.settings;
  const rounds = bench.rounds.map(({ direct, served, ratio }, index) => [
    String(index + 1),
    direct.rowsPerSecond.toFixed(0),
    served.rowsPerSecond.toFixed(0),
    ratio.toFixed(3),
    milliseconds(served.latencyMs.p99),
  ]);
  const loads = bench.openLoop.map((point) => [
    percent(point.offeredShare, 0),
    point.offeredRowsPerSecond.toFixed(0),
    point.goodputRowsPerSecond.toFixed(0),
    percent(point.rejectedShare, 1),
    milliseconds(point.latencyMs.p50),
    milliseconds(point.latencyMs.p95),
    milliseconds(point.latencyMs.p99),
  ]);
  return [
    `${bench.bundle}, cut ${bench.cut}, on ${bench.provider}: rows a second under ${connections} closed-loop connections`,
    table(['round', 'segment alone', 'server', 'ratio', 'p99'], rounds),
    `ratio ${bench.ratio.toFixed(3)} (median); one row a batch ${bench.single.rowsPerSecond.toFixed(0)} rows/s, p99 ${milliseconds(bench.single.latencyMs.p99)}`,
    '',
    `open loop, budget ${budgetMs} ms, times from the moment a row was meant to be sent`,
    table(['load', 'offered/s', 'in time/s', 'not in time', 'p50', 'p95', 'p99'], loads),
    `past capacity at least ${percent(bench.goodputKept, 1)} of the best goodput`,
  ].join('\n');
}
