import { type Bundle, openBundle } from '../../../shared/bundle/index.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import { type Provider, segmentGraph, segmentKey } from '../../../shared/runtime/index.ts';
import { WorkerPool } from '../../../shared/runtime/node/index.ts';
import { seededRandom } from '../../calibrate/random.ts';
import { type Device, providersOf } from '../../options.ts';
import type { StageProgress } from '../../output.ts';
import { spawnServer } from '../../processes.ts';
import { BenchClient } from './client.ts';
import { bestDirectRate, type DirectOptions, type DirectRate, directRate } from './direct.ts';
import { closedLoop, type LoadOptions, type OpenLoopServed, openLoop, type Served } from './loads.ts';
import { type RealRows, realRows } from './rows.ts';

export interface CloudBenchOptions {
  readonly bundleFolder: string;
  readonly dataFolder: string;
  /** Where the segment runs, alone and behind the server. */
  readonly device: Device;
  readonly connections: number;
  readonly workers: number;
  readonly threads: number;
  readonly maxBatchRows: number;
  readonly budgetMs: number;
  /** Length of every measurement. */
  readonly seconds: number;
  /** Times that direct runs and the server take turns. */
  readonly rounds: number;
  readonly seed: number;
  readonly onProgress: StageProgress<CloudBenchStage>;
}

export type CloudBenchStage = 'direct' | 'served' | 'single' | 'open';

/** One turn: the segment by itself and behind the server, one right after the other. */
export interface Round {
  readonly direct: DirectRate;
  readonly served: Served;
  readonly ratio: number;
}

/** What a load was, and what came of it. */
export interface LoadPoint extends OpenLoopServed {
  /** Of the capacity found in a closed loop. */
  readonly offeredShare: number;
}

/** What was measured with; without it the figures say little. */
export type CloudBenchSettings = Pick<
  CloudBenchOptions,
  'budgetMs' | 'connections' | 'maxBatchRows' | 'seconds' | 'seed' | 'threads' | 'workers'
>;

export interface CloudBench {
  readonly settings: CloudBenchSettings;
  readonly bundle: string;
  readonly digest: string;
  /** The last cut: a single segment lies behind it, which every row goes through. */
  readonly cut: number;
  /** What the segment's own session really got; the server's asks for the same device. */
  readonly provider: Provider;
  readonly rounds: readonly Round[];
  /** Median over the rounds of served over direct rows a second. */
  readonly ratio: number;
  /** The same server made to run every request by itself. */
  readonly single: Served;
  readonly openLoop: readonly LoadPoint[];
  /** The least goodput of all loads past capacity, over the best of all loads. */
  readonly goodputKept: number;
}

const batchSizes = [1, 2, 4, 8, 16, 24, 32, 48, 64, 128];
/** Offered load as shares of the capacity found in a closed loop. */
const loadShares = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5];
const rowCount = 256;

/** Measures a real server process against the same segment run with nothing around it. */
export async function benchCloud(options: CloudBenchOptions): Promise<CloudBench> {
  const bundle = await openBundle(bundleFolder(options.bundleFolder));
  const cut = bundle.manifest.segments.length - 1;
  const rows = await realRows(bundle, cut, options.dataFolder, rowCount);
  const { provider, rounds } = await measureRounds(bundle, cut, rows, options);
  options.onProgress('single', 0, 1);
  const single = await onServer(bundle, cut, rows, { ...options, maxBatchRows: 1 }, closedLoop);
  const capacity = Math.max(...rounds.map(({ served }) => served.rowsPerSecond));
  const open = await onServer(bundle, cut, rows, options, (load) => sweep(load, capacity, options));
  return {
    settings: settingsOf(options),
    bundle: bundle.manifest.id,
    digest: bundle.digest,
    cut,
    provider,
    rounds,
    ratio: median(rounds.map(({ ratio }) => ratio)),
    single,
    openLoop: open,
    goodputKept: goodputKept(open),
  };
}

function settingsOf(options: CloudBenchOptions): CloudBenchSettings {
  const { budgetMs, connections, maxBatchRows, seconds, seed, threads, workers } = options;
  return { budgetMs, connections, maxBatchRows, seconds, seed, threads, workers };
}

/** The least goodput past capacity, over the best at any load; whether a server that has too much to do still does as much. */
export function goodputKept(
  points: readonly Pick<LoadPoint, 'goodputRowsPerSecond' | 'offeredShare'>[],
): number {
  const goodputOf = ({ goodputRowsPerSecond }: (typeof points)[number]) => goodputRowsPerSecond;
  const past = points.filter(({ offeredShare }) => offeredShare > 1);
  return Math.min(...past.map(goodputOf)) / Math.max(...points.map(goodputOf));
}

async function measureRounds(
  bundle: Bundle,
  cut: number,
  rows: RealRows,
  options: CloudBenchOptions,
): Promise<Pick<CloudBench, 'provider' | 'rounds'>> {
  const { workers, threads, seconds } = options;
  const runner = await WorkerPool.start({
    ...{ graphs: [segmentGraph(bundle, cut)], workers, threadsPerWorker: threads },
    providers: providersOf(options.device),
    maxQueuedRuns: workers,
  });
  try {
    const direct: DirectOptions = {
      ...{ runner, key: segmentKey(bundle.manifest.id, cut), codes: rows.codes, seconds },
    };
    const sizes = batchSizes.filter((size) => size <= options.maxBatchRows);
    options.onProgress('direct', 0, options.rounds);
    const { batchRows } = await bestDirectRate({ ...direct, seconds: seconds / 4 }, sizes);
    const rounds: Round[] = [];
    await onServer(bundle, cut, rows, options, async (load) => {
      await closedLoop({ ...load, seconds: Math.min(1, seconds) });
      for (let round = 0; round < options.rounds; round++) {
        const alone = await directRate(direct, batchRows);
        const served = await closedLoop(load);
        rounds.push({ direct: alone, served, ratio: served.rowsPerSecond / alone.rowsPerSecond });
        options.onProgress('served', round + 1, options.rounds);
      }
    });
    return { provider: runner.provider, rounds };
  } finally {
    await runner.close();
  }
}

async function sweep(
  load: LoadOptions,
  capacity: number,
  { seed, onProgress }: CloudBenchOptions,
): Promise<LoadPoint[]> {
  const random = seededRandom(seed);
  const points: LoadPoint[] = [];
  for (const offeredShare of loadShares) {
    points.push({ offeredShare, ...(await openLoop(load, offeredShare * capacity, random)) });
    onProgress('open', points.length, loadShares.length);
  }
  return points;
}

/** Starts a server with these settings, connects to it, and stops it when `work` is done. */
async function onServer<T>(
  bundle: Bundle,
  cut: number,
  { streams }: RealRows,
  options: CloudBenchOptions,
  work: (load: LoadOptions) => Promise<T>,
): Promise<T> {
  const { workers, threads, maxBatchRows, connections, seconds, budgetMs } = options;
  const settings = {
    ...{ '--bundle': options.bundleFolder, '--device': options.device },
    ...{ '--workers': workers, '--threads': threads, '--max-batch-rows': maxBatchRows },
  };
  const args = ['cloud', '--port', '0', '--log-level', 'error'];
  const flags = Object.entries(settings).flatMap(([flag, value]) => [flag, String(value)]);
  const server = await spawnServer([...args, ...flags], { stderr: 'inherit' });
  try {
    const clients: BenchClient[] = [];
    for (let index = 0; index < connections; index++) {
      clients.push(await BenchClient.connect(server.url, bundle, cut));
    }
    const result = await work({ clients, streams, seconds, budgetMs });
    await Promise.all(clients.map((client) => client.close()));
    return result;
  } finally {
    await server.stop();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
