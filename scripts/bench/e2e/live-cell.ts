import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OfframpError, reasonOf } from '../../../shared/errors.ts';
import { type ServerProcess, spawnServer } from '../../processes.ts';
import { quantiles } from '../../quantiles.ts';
import {
  type Cell,
  courseOf,
  type FleetOptions,
  fleetOptions,
  type PreparedBundle,
  type RunResult,
  segmentMediansMs,
  Tally,
} from '../../simulate/index.ts';
import { metricSum } from './daemon-client.ts';
import { type LiveDevice, startDevice } from './live-device.ts';
import type { LiveImages } from './live-images.ts';
import type { LinkSite, OpenSite } from './live-link.ts';
import { comingImages, sendOpenLoop } from './open-loop.ts';
import { type LivePolicy, policyArguments } from './policy-arguments.ts';
import { Replies } from './replies.ts';
import { type CallStages, StageSamples } from './stage-samples.ts';

export interface LiveSetup {
  readonly prepared: PreparedBundle;
  readonly bundleFolder: string;
  /** The scenario's links as `offramp emulate --link` takes them, by full paths. */
  readonly linkSpecs: readonly string[];
  readonly images: LiveImages;
  readonly openSite: OpenSite;
  readonly congestion: string | undefined;
  readonly onSent: () => void;
}

/** How much later than intended images were sent: nothing that the device could help. */
export interface SendLateness {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What real processes did: the same figures as those of a simulation, how well the images were sent, and where the time went. */
export interface LiveResult extends RunResult {
  readonly sendLateMs: SendLateness;
  /** In the mean. */
  readonly stagesMs: CallStages;
}

export interface LiveRun {
  readonly result: LiveResult;
  readonly stages: StageSamples;
}

/** What all policies of a cell have in common. */
type Base = Omit<FleetOptions, 'steering'>;

/** Beyond its budget no answer is waited for longer than this. */
const answerGraceMs = 30_000;

/**
 * Runs one cell of a scenario with a server and devices of its own.
 * @throws OfframpError INTERNAL when an image had no answer or more than one, or when a process does not start.
 */
export async function runLiveCell(setup: LiveSetup, cell: Cell, policy: LivePolicy): Promise<LiveRun> {
  const { prepared } = setup;
  const link = prepared.links[cell.link];
  if (link === undefined) throw new OfframpError('INTERNAL', 'No such cell');
  const base = fleetOptions(prepared, cell.devices, link.link);
  const folder = await mkdtemp(join(tmpdir(), 'offramp-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    const site = await setup.openSite();
    started.push({ stop: () => site.close() });
    const server = await startServer(setup, base, site);
    started.push(server);
    const devices: LiveDevice[] = [];
    for (let index = 0; index < cell.devices; index++) {
      const device = await startCellDevice(setup, { base, cell, policy, site, server, folder }, index);
      started.push(device);
      devices.push(device);
    }
    await Promise.all(devices.map((device) => device.link.restart()));
    const run = await feed(setup, base, policy, devices);
    const metrics = await serverMetrics(server, site);
    const result: LiveResult = {
      ...{ ...run.figures, ...cloudFigures(metrics, run.arrived) },
      bundle: prepared.bundle.manifest.id,
      ...{ policy: policy.name, link: link.name, devices: cell.devices },
      ...{ sendLateMs: run.sendLateMs, stagesMs: run.stages.means() },
    };
    return { result, stages: run.stages };
  } finally {
    for (const one of started.reverse()) await one.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function startServer(
  { bundleFolder }: LiveSetup,
  { cloud }: Base,
  { serverHost, token }: LinkSite,
): Promise<ServerProcess> {
  const place = ['--bundle', bundleFolder, '--host', serverHost, '--port', '0', '--log-level', 'error'];
  const { executors = 1, scheduler = 'offramp', maxBatchRows = 64 } = cloud ?? {};
  const work = ['--workers', String(executors), '--scheduler', scheduler];
  const batches = ['--max-batch-rows', String(maxBatchRows)];
  return spawnServer(['cloud', ...place, ...work, ...batches], {
    stderr: 'inherit',
    ...(token !== undefined && { env: { OFFRAMP_CLOUD_TOKEN: token } }),
  });
}

async function serverMetrics({ url }: ServerProcess, { token }: LinkSite): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return (await fetch(`${url}/metrics`, { headers })).text();
}

interface CellParts {
  readonly base: Base;
  readonly cell: Cell;
  readonly policy: LivePolicy;
  readonly site: LinkSite;
  readonly server: ServerProcess;
  readonly folder: string;
}

function startCellDevice(
  { prepared, bundleFolder, linkSpecs, images, congestion }: LiveSetup,
  { base, cell, policy, site, server, folder }: CellParts,
  index: number,
): Promise<LiveDevice> {
  const { linkSeed, linkStartMs } = courseOf(base, images.count, index);
  const seed = { seed: linkSeed, startAtMs: Math.floor(linkStartMs) };
  return startDevice({
    site,
    needs: { serverUrl: server.url, link: base.link, spec: linkSpecs[cell.link] ?? '', ...seed, congestion },
    socketPath: join(folder, `${index}.sock`),
    edgeArguments: [
      ...['--bundle', bundleFolder, '--budget-ms', String(base.budgetMs)],
      ...slowness(base),
      ...['--max-in-flight', String(base.maxInFlight)],
      ...['--audit-share', '0', '--workers', 'auto'],
      ...policyArguments(prepared.bundle, policy),
    ],
  });
}

/** Sends every device what comes to it, at once from now on, and counts what they say. */
async function feed(
  { images, onSent }: LiveSetup,
  base: Base,
  policy: LivePolicy,
  devices: readonly LiveDevice[],
) {
  const { seconds, warmUpSeconds, budgetMs } = base;
  const untilMs = 1000 * seconds;
  const fromMs = 1000 * warmUpSeconds;
  const tally = new Tally({ fromMs, untilMs, budgetMs });
  const stages = new StageSamples(fromMs);
  const startMs = performance.now();
  const lateMs: number[] = [];
  const fed = devices.map(async ({ client }, index) => {
    const truth = (image: number) => images.truth(image);
    const replies = new Replies({ tally, stages, startMs, plan: policy.name, truth });
    await sendOpenLoop({
      coming: comingImages(courseOf(base, images.count, index), images.count, untilMs),
      startMs,
      async send(coming) {
        try {
          replies.add(coming, await client.classify(images.file(coming.image), budgetMs + answerGraceMs));
        } catch (thrown) {
          replies.fail(reasonOf(thrown));
        }
      },
      onSent(late) {
        lateMs.push(late);
        onSent();
      },
    });
    replies.check(metricSum(await client.metrics(), 'offramp_edge_answers_total'));
    return replies.images;
  });
  const arrived = (await Promise.all(fed)).reduce((sum, count) => sum + count, 0);
  const { p50, p99 } = quantiles(lateMs);
  const max = lateMs.reduce((most, late) => Math.max(most, late), 0);
  return { figures: tally.figures(), stages, arrived, sendLateMs: { p50, p99, max } };
}

/** Of the server's own account. @param images that came, during the warm-up too. */
function cloudFigures(metrics: string, images: number) {
  const busySeconds = metricSum(metrics, 'offramp_cloud_batch_run_seconds_sum');
  const batches = metricSum(metrics, 'offramp_cloud_batch_rows_count');
  const rows = metricSum(metrics, 'offramp_cloud_batch_rows_sum');
  return {
    cloudSecondsPer1000Images: (1000 * busySeconds) / Math.max(1, images),
    ...(batches > 0 && { batchRows: rows / batches }),
  };
}

/** What the profiled device takes for its segments, so many times as long; not what this machine takes now. */
function slowness({ costs, deviceSlowdown }: Pick<FleetOptions, 'costs' | 'deviceSlowdown'>): string[] {
  if (deviceSlowdown === 1) return [];
  const segmentMs = segmentMediansMs(costs, deviceSlowdown);
  return ['--segment-ms', segmentMs.map((ms) => ms.toFixed(3)).join()];
}
