import type { WebSocket } from 'ws';
import type { ErrorCode } from '../shared/errors.ts';
import { keepHeartbeat } from '../shared/host/index.ts';
import type { Transport, TransportEvents } from '../shared/protocol/index.ts';

/** RFC 6455 section 7.4.1: sent here only to peers that do not read. */
const policyViolation = 1008;

/** Wraps a server-side `ws` socket. `send` does not copy: the frame must not change after it was handed over. */
export function wsTransport(socket: WebSocket): Transport {
  return {
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    send(message) {
      if (socket.readyState === socket.OPEN) socket.send(message);
    },
    close(code, reason) {
      // A peer that does not read would keep what it was sent alive until the closing handshake times out.
      if (code === policyViolation) socket.terminate();
      else socket.close(code, reason);
    },
  };
}

/** Counts what the socket itself takes or refuses. */
export interface SocketCounts {
  onReceived(bytes: number): void;
  onRefused(code: ErrorCode): void;
}

/** Hands the socket's messages and its end to `events`, and drops a peer that no longer answers pings. */
export function attach(
  socket: WebSocket,
  events: TransportEvents,
  heartbeatMs: number,
  counts: SocketCounts,
): void {
  keepHeartbeat(socket, heartbeatMs);
  socket.on('message', (data, isBinary) => {
    // With ws's default binaryType a message is one Buffer.
    const message = data as Buffer;
    counts.onReceived(message.length);
    if (isBinary) events.onMessage(message);
    else {
      counts.onRefused('FRAME_INVALID');
      socket.close(1003, 'binary messages only');
    }
  });
  // ws closes the socket itself after a protocol violation; the peer's fault is no reason to fall over.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (!error.code?.startsWith('WS_ERR_')) return;
    counts.onRefused(
      error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' ? 'FRAME_TOO_LARGE' : 'FRAME_INVALID',
    );
  });
  socket.once('close', (code, reason) => {
    events.onClose(code, reason.toString());
  });
}
