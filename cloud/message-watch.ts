import type { Duplex } from 'node:stream';
import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import { MessageProgress } from './message-progress.ts';

export interface MessageWatchOptions {
  readonly clock: Clock;
  /** A message that has begun has to have ended by then. */
  readonly messageTimeoutMs: number;
  /** Bytes that a message may announce now; asked anew for every piece that arrives. */
  readonly maxMessageBytes: () => number;
  /** What is longer is found by `ws` itself, and must not be counted twice. */
  readonly maxFrameBytes: number;
  /** The connection has to end. Called once. */
  readonly onTrouble: (error: OfframpError) => void;
}

/**
 * Watches the bytes beneath a WebSocket for messages that do not end and for ones that announce more than they may.
 * @param raw the socket that `ws` reads from, after it has begun to.
 */
export function watchMessages(raw: Duplex, options: MessageWatchOptions): void {
  const { clock, messageTimeoutMs, maxMessageBytes, maxFrameBytes, onTrouble } = options;
  const progress = new MessageProgress();
  let watched = 0;
  let cancel = () => {};
  const stop = () => {
    cancel();
    raw.off('data', onData);
  };
  const trouble = (error: OfframpError) => {
    stop();
    onTrouble(error);
  };
  const onData = (chunk: Uint8Array) => {
    progress.push(chunk);
    const most = maxMessageBytes();
    if (progress.declaredBytes > most && progress.declaredBytes <= maxFrameBytes) {
      const message = `A message of ${progress.declaredBytes} bytes or more, at most ${most} are taken now`;
      trouble(new OfframpError('FRAME_TOO_LARGE', message));
      return;
    }
    if (progress.unfinished === watched) return;
    watched = progress.unfinished;
    cancel();
    cancel = () => {};
    if (watched === 0) return;
    cancel = clock.schedule(messageTimeoutMs, () => {
      const message = `A message that was begun is not complete after ${messageTimeoutMs} ms`;
      trouble(new OfframpError('REQUEST_TIMEOUT', message));
    });
  };
  raw.on('data', onData);
  raw.once('close', stop);
}
