import type { Load } from '../../shared/protocol/index.ts';
import type { Runner } from '../../shared/runtime/index.ts';
import type { LaneState } from '../engine.ts';
import type { CloudLimits } from '../limits.ts';
import type { ServedBundle } from '../served-bundle.ts';
import type { StandingAlarm } from './device-alarms.ts';
import type { DeviceTally } from './device-tally.ts';
import type { Recorder } from './recorder.ts';
import type { ConsoleBundle, ConsoleDevice, ConsoleLane, ConsoleSnapshot } from './snapshot-schema.ts';

/** A connection whose hello was taken. */
export interface DeviceState {
  readonly agent: string;
  readonly client: string;
  readonly address: string;
  readonly bundles: readonly { readonly id: string; readonly digest: string }[];
  readonly inFlight: number;
  readonly credits: number;
  readonly alarms: readonly StandingAlarm[];
  readonly tally: DeviceTally;
}

export interface BundleState {
  readonly served: ServedBundle;
  readonly state: ConsoleBundle['state'];
}

/** What a snapshot is made of: the parts of the server as they are at this moment. */
export interface SnapshotSources {
  readonly recorder: Recorder;
  readonly runner: Pick<Runner, 'provider' | 'parallel' | 'problem'>;
  readonly limits: CloudLimits;
  readonly version: string;
  readonly draining: () => boolean;
  readonly load: () => Load;
  readonly undecodedRows: () => number;
  readonly connections: () => number;
  readonly devices: () => readonly DeviceState[];
  readonly lanes: () => readonly LaneState[];
  readonly bundles: () => readonly BundleState[];
}

/** Who asks, and for what. */
export interface SnapshotRequest {
  readonly epochMs: number;
  /** First second of the history that is wanted. */
  readonly sinceSecond: number;
  readonly mayChange: boolean;
  /** Absent: there is no repository, or it is not shown to who asks. */
  readonly repository?: readonly string[] | undefined;
}

export const maxListedDevices = 500;
const maxListedLanes = 256;
const maxListedNames = 100;
const maxBundlesOfDevice = 8;
const maxAlarmsOfDevice = 16;
const digestDigits = 12;

/**
 * What the console shows. Whatever there is much of is listed up to a bound, the busiest first and devices with alarms before them, with a
 * count of all.
 */
export function makeSnapshot(sources: SnapshotSources, request: SnapshotRequest): ConsoleSnapshot {
  const { recorder, runner, version, limits } = sources;
  const devices = sources.devices();
  const lanes = sources.lanes();
  return {
    atMs: Math.floor(request.epochMs),
    uptimeSeconds: recorder.uptimeSeconds,
    version,
    state: stateOf(sources),
    problem: runner.problem?.message ?? (runner.parallel === 0 ? 'Every inference thread has ended' : null),
    provider: runner.provider,
    executors: runner.parallel,
    mayChange: request.mayChange,
    repository: request.repository?.slice(0, maxListedNames) ?? null,
    load: {
      ...sources.load(),
      undecodedRows: sources.undecodedRows(),
      connections: sources.connections(),
    },
    minute: recorder.minute(),
    total: recorder.totals,
    devices: {
      count: devices.length,
      alarmed: devices.filter(({ alarms }) => alarms.length > 0).length,
      busiest: listedDevices(devices),
    },
    lanes: { count: lanes.length, busiest: listedLanes(lanes) },
    bundles: bundlesOf(sources.bundles(), devices),
    history: recorder.history(request.sinceSecond),
    limits: limitsOf(limits),
  };
}

function stateOf({ draining, runner }: SnapshotSources): ConsoleSnapshot['state'] {
  if (draining()) return 'draining';
  return runner.parallel > 0 && runner.problem === undefined ? 'serving' : 'failed';
}

function listedDevices(devices: readonly DeviceState[]): ConsoleDevice[] {
  const rated = devices.map((device) => ({ device, rate: device.tally.requestsPerSecond }));
  rated.sort(
    (one, other) =>
      Math.sign(other.device.alarms.length) - Math.sign(one.device.alarms.length) ||
      other.rate - one.rate ||
      other.device.tally.connectedSeconds - one.device.tally.connectedSeconds,
  );
  return rated.slice(0, maxListedDevices).map(({ device, rate }) => {
    const { agent, client, address, alarms, bundles, inFlight, credits, tally } = device;
    const { cutRows, exitRows } = tally.minute();
    return {
      ...{ agent, client, address, inFlight, credits },
      bundles: bundles.slice(0, maxBundlesOfDevice).map(({ id }) => id),
      bundleCount: bundles.length,
      alarms: alarms.slice(0, maxAlarmsOfDevice),
      cutRows,
      exitRows,
      requestsPerSecond: Math.round(rate * 100) / 100,
      connectedSeconds: Math.floor(tally.connectedSeconds),
    };
  });
}

function listedLanes(lanes: readonly LaneState[]): ConsoleLane[] {
  const ordered = [...lanes].sort(
    (one, other) => other.waitingRows - one.waitingRows || other.underWay - one.underWay,
  );
  return ordered.slice(0, maxListedLanes).map(({ served, oldestWaitMs, ...lane }) => ({
    ...lane,
    bundle: served.id,
    digest: served.digest.slice(0, digestDigits),
    oldestWaitMs: Math.round(oldestWaitMs),
  }));
}

function bundlesOf(bundles: readonly BundleState[], devices: readonly DeviceState[]): ConsoleBundle[] {
  const holders = new Map<string, number>();
  for (const { digest } of devices.flatMap((device) => device.bundles)) {
    holders.set(digest, (holders.get(digest) ?? 0) + 1);
  }
  return bundles.map(({ served: { bundle, digest }, state }) => {
    const { id, title, version, exits } = bundle.manifest;
    const names = exits.map(({ name }) => name);
    return { id, title, version, digest, state, exits: names, devices: holders.get(digest) ?? 0 };
  });
}

function limitsOf(limits: CloudLimits): ConsoleSnapshot['limits'] {
  const { maxConnections, credits, requestsPerSecond, maxBatchRows, maxQueuedRows } = limits;
  const { maxImageBytes, maxHttpRequests, drainMs } = limits;
  return {
    ...{ maxConnections, credits, requestsPerSecond, maxBatchRows, maxQueuedRows },
    ...{ maxImageBytes, maxHttpRequests, drainMs },
  };
}
