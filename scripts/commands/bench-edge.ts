import { benchEdge, type EdgeBench } from '../bench/edge/bench.ts';
import { recordRun } from '../evaluate/run-record.ts';
import { percent, print, printJson, table, withProgress } from '../output.ts';
import { bundleIds, findBundle } from '../project.ts';

export interface BenchEdgeCommandOptions {
  readonly bundle?: readonly string[];
  readonly data?: string;
  readonly workers: number | 'auto';
  readonly images: number;
  readonly memoryImages: number;
  readonly json?: boolean;
}

const stageLabels = { time: 'bundles timed', memory: 'memory' };

/** Measures what an agent adds to the bare run of its segment, and its memory over many images. */
export async function benchEdgeCommand(options: BenchEdgeCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const bundleFolders = (options.bundle ?? bundleIds()).map(findBundle);
  const dataFolder = options.data ?? process.env.OFFRAMP_DATA;
  const bench = await withProgress(stageLabels, (onProgress) =>
    benchEdge({ ...options, bundleFolders, dataFolder, onProgress }),
  );
  if (options.json) printJson({ ...run, ...bench });
  else print(words(bench));
}

function words({ bundles, memory }: EdgeBench): string {
  const times = bundles.map((one) => [
    one.bundle,
    one.inline ? 'none' : 'one or more',
    one.bareMicros.p50.toFixed(0),
    one.classifyMicros.p50.toFixed(0),
    one.addedMicros.toFixed(0),
    percent(one.addedShare, 1),
    one.classifyMicros.p99.toFixed(0),
  ]);
  const points = memory.map(({ images, residentBytes, heapBytes }) => [
    String(images),
    (residentBytes / 2 ** 20).toFixed(0),
    (heapBytes / 2 ** 20).toFixed(0),
  ]);
  return [
    'microseconds of an image that leaves on the device, against session.run alone',
    table(['bundle', 'threads', 'run p50', 'classify p50', 'added', 'share', 'classify p99'], times),
    ...(points.length === 0 ? [] : ['', 'memory, MiB', table(['images', 'resident', 'heap'], points)]),
  ].join('\n');
}
