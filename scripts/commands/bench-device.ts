import { basename, dirname } from 'node:path';
import { providers } from '../../shared/runtime/index.ts';
import { benchCloud, type CloudBench } from '../bench/cloud/bench.ts';
import { cloudBenchDefaults } from '../bench/cloud/defaults.ts';
import { cloudBenchWords, cloudStageLabels } from '../bench/cloud/report.ts';
import { type Adapters, findAdapters } from '../bench/device/adapters.ts';
import { type BundleBench, benchDevice, type DeviceBench } from '../bench/device/bench.ts';
import type { SegmentSpeed } from '../bench/device/runs.ts';
import { makeResultFolder, writeResults } from '../evaluate/result-files.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { acceleratorsOf, type Device, dataFolderOf } from '../options.ts';
import { print, printJson, say, table, withProgress } from '../output.ts';
import { bundleIds, findBundle } from '../project.ts';

export interface BenchDeviceCommandOptions {
  /** Ids or folders; all under models/ when absent. */
  readonly bundle?: readonly string[];
  readonly device: Device;
  readonly data?: string;
  readonly images: number;
  readonly tolerance: number;
  readonly threads: number;
  readonly maxBatchRows: number;
  readonly passes: number;
  /** Whether a server on the device is measured too. */
  readonly served?: boolean;
  readonly seconds: number;
  readonly out?: string;
  readonly json?: boolean;
}

const stageLabels = {
  reference: 'images through the CPU',
  device: 'bundles on the device',
  cpu: 'bundles timed on the CPU',
};

/**
 * Holds a GPU against the CPU: answers and speed of every segment, and then, where that is wanted and the answers are the CPU's, a
 * server on it. Exit code 1 when the answers differ.
 */
export async function benchDeviceCommand(options: BenchDeviceCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const { bundle, data, device, images, tolerance, threads, maxBatchRows, passes } = options;
  const bundleFolders = (bundle ?? bundleIds()).map(findBundle);
  // Before minutes go by: a server is measured with codes of real images.
  const dataFolder = options.served ? dataFolderOf(data) : (data ?? process.env.OFFRAMP_DATA);
  if (options.out !== undefined) await makeResultFolder(dirname(options.out));
  const bench = await withProgress(stageLabels, (onProgress) =>
    benchDevice({
      ...{ images, tolerance, threads, maxBatchRows, passes, bundleFolders, dataFolder, onProgress },
      // The CPU held against itself would show nothing.
      providers: acceleratorsOf(device),
    }),
  );
  const isServed = options.served === true && bench.agrees;
  const served = isServed ? await serveAll(bench, bundleFolders, options) : undefined;
  const adapters = findAdapters(process.env);
  const document = { ...run, adapters, tolerance, threads, ...bench, ...(served && { served }) };
  if (options.json) printJson(document);
  else print([words(bench, adapters, options), ...(served ?? []).map(cloudBenchWords)].join('\n\n'));
  if (options.out !== undefined) {
    const text = `${JSON.stringify(document, null, 1)}\n`;
    const [path] = await writeResults(dirname(options.out), [{ name: basename(options.out), text }]);
    say(`Written to ${path}`);
  }
  if (!bench.agrees) process.exitCode = 1;
}

/** A server with each bundle in turn, on what the sessions really got. */
async function serveAll(
  { provider }: DeviceBench,
  bundleFolders: readonly string[],
  { data, maxBatchRows, seconds }: BenchDeviceCommandOptions,
): Promise<CloudBench[]> {
  const dataFolder = dataFolderOf(data);
  const device: Device = providers.find((one) => one === provider) ?? 'auto';
  const benches: CloudBench[] = [];
  for (const bundleFolder of bundleFolders) {
    const where = { bundleFolder, dataFolder, device, maxBatchRows, seconds };
    const bench = await withProgress(cloudStageLabels, (onProgress) =>
      benchCloud({ ...cloudBenchDefaults, ...where, onProgress }),
    );
    benches.push(bench);
  }
  return benches;
}

function words(
  { provider, bundles, agrees }: DeviceBench,
  adapters: Adapters,
  { tolerance }: BenchDeviceCommandOptions,
): string {
  const { nvidia, vulkan, driverFiles } = adapters;
  const found = [...nvidia, ...vulkan, driverFiles ?? []].flat().join('; ');
  const verdict = agrees
    ? `Every label is the CPU's, and no logit is further than ${tolerance} from the CPU's.`
    : `A label is not the CPU's, or a logit is further than ${tolerance} from the CPU's: do not serve from this device.`;
  return [
    `${provider} against cpu${found === '' ? '' : `; this machine has ${found}`}`,
    ...bundles.flatMap((bundle) => ['', ...bundleWords(bundle, provider)]),
    '',
    verdict,
  ].join('\n');
}

function bundleWords({ bundle, images, segments }: BundleBench, provider: string): string[] {
  const compared = segments.map(({ segment, comparison, agrees }) => {
    const { rows, labelsDiffering, largestLogitDifference, codes } = comparison;
    return [
      `s${segment}`,
      String(rows),
      String(labelsDiffering),
      largestLogitDifference.toExponential(2),
      codes === undefined ? '-' : `${codes.differing} of ${codes.compared}`,
      codes === undefined ? '-' : String(codes.largest),
      agrees ? 'agrees' : 'DIFFERS',
    ];
  });
  const header = ['', 'rows', 'labels', 'logits by at most', 'codes', 'by at most', ''];
  const comparison = [`${bundle}, ${images}: what differs`, table(header, compared)];
  const timed = segments.flatMap(({ segment, speed }) =>
    speed === undefined
      ? []
      : [
          speedRow(`s${segment} ${provider}`, speed.device, speed.ratio.toFixed(2)),
          speedRow(`s${segment} cpu`, speed.cpu, ''),
        ],
  );
  const sizes = segments[0]?.speed?.device.batches.map(({ rows }) => String(rows)) ?? [];
  if (timed.length === 0) return comparison;
  const columns = ['', ...sizes, 'a', 'b', 'rows/s', 'ratio'];
  return [...comparison, 'milliseconds by rows in a batch, and as a x rows + b', table(columns, timed)];
}

function speedRow(name: string, { batches, line, rowsPerSecond }: SegmentSpeed, ratio: string): string[] {
  const times = batches.map(({ durationMs }) => durationMs.toFixed(2));
  return [name, ...times, line.perRowMs.toFixed(3), line.fixedMs.toFixed(2), rowsPerSecond.toFixed(0), ratio];
}
