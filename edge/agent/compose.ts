import type { Bundle } from '../../shared/bundle/index.ts';
import type { ExitDecision } from '../../shared/exits/index.ts';
import type { TraceParent } from '../../shared/trace/index.ts';
import type { Answer, DeviceOpinion, Route } from './answer.ts';
import type { OffloadResult } from './connection.ts';

/** An exit and what it decided. */
export interface ExitOutcome {
  readonly decision: ExitDecision;
  readonly exit: number;
  /** That it decided by; absent at the last exit, and where it is not ours to say. */
  readonly threshold?: number | undefined;
}

/** What a result says of the cloud's part. */
export type CloudCosts = Pick<OffloadResult, 'queueMicros' | 'runMicros' | 'bytesSent' | 'depthCut'>;

/** Time stamps of one image's way on the agent's clock, milliseconds. */
export interface Stopwatch {
  readonly startedAtMs: number;
  prepareMs: number;
  deviceMs: number;
  /** Of that, inside the runs. */
  runMs: number;
  exitMs: number;
  encodeMs: number;
  bytesSent: number;
  channelsSent: number | undefined;
  /** Of an image that is traced. */
  readonly trace: TraceParent | undefined;
}

export function startWatch(startedAtMs: number, trace?: TraceParent): Stopwatch {
  return {
    ...{ startedAtMs, prepareMs: 0, deviceMs: 0, runMs: 0, exitMs: 0, encodeMs: 0 },
    ...{ bytesSent: 0, channelsSent: undefined, trace },
  };
}

export interface AnswerParts {
  readonly bundle: Bundle;
  readonly nowMs: number;
  readonly watch: Stopwatch;
  readonly route: Route;
  /** The exit that answers. */
  readonly outcome: ExitOutcome;
  /** The last device exit, where the device computed. */
  readonly device: ExitOutcome | undefined;
  readonly cloud: CloudCosts;
}

/** Puts an answer together, degraded only where the cloud cut the depth short; its stages add up to its latency. */
export function composeAnswer({ bundle, nowMs, watch, route, outcome, device, cloud }: AnswerParts): Answer {
  const { label, probabilities, entropy } = outcome.decision;
  const latencyMs = nowMs - watch.startedAtMs;
  const own = {
    prepare: watch.prepareMs,
    device: watch.deviceMs,
    exit: watch.exitMs,
    encode: watch.encodeMs,
  };
  const away = Math.max(0, latencyMs - own.prepare - own.device - own.exit - own.encode);
  // A server's own clock may claim more than the time there was.
  const cloudQueue = Math.min(away, cloud.queueMicros / 1000);
  const cloudRun = Math.min(away - cloudQueue, cloud.runMicros / 1000);
  const accounted = { ...own, cloudQueue, cloudRun };
  const network = away - cloudQueue - cloudRun;
  return {
    label,
    className: bundle.manifest.classes[label] ?? String(label),
    probabilities,
    entropy,
    exit: bundle.exit(outcome.exit).name,
    route,
    ...(cloud.depthCut === undefined
      ? { degraded: false }
      : { degraded: true, reason: 'DEPTH_CUT' as const }),
    ...(device !== undefined && { device: opinion(bundle, device, watch) }),
    latencyMs,
    stagesMs: { ...accounted, network },
    bytesSent: cloud.bytesSent,
    ...(watch.channelsSent !== undefined && { channelsSent: watch.channelsSent }),
  };
}

/** What a device exit thinks of an image. */
export function opinion(bundle: Bundle, outcome: ExitOutcome, { runMs }: Stopwatch): DeviceOpinion {
  const { label, probabilities, entropy } = outcome.decision;
  const { name } = bundle.exit(outcome.exit);
  const { threshold } = outcome;
  return { exit: name, label, probabilities, entropy, ...(threshold !== undefined && { threshold }), runMs };
}
