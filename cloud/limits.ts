import { OfframpError } from '../shared/errors.ts';
import { maxHeaderBytes } from '../shared/protocol/index.ts';
import type { AdmissionLimits } from './admission.ts';
import type { BatchingBounds } from './batching/index.ts';
import { defaultHttpLimits, type HttpLimits } from './http/index.ts';
import type { ListenerLimits } from './listener.ts';
import type { DecoderLimits } from './picture-decoder.ts';
import type { ServedBundle } from './served-bundle.ts';
import type { SessionLimits } from './session.ts';

export interface CloudLimits
  extends BatchingBounds,
    DecoderLimits,
    AdmissionLimits,
    ListenerLimits,
    HttpLimits,
    Omit<SessionLimits, 'maxFrameBytes'> {
  /** A WebSocket message that has begun has to have ended by then. */
  readonly messageTimeoutMs: number;
  /** How long a drain waits for requests in flight before it closes their connections. */
  readonly drainMs: number;
}

export const defaultCloudLimits: CloudLimits = {
  ...defaultHttpLimits,
  maxBatchRows: 64,
  maxQueuedRows: 4096,
  credits: 64,
  heartbeatMs: 5000,
  helloTimeoutMs: 5000,
  maxUnsentBytes: 512 * 1024,
  maxImageBytes: 256 * 1024,
  maxDecodes: 2,
  maxUndecodedBytes: 64 * 1024 * 1024,
  maxConnections: 1024,
  maxConnectionsPerAddress: 256,
  newConnectionsPerSecond: 100,
  requestsPerSecond: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  messageTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  drainMs: 10_000,
};

/** Frame header and fixed fields of a result, generously. */
const resultOverheadBytes = 128;

/** What messages of the largest size need, by the bundles that are served. */
export interface MessageBounds {
  readonly maxFrameBytes: number;
  readonly maxUnsentBytes: number;
}

export function messageBounds(limits: CloudLimits, bundles: readonly ServedBundle[]): MessageBounds {
  const maxRowBytes = Math.max(...bundles.map((served) => served.maxRowBytes));
  // Not a batch of the largest pictures: one, or as many as fit.
  const maxPayloadBytes = Math.max(limits.maxBatchRows * maxRowBytes, limits.maxImageBytes);
  return {
    maxFrameBytes: maxHeaderBytes + maxPayloadBytes,
    maxUnsentBytes: unsentLimit(limits, bundles),
  };
}

/**
 * Connections were told at their beginning how long messages may be.
 * @throws OfframpError CONFIG_INVALID when bundles need more than that.
 */
export function requireRoom(needed: MessageBounds, given: MessageBounds): void {
  if (needed.maxFrameBytes <= given.maxFrameBytes && needed.maxUnsentBytes <= given.maxUnsentBytes) return;
  const message = `It needs frames of ${needed.maxFrameBytes} bytes and ${needed.maxUnsentBytes} unread, this server began with ${given.maxFrameBytes} and ${given.maxUnsentBytes}; start the server with the bundle`;
  throw new OfframpError('CONFIG_INVALID', message);
}

/** Never less than the answers to all of a device's credits, which a slow link may rightly have waiting at once. */
function unsentLimit(limits: CloudLimits, bundles: readonly ServedBundle[]): number {
  const classes = Math.max(...bundles.map((served) => served.classes));
  const answerBytes = resultOverheadBytes + limits.maxBatchRows * (1 + 4 * classes);
  return Math.max(limits.maxUnsentBytes, limits.credits * answerBytes);
}
