import { type Adapters, findAdapters } from '../bench/device/adapters.ts';
import { type BundleBench, benchDevice, type DeviceBench } from '../bench/device/bench.ts';
import type { SegmentSpeed } from '../bench/device/runs.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { acceleratorsOf, type Device } from '../options.ts';
import { print, printJson, table, withProgress } from '../output.ts';
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
  readonly json?: boolean;
}

const stageLabels = {
  reference: 'images through the CPU',
  device: 'bundles on the device',
  cpu: 'bundles timed on the CPU',
};

/** Holds a GPU against the CPU: answers and speed of every segment. Exit code 1 when the answers differ. */
export async function benchDeviceCommand(options: BenchDeviceCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const { bundle, data, device, images, tolerance, threads, maxBatchRows, passes } = options;
  const bench = await withProgress(stageLabels, (onProgress) =>
    benchDevice({
      ...{ images, tolerance, threads, maxBatchRows, passes, onProgress },
      bundleFolders: (bundle ?? bundleIds()).map(findBundle),
      dataFolder: data ?? process.env.OFFRAMP_DATA,
      // The CPU held against itself would show nothing.
      providers: acceleratorsOf(device),
    }),
  );
  const adapters = findAdapters(process.env);
  if (options.json) printJson({ ...run, adapters, tolerance, threads, ...bench });
  else print(words(bench, adapters, options));
  if (!bench.agrees) process.exitCode = 1;
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
