import { milliseconds, percent, table } from '../../output.ts';
import type { E2eBench } from './bench.ts';
import type { Comparison } from './compare.ts';
import type { LiveResult } from './live-cell.ts';

/** From this on the sender is no longer beside what it measures. */
const lateMs = 2;

/** What was run and what came of it, as tables. */
export function reportWords({ scenario, images, results, comparisons }: E2eBench): string {
  const about = `${scenario.name}: ${scenario.bundle}, ${scenario.seconds} s of each cell, ${images}`;
  const parts = [about, resultTable(results), 'Where the time went, ms in the mean', stageTable(results)];
  if (comparisons !== undefined) {
    parts.push('Simulated against real: over it less 1, and shares less its own in points');
    parts.push(comparisonTable(comparisons));
  }
  return parts.join('\n\n');
}

/** What whoever reads the figures should know of the sender. */
export function warnings(results: readonly LiveResult[]): string[] {
  return results
    .filter(({ sendLateMs }) => sendLateMs.p99 > lateMs)
    .map(
      (run) =>
        `${nameOf(run)}: images were sent late, by ${milliseconds(run.sendLateMs.p99)} at the 99th percentile: this machine is too busy`,
    );
}

function resultTable(results: readonly LiveResult[]): string {
  const header = [
    ...['link/policy', 'images', 'refused', 'mean', 'p50', 'p95', 'p99', 'right'],
    ...['exit', 'features', 'image', 'edge-only', 'degraded', 'right', 'late', 'B/image', 'sent late'],
  ];
  const rows = results.map((run) => {
    const { latencyMs, accuracy, routes, degraded } = run;
    return [
      ...[nameOf(run), String(run.images), String(run.refused), milliseconds(latencyMs.mean.ms)],
      ...[latencyMs.p50.ms, latencyMs.p95.ms, latencyMs.p99.ms].map(milliseconds),
      percent(accuracy.share, 1),
      ...[routes.exit, routes.features, routes.image, routes.edgeOnly].map((share) => percent(share, 1)),
      ...[percent(degraded.share, 1), percent(degraded.accuracy ?? Number.NaN, 1), percent(run.lateShare, 1)],
      ...[run.bytesPerImage.toFixed(0), milliseconds(run.sendLateMs.p99)],
    ];
  });
  return table(header, rows);
}

function stageTable(results: readonly LiveResult[]): string {
  const rows = results.map((run) => {
    const { call, prepare, device, exit, encode, network, cloudQueue, cloudRun } = run.stagesMs;
    const stages = [call, prepare, device, exit, encode, network, cloudQueue, cloudRun];
    return [nameOf(run), ...stages.map((ms) => ms.toFixed(2))];
  });
  const header = ['call', 'prepare', 'device', 'exit', 'encode', 'network', 'cloud queue', 'cloud run'];
  return table(['link/policy', ...header], rows);
}

function comparisonTable(comparisons: readonly Comparison[]): string {
  const header = [
    ...['link/policy', 'mean', 'p50', 'p95', 'exit', 'features', 'image', 'edge-only', 'degraded'],
    'close',
  ];
  const signed = (value: number, digits: number) => `${value > 0 ? '+' : ''}${value.toFixed(digits)}`;
  const rows = comparisons.map((one) => {
    const { exit, features, image, edgeOnly } = one.routePoints;
    return [
      nameOf(one),
      ...[one.meanError, one.p50Error, one.p95Error].map((error) => `${signed(100 * error, 1)} %`),
      ...[exit, features, image, edgeOnly, one.degradedPoints].map((points) => signed(points, 1)),
      one.isClose ? 'yes' : 'no',
    ];
  });
  return table(header, rows);
}

function nameOf({ link, policy, devices }: Pick<LiveResult, 'link' | 'policy' | 'devices'>): string {
  return `${link}/${policy}${devices === 1 ? '' : ` x ${devices}`}`;
}
