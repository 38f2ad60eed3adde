import { evaluate } from '../evaluate/evaluate.ts';
import { type ImageFormat, sentPicture } from '../evaluate/sent-pictures.ts';
import type { Evaluation } from '../evaluate/summary.ts';
import { dataFolderOf } from '../options.ts';
import { milliseconds, percent, print, printJson, table, withProgress } from '../output.ts';
import { findBundle } from '../project.ts';

export interface EvaluateCommandOptions {
  readonly bundle: string;
  readonly data?: string;
  readonly limit?: number;
  readonly concurrency: number;
  readonly budgetMs: number;
  readonly cut: number;
  /** Channels of the codes to send. */
  readonly rate?: number;
  readonly imageFormat?: ImageFormat;
  readonly imageQuality?: number;
  readonly json?: boolean;
}

const stageLabels = { whole: 'whole network', split: 'edge and cloud' };

/** Measures a bundle on its test split through the real path. */
export async function evaluateCommand(options: EvaluateCommandOptions): Promise<void> {
  const dataFolder = dataFolderOf(options.data);
  const evaluation = await withProgress(stageLabels, (onProgress) =>
    evaluate({
      ...options,
      bundleFolder: findBundle(options.bundle),
      dataFolder,
      limit: options.limit,
      channels: options.rate,
      picture: sentPicture(options.cut, options.imageFormat, options.imageQuality),
      onProgress,
    }),
  );
  if (options.json) printJson(evaluation);
  else print(words(evaluation));
}

function words(e: Evaluation): string {
  const exits = e.exits.map(({ name, side, share, accuracy }) => [
    name,
    side,
    percent(share),
    percent(accuracy),
  ]);
  const latency = Object.entries(e.latencyMs).map(([route, { p50, p95, p99 }]) => [
    route,
    milliseconds(p50),
    milliseconds(p95),
    milliseconds(p99),
  ]);
  return [
    `${e.bundle} ${e.version} on ${e.images} ${e.split} images of ${e.dataset}, cut ${e.cut}, budget ${e.budgetMs} ms`,
    '',
    `accuracy ${percent(e.accuracy)}; last exit alone, for every image: ${percent(e.whole.accuracy)}`,
    ...exactWords(e),
    `answered on the device ${percent(e.deviceShare)}`,
    `MACs per image: ${macs(e.macs.mean)} in all; on the device ${macs(e.macs.meanDevice)}, at most ${macs(e.macs.device)}`,
    '',
    table(['exit', 'side', 'share', 'accuracy'], exits),
    '',
    table(['route', 'p50', 'p95', 'p99'], latency),
    '',
    e.offload.images === 0
      ? 'no image offloaded'
      : `${e.offload.images} images offloaded, ${e.offload.bytesMean.toFixed(1)} bytes each (p95 ${e.offload.bytesP95}), frame and all; ${e.offload.bytesPerImage.toFixed(1)} over all images`,
    `${differenceWords(e)}; degraded: ${e.degraded}; lost: ${e.lost}`,
  ].join('\n');
}

function differenceWords(evaluation: Evaluation): string {
  const { placementMismatches, fullRateDifferences, channels, picture, pictureDifferences } = evaluation;
  if (pictureDifferences !== undefined) {
    const sent = `sent as ${picture?.format} of quality ${picture?.quality}, which loses something`;
    return `${sent}; label differs from the one without loss: ${pictureDifferences}`;
  }
  if (fullRateDifferences === undefined)
    return `label differs from the network in one piece: ${placementMismatches}`;
  return `sent at ${channels} channels; label differs from the one at full rate: ${fullRateDifferences}`;
}

function exactWords({ approximateImages, exact }: Evaluation): string[] {
  if (!approximateImages || exact === undefined) return [];
  const rest = `${percent(exact.accuracy)} on the ${exact.images} others`;
  return [
    `${approximateImages} images have pixels that only come close to the published ones; accuracy ${rest}`,
  ];
}

function macs(count: number): string {
  return Math.round(count).toLocaleString('en');
}
