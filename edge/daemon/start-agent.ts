import { type Bundle, openBundle, type ReadFile } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { ExitRecords } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import type { Choice, Objective } from '../../shared/plan/index.ts';
import {
  type LoadingRunner,
  type Runner,
  type SegmentGraph,
  segmentGraph,
} from '../../shared/runtime/index.ts';
import { InlineRunner, WorkerPool } from '../../shared/runtime/node/index.ts';
import type { Tracer } from '../../shared/trace/index.ts';
import {
  AdaptiveAgent,
  Agent,
  Auditor,
  allowedDisagreement,
  type Drift,
  Endpoints,
  Pilot,
  type Uplink,
  type UplinkEvent,
} from '../agent/index.ts';
import { readCloudTls } from './cloud-tls.ts';
import { checkCloudUrl, makeUplink, type UplinkConfig } from './make-uplink.ts';

/** What computes the device's segments: onnxruntime's binary for the machine, or WebAssembly, which runs on any. */
export type EdgeRuntime = 'native' | 'wasm';

export interface AgentConfig extends UplinkConfig {
  readonly bundleFolder: string;
  /** `ws:` or `wss:` addresses of servers that do the same; none on a device that stands alone. */
  readonly cloudUrls?: readonly string[];
  /** Segments to run here, 0 sends the image; absent: one with a cloud, all of them without. */
  readonly cut?: number | undefined;
  /** Channels of the codes to send, one of the rates of the cut; absent: all. */
  readonly channels?: number | undefined;
  /** Chooses cut, thresholds and rate while running, in place of `cut` and `channels`. */
  readonly objective?: Objective | undefined;
  /** At the server, 1 is served first; absent: its default. */
  readonly priority?: number | undefined;
  readonly budgetMs: number;
  readonly maxInFlight: number;
  /** Inference threads; with 0 segments run in this one. `auto`: that, where each takes less than a millisecond, else one thread. */
  readonly workers: number | 'auto';
  readonly threadsPerWorker: number;
  /** Absent: native. */
  readonly runtime?: EdgeRuntime | undefined;
  /** Share of the device's own answers that the cloud is asked about as well; none when absent. */
  readonly auditShare?: number;
  /** Share of them in which the cloud may disagree; by the bundle's calibration when absent. */
  readonly allowedDisagreement?: number | undefined;
  readonly onDrift?: (drift: Drift) => void;
  readonly onPlan?: (choice: Choice) => void;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly onEvent: (event: UplinkEvent, url: string) => void;
}

export interface RunningAgent {
  readonly agent: Pick<Agent, 'classify' | 'inFlight'>;
  /** Absent where the plan is fixed. */
  readonly pilot: Pilot | undefined;
  readonly bundle: Bundle;
  readonly cut: number;
  /** All servers as one; absent on a device that stands alone. */
  readonly cloud: Endpoints | undefined;
  /** Absent where nothing is audited. */
  readonly auditor: Auditor | undefined;
  readonly uplinks: readonly { readonly url: string; readonly uplink: Uplink }[];
  readonly runner: Runner;
  stop(): Promise<void>;
}

/** What may hold up sockets and timers; the way to a thread and back takes a tenth of it. */
const longestInlineMicros = 1000;

/**
 * Starts an agent on this machine: bundle, inference threads and, when there is one, the connection to the cloud. Does not
 * wait for the cloud: until it is there, images are answered on the device.
 */
export async function startAgent(config: AgentConfig): Promise<RunningAgent> {
  const { cloudUrls = [], cloudTls = {} } = config;
  for (const url of cloudUrls) checkCloudUrl(url);
  if (cloudUrls.length === 0) readCloudTls(cloudTls, undefined);
  for (const url of cloudUrls) readCloudTls(cloudTls, url);
  const readFile = bundleFolder(config.bundleFolder);
  const cut = await chooseCut(config, readFile);
  // At cut 0 too: the first segment answers when the cloud does not.
  const segments = Array.from({ length: Math.max(1, cut) }, (_, index) => index);
  const bundle = await openBundle(readFile, { segments });
  const records = config.objective === undefined ? undefined : await bundle.records('calibration');
  const graphs = segments.map((index) => segmentGraph(bundle, index));
  const runner = await startRunner(config, graphs);
  let running: RunningAgent | undefined;
  try {
    running = assemble(config, { bundle, runner, cut, records });
    if (cut === 0 && running.agent instanceof Agent) await running.agent.warmUp();
    return running;
  } catch (thrown) {
    for (const { uplink } of running?.uplinks ?? []) uplink.close();
    await runner.close();
    throw thrown;
  }
}

async function startRunner(config: AgentConfig, graphs: readonly SegmentGraph[]): Promise<LoadingRunner> {
  const { workers, threadsPerWorker, maxInFlight: maxQueuedRuns, runtime } = config;
  const providers = [runtime === 'wasm' ? 'wasm' : 'cpu'] as const;
  if (workers === 0 || workers === 'auto') {
    const runner = await InlineRunner.start({ graphs, providers, threads: threadsPerWorker, maxQueuedRuns });
    const longestMicros = Math.max(...runner.warmRuns.map(({ runMicros }) => runMicros));
    if (workers === 0 || longestMicros <= longestInlineMicros) return runner;
    await runner.close();
  }
  const threads = workers === 'auto' ? 1 : workers;
  const options = { graphs, providers, workers: threads, threadsPerWorker, maxQueuedRuns };
  return WorkerPool.start({ ...options, warmUpRows: [1] });
}

interface AgentParts {
  readonly bundle: Bundle;
  readonly runner: LoadingRunner;
  readonly cut: number;
  /** Of the calibration split; where plans are chosen while running. */
  readonly records: ExitRecords | undefined;
}

function assemble(config: AgentConfig, { bundle, runner, cut, records }: AgentParts): RunningAgent {
  const { cloudUrls = [] } = config;
  let cloud: Endpoints | undefined;
  const onEvent = (url: string) => (event: UplinkEvent) => {
    config.onEvent(event, url);
    if (event.kind !== 'goaway') cloud?.onLinkEvent(event.kind);
  };
  const uplinks = cloudUrls.map((url) => ({ url, uplink: makeUplink(config, url, bundle, onEvent(url)) }));
  const links = uplinks.map(({ uplink }) => uplink);
  if (links.length > 0) cloud = new Endpoints({ links, clock: systemClock, random: Math.random });
  const auditor = cloud === undefined ? undefined : makeAuditor(config, bundle);
  const options = {
    bundle,
    runner,
    ...(cloud !== undefined && { cloud }),
    ...(auditor !== undefined && { auditor }),
    clock: systemClock,
    ...(config.priority !== undefined && { priority: config.priority }),
    defaultBudgetMs: config.budgetMs,
    maxInFlight: config.maxInFlight,
    ...(config.tracer !== undefined && { tracer: config.tracer }),
  };
  const pilot = records === undefined ? undefined : makePilot(config, { bundle, runner, records, cloud });
  const agent =
    pilot === undefined
      ? new Agent({ ...options, cut, ...(config.channels !== undefined && { channels: config.channels }) })
      : new AdaptiveAgent({ ...options, pilot });
  // Not before: an agent that cannot be made must not leave a connection behind.
  for (const { uplink } of uplinks) uplink.start();
  return {
    agent,
    pilot,
    bundle,
    cut,
    cloud,
    uplinks,
    auditor,
    runner,
    async stop() {
      for (const { uplink } of uplinks) uplink.close();
      await runner.close();
    },
  };
}

interface PilotParts extends Pick<AgentParts, 'bundle' | 'runner'> {
  readonly records: ExitRecords;
  readonly cloud: Endpoints | undefined;
}

function makePilot(config: AgentConfig, { bundle, runner, records, cloud }: PilotParts): Pilot | undefined {
  const { objective, onPlan, budgetMs: deadlineMs } = config;
  if (objective === undefined) return undefined;
  return new Pilot({
    ...{ bundle, records, objective: { deadlineMs, ...objective } },
    segmentMs: runner.warmRuns.map(({ runMicros }) => runMicros / 1000),
    link: (nowMs) => cloud?.quickestLink(nowMs),
    ...(onPlan !== undefined && { onPlan }),
  });
}

function makeAuditor(config: AgentConfig, { manifest }: Bundle): Auditor | undefined {
  const { auditShare: share = 0, allowedDisagreement: allowed, onDrift } = config;
  if (share === 0) return undefined;
  return new Auditor({
    ...{ share, random: Math.random, allowedDisagreement: allowed ?? allowedDisagreement(manifest) },
    ...(onDrift !== undefined && { onDrift }),
  });
}

async function chooseCut(
  { cloudUrls = [], cut, objective }: AgentConfig,
  readFile: ReadFile,
): Promise<number> {
  const { id, segments } = (await openBundle(readFile, { segments: [] })).manifest;
  // To choose while running it takes all segments.
  const usual = cloudUrls.length === 0 || objective !== undefined ? segments.length : 1;
  const chosen = cut ?? usual;
  if (chosen >= 0 && chosen <= segments.length) return chosen;
  throw new OfframpError(
    'CUT_UNSUPPORTED',
    `Cut ${chosen} of bundle ${id}, expected 0 to ${segments.length}`,
  );
}
