import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import type { ExitRecords } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import type { Choice, Objective } from '../../shared/plan/index.ts';
import { type LoadingRunner, type Runner, segmentGraph } from '../../shared/runtime/index.ts';
import type { Tracer } from '../../shared/trace/index.ts';
import {
  AdaptiveAgent,
  Agent,
  Auditor,
  allowedDisagreement,
  areLooser,
  checkCloudUrl,
  chooseCut,
  DeviceAlarms,
  type Drift,
  type Endpoints,
  ExitShareMonitor,
  type ExitShareMonitorOptions,
  type FixedThresholds,
  fixedThresholds,
  joinServers,
  makePilot,
  type Pilot,
  type ServerUplink,
  segmentsAt,
  type UplinkEvent,
} from '../agent/index.ts';
import { readCloudTls } from './cloud-tls.ts';
import { makeUplink, type UplinkConfig } from './make-uplink.ts';
import { checkSlowdown } from './slowed-runner.ts';
import { type RunnerConfig, startRunner } from './start-runner.ts';

export interface AgentConfig extends UplinkConfig, RunnerConfig {
  readonly bundleFolder: string;
  /** `ws:` or `wss:` addresses of servers that do the same; none on a device that stands alone. */
  readonly cloudUrls?: readonly string[];
  /** Segments to run here, 0 sends the image; absent: one with a cloud, all of them without. */
  readonly cut?: number | undefined;
  /** Channels of the codes to send, one of the rates of the cut; absent: all. */
  readonly channels?: number | undefined;
  /**
   * Of the device's exits, in place of the calibrated ones: one for each, or one for all. Where any is looser than the calibrated one,
   * nothing is audited unless `allowedDisagreement` says what to hold it to.
   */
  readonly thresholds?: readonly number[] | undefined;
  /** Chooses cut, thresholds and rate while running, in place of `cut`, `thresholds` and `channels`. */
  readonly objective?: Objective | undefined;
  /** At the server, 1 is served first; absent: its default. */
  readonly priority?: number | undefined;
  readonly budgetMs: number;
  readonly maxInFlight: number;
  /** Share of the device's own answers that the cloud is asked about as well; none when absent. */
  readonly auditShare?: number;
  /** Share of them in which the cloud may disagree; by the bundle's calibration when absent. */
  readonly allowedDisagreement?: number | undefined;
  readonly onDrift?: (drift: Drift) => void;
  /** How many times the odds of leaving by the first exit may grow or shrink against the calibration before it is said. */
  readonly exitShareTolerance?: number | undefined;
  readonly onExitShare?: ExitShareMonitorOptions['onChange'];
  readonly onPlan?: (choice: Choice) => void;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly onEvent: (event: UplinkEvent, url: string) => void;
}

export interface RunningAgent {
  readonly agent: Pick<Agent, 'classify' | 'inFlight' | 'warmUp'>;
  /** Absent where the plan is fixed. */
  readonly pilot: Pilot | undefined;
  readonly bundle: Bundle;
  readonly cut: number;
  /** Those that somebody chose; absent where the calibration or the plan does. */
  readonly thresholds: FixedThresholds | undefined;
  /** All servers as one; absent on a device that stands alone. */
  readonly cloud: Endpoints | undefined;
  /** Absent where nothing is audited. */
  readonly auditor: Auditor | undefined;
  /** Absent for a bundle whose calibration says nothing of it. */
  readonly exitShare: ExitShareMonitor | undefined;
  readonly uplinks: readonly ServerUplink[];
  readonly runner: Runner;
  stop(): Promise<void>;
}

/**
 * Starts an agent on this machine: bundle, inference threads and, when there is one, the connection to the cloud. Does not
 * wait for the cloud: until it is there, images are answered on the device.
 */
export async function startAgent(config: AgentConfig): Promise<RunningAgent> {
  const { cloudUrls = [], cloudTls = {} } = config;
  for (const url of cloudUrls) checkCloudUrl(url);
  if (cloudUrls.length === 0) readCloudTls(cloudTls, undefined);
  for (const url of cloudUrls) readCloudTls(cloudTls, url);
  checkSlowdown(config.slowdown ?? 1);
  const readFile = bundleFolder(config.bundleFolder);
  const hasCloud = cloudUrls.length > 0;
  const plansChange = config.objective !== undefined;
  const cut = await chooseCut(readFile, { cut: config.cut, hasCloud, plansChange });
  const segments = segmentsAt(cut);
  const bundle = await openBundle(readFile, { segments });
  const thresholds = thresholdsOf(config, bundle, cut);
  const records = config.objective === undefined ? undefined : await bundle.records('calibration');
  const graphs = segments.map((index) => segmentGraph(bundle, index));
  const runner = await startRunner(config, graphs, config.maxInFlight);
  let running: RunningAgent | undefined;
  try {
    running = assemble(config, { bundle, runner, cut, thresholds, records });
    if (cut === 0 || config.objective !== undefined) await running.agent.warmUp();
    return running;
  } catch (thrown) {
    for (const { uplink } of running?.uplinks ?? []) uplink.close();
    await runner.close();
    throw thrown;
  }
}

interface AgentParts {
  readonly bundle: Bundle;
  readonly runner: LoadingRunner;
  readonly cut: number;
  readonly thresholds: FixedThresholds | undefined;
  /** Of the calibration split; where plans are chosen while running. */
  readonly records: ExitRecords | undefined;
}

function assemble(config: AgentConfig, parts: AgentParts): RunningAgent {
  const { bundle, runner, cut, thresholds, records } = parts;
  const { cloudUrls = [] } = config;
  const alarms = new DeviceAlarms(bundle);
  const { cloud, uplinks } = joinServers({
    ...{ urls: cloudUrls, clock: systemClock, random: Math.random, onEvent: config.onEvent, alarms },
    makeUplink: (url, listeners) => makeUplink(config, url, bundle, listeners),
  });
  const auditor = cloud === undefined ? undefined : makeAuditor(config, parts, alarms);
  const { exitShareTolerance: tolerance, onExitShare } = config;
  const exitShare = ExitShareMonitor.of(bundle, {
    ...(tolerance !== undefined && { tolerance }),
    onChange: (change, figures) => {
      alarms.onExitShare(change, figures);
      onExitShare?.(change, figures);
    },
  });
  const options = {
    bundle,
    runner,
    ...(cloud !== undefined && { cloud }),
    ...(auditor !== undefined && { auditor }),
    ...(exitShare !== undefined && { exitShare }),
    clock: systemClock,
    ...(config.priority !== undefined && { priority: config.priority }),
    defaultBudgetMs: config.budgetMs,
    maxInFlight: config.maxInFlight,
    ...(config.tracer !== undefined && { tracer: config.tracer }),
  };
  const { objective, onPlan, budgetMs } = config;
  const pilot =
    records === undefined || objective === undefined
      ? undefined
      : makePilot({
          ...{ bundle, runner, records, objective, budgetMs, cloud, uplinks },
          ...(onPlan !== undefined && { onPlan }),
        });
  const agent =
    pilot === undefined
      ? new Agent({
          ...{ ...options, cut },
          ...(config.channels !== undefined && { channels: config.channels }),
          ...(thresholds !== undefined && { thresholds: thresholds.inUse }),
        })
      : new AdaptiveAgent({ ...options, pilot });
  // Not before: an agent that cannot be made must not leave a connection behind.
  for (const { uplink } of uplinks) uplink.start();
  return {
    agent,
    pilot,
    bundle,
    cut,
    thresholds,
    cloud,
    uplinks,
    auditor,
    exitShare,
    runner,
    async stop() {
      for (const { uplink } of uplinks) uplink.close();
      await runner.close();
    },
  };
}

function makeAuditor(
  config: AgentConfig,
  { bundle, thresholds }: AgentParts,
  alarms: DeviceAlarms,
): Auditor | undefined {
  const { auditShare: share = 0, allowedDisagreement: allowed, onDrift } = config;
  if (share === 0) return undefined;
  // The calibration promises nothing of thresholds that are looser than its own: there is nothing to hold them to.
  if (allowed === undefined && thresholds !== undefined && areLooser(thresholds)) return undefined;
  const mayDisagree = allowed ?? allowedDisagreement(bundle.manifest);
  return new Auditor({
    ...{ share, random: Math.random, allowedDisagreement: mayDisagree },
    onDrift: (drift) => {
      alarms.onDrift(drift, mayDisagree);
      onDrift?.(drift);
    },
  });
}

/** Where plans change they bring thresholds of their own. */
function thresholdsOf(
  { objective, thresholds }: AgentConfig,
  { manifest }: Bundle,
  cut: number,
): FixedThresholds | undefined {
  return objective === undefined && thresholds !== undefined
    ? fixedThresholds(manifest, cut, thresholds)
    : undefined;
}
