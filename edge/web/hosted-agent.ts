import { type Bundle, openBundle, type ReadFile } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { Choice } from '../../shared/plan/index.ts';
import {
  type LoadingRunner,
  type SegmentGraph,
  segmentGraph,
  type WarmRun,
} from '../../shared/runtime/index.ts';
import {
  AdaptiveAgent,
  Agent,
  type Answer,
  type CloudServers,
  checkCloudUrl,
  chooseCut,
  DeviceAlarms,
  type DeviceOpinion,
  ExitShareMonitor,
  joinServers,
  makePilot,
  type Pilot,
  segmentsAt,
} from '../agent/index.ts';
import type { AgentEvent, AgentSettings, AgentStatus, BundleFacts, SettingsInUse } from './api.ts';
import { bundleFacts, cloudStatus, eventOf, planStatus } from './facts.ts';
import { makeUplink } from './make-uplink.ts';
import type { ClassifyOrder, StartOrder } from './messages.ts';
import { pixelsOf } from './pixels.ts';
import {
  changed,
  checkBudget,
  checkPlansOwn,
  checkPriority,
  inUse,
  maxInFlightOf,
  thresholdsFor,
  usualBudgetMs,
  type Wanted,
} from './settings.ts';
import { version } from './version.ts';
import type { OpenSocket } from './web-dial.ts';

/** What computes in this worker. */
export interface HostedRuntime {
  readonly runner: LoadingRunner;
  readonly threads: number;
}

export interface HostedAgentOptions {
  readonly order: StartOrder;
  readonly readFile: ReadFile;
  /** Loads the segments that are needed first. */
  readonly startRuntime: (graphs: readonly SegmentGraph[], maxQueuedRuns: number) => Promise<HostedRuntime>;
  readonly onEvent: (event: AgentEvent) => void;
  /** Absent: the browser's own sockets. */
  readonly open?: OpenSocket;
}

interface Parts extends HostedRuntime {
  readonly options: HostedAgentOptions;
  readonly bundle: Bundle;
  readonly wanted: Wanted;
  readonly servers: CloudServers;
  readonly pilot: Pilot | undefined;
  readonly exitShare: ExitShareMonitor | undefined;
  readonly maxInFlight: number;
}

/** The agent in a page's worker: what a daemon puts together for a machine, put together for a page. */
export class HostedAgent {
  readonly #parts: Parts;
  /** Of all segments that were loaded. */
  readonly #warmRuns: WarmRun[];
  #bundle: Bundle;
  #wanted: Wanted;
  #agent: Agent | AdaptiveAgent;
  #inFlight = 0;
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#bundle = parts.bundle;
    this.#wanted = parts.wanted;
    this.#warmRuns = [...parts.runner.warmRuns];
    this.#agent = this.#agentAt(parts.wanted, parts.bundle);
  }

  /**
   * Does not wait for the cloud: until it is there, images are answered on the device.
   * @throws OfframpError CONFIG_INVALID, BUDGET_INVALID, CUT_UNSUPPORTED, RATE_UNSUPPORTED, what {@link openBundle} throws, or what
   * the runtime does.
   */
  static async start(options: HostedAgentOptions): Promise<HostedAgent> {
    const { order, readFile, startRuntime } = options;
    const maxInFlight = maxInFlightOf(order);
    checkOrder(order);
    const { objective, cloudUrls } = order;
    const plansChange = objective !== undefined;
    const cut = await chooseCut(readFile, { cut: order.cut, hasCloud: cloudUrls.length > 0, plansChange });
    const segments = segmentsAt(cut);
    const bundle = await openBundle(readFile, { segments });
    const graphs = segments.map((index) => segmentGraph(bundle, index));
    const runtime = await startRuntime(graphs, maxInFlight);
    try {
      const wanted = changed(
        { cut, channels: 'all', threshold: 'calibrated', budgetMs: usualBudgetMs },
        order,
      );
      const parts = { ...{ options, bundle, wanted, maxInFlight }, ...runtime };
      const hosted = new HostedAgent(await assemble(parts));
      await hosted.#warmUp();
      // Not before: an agent that cannot be made must not leave a connection behind.
      for (const { uplink } of hosted.#parts.servers.uplinks) uplink.start();
      return hosted;
    } catch (thrown) {
      await runtime.runner.close();
      throw thrown;
    }
  }

  get bundle(): BundleFacts {
    return bundleFacts(this.#bundle);
  }

  /** @param onDevice called only for an order that wants it. */
  async classify(
    { image, budgetMs = this.#wanted.budgetMs, tellsDevice }: ClassifyOrder,
    onDevice: (device: DeviceOpinion) => void,
  ): Promise<Answer> {
    checkBudget(budgetMs);
    const { maxInFlight } = this.#parts;
    if (this.#inFlight >= maxInFlight) {
      throw new OfframpError('BUSY', `${maxInFlight} images are already under way in this page`);
    }
    const { shape } = this.#bundle.manifest.input;
    const source =
      image instanceof Blob || image instanceof ImageData
        ? () => pixelsOf(image, shape)
        : new Uint8Array(image.buffer, image.byteOffset, image.byteLength);
    this.#inFlight++;
    try {
      return await this.#agent.classify(source, { budgetMs, ...(tellsDevice && { onDevice }) });
    } finally {
      this.#inFlight--;
    }
  }

  /** One change after the other; each is made wholly or not at all. */
  configure(asked: AgentSettings): Promise<SettingsInUse> {
    const change = this.#changing.then(() => this.#change(asked));
    this.#changing = change.catch(() => {});
    return change;
  }

  status(): AgentStatus {
    const { runner, threads, servers, pilot, exitShare } = this.#parts;
    const cloud = cloudStatus(servers);
    const plan = pilot && planStatus(pilot);
    return {
      ...{ version, provider: runner.provider, threads, inFlight: this.#inFlight, bundle: this.bundle },
      segmentMs: this.#warmRuns.map(({ runMicros }) => runMicros / 1000),
      settings: this.#settings(),
      ...(plan !== undefined && { plan }),
      ...(exitShare !== undefined && { exitShare: exitShare.figures }),
      ...(cloud !== undefined && { cloud }),
    };
  }

  async close(): Promise<void> {
    for (const { uplink } of this.#parts.servers.uplinks) uplink.close();
    await this.#parts.runner.close();
  }

  async #change(asked: AgentSettings): Promise<SettingsInUse> {
    if (this.#parts.pilot !== undefined) checkPlansOwn(asked);
    const wanted = changed(this.#wanted, asked);
    const bundle = await this.#bundleFor(wanted.cut);
    const agent = this.#parts.pilot === undefined ? this.#agentAt(wanted, bundle) : this.#agent;
    this.#bundle = bundle;
    this.#wanted = wanted;
    this.#agent = agent;
    await this.#warmUp();
    return this.#settings();
  }

  /** The bundle with the segments that a cut needs, which are then loaded. */
  async #bundleFor(cut: number): Promise<Bundle> {
    const { readFile } = this.#parts.options;
    const { segments } = this.#bundle.manifest;
    // A cut out of range is refused by the agent, in words of its own.
    const needed = segmentsAt(Number.isInteger(cut) ? Math.min(cut, segments.length) : 0);
    const missing = needed.filter((index) => this.#bundle.segments[index] === undefined);
    if (missing.length === 0) return this.#bundle;
    const bundle = await openBundle(readFile, { segments: needed });
    const graphs = missing.map((index) => segmentGraph(bundle, index));
    this.#warmRuns.push(...(await this.#parts.runner.load(graphs)));
    this.#bundle = bundle;
    return bundle;
  }

  /** Nobody has measured yet what the device's own answer takes, which it has to begin with in time. */
  async #warmUp(): Promise<void> {
    if (this.#wanted.cut === 0 || this.#agent instanceof AdaptiveAgent) await this.#agent.warmUp();
  }

  #agentAt(wanted: Wanted, bundle: Bundle): Agent | AdaptiveAgent {
    const { runner, servers, pilot, exitShare, maxInFlight, options } = this.#parts;
    const { cloud } = servers;
    const { priority } = options.order;
    const common = {
      ...{ bundle, runner, clock: systemClock, maxInFlight, defaultBudgetMs: wanted.budgetMs },
      ...(cloud !== undefined && { cloud }),
      ...(exitShare !== undefined && { exitShare }),
      ...(priority !== undefined && { priority }),
    };
    if (pilot !== undefined) return new AdaptiveAgent({ ...common, pilot });
    const thresholds = thresholdsFor(bundle, wanted)?.inUse;
    return new Agent({
      ...{ ...common, cut: wanted.cut },
      ...(wanted.channels !== 'all' && { channels: wanted.channels }),
      ...(thresholds !== undefined && { thresholds }),
    });
  }

  #settings(): SettingsInUse {
    const plan = this.#parts.pilot?.choice?.prediction.plan;
    const own = inUse(this.#bundle, this.#wanted);
    if (plan === undefined) return own;
    const { cut, thresholds } = plan;
    const followed = inUse(this.#bundle, { ...this.#wanted, cut, channels: plan.channels ?? 'all' });
    return { ...followed, thresholds: thresholds.slice(0, followed.calibratedThresholds.length) };
  }
}

function checkOrder({ budgetMs, cloudUrls, objective, priority, ...rest }: StartOrder): void {
  checkBudget(budgetMs);
  checkPriority(priority);
  for (const url of cloudUrls) checkCloudUrl(url);
  if (objective !== undefined) checkPlansOwn(rest);
}

async function assemble(parts: Omit<Parts, 'servers' | 'pilot' | 'exitShare'>): Promise<Parts> {
  const { options, bundle, runner, wanted } = parts;
  const { order, onEvent } = options;
  const { objective, token } = order;
  const alarms = new DeviceAlarms(bundle);
  const servers = joinServers({
    ...{ urls: order.cloudUrls, clock: systemClock, random: Math.random, alarms },
    onEvent: (event, url) => onEvent(eventOf(event, url)),
    makeUplink: (url, listeners) => makeUplink(url, token, bundle, listeners, options.open),
  });
  const exitShare = ExitShareMonitor.of(bundle, {
    onChange: (change, figures) => {
      alarms.onExitShare(change, figures);
      onEvent({ kind: 'exit-share', change, figures });
    },
  });
  const onPlan = ({ prediction }: Choice) => onEvent({ kind: 'plan', key: prediction.plan.key });
  const pilot =
    objective === undefined
      ? undefined
      : makePilot({
          ...{ bundle, runner, objective, budgetMs: wanted.budgetMs, ...servers, onPlan },
          records: await bundle.records('calibration'),
        });
  return { ...parts, servers, pilot, exitShare };
}
