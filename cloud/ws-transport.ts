import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { ErrorCode } from '../shared/errors.ts';
import { keepHeartbeat } from '../shared/host/index.ts';
import type { Transport, TransportEvents } from '../shared/protocol/index.ts';

/** RFC 6455 section 7.4.1: sent here only to peers that do not read. */
const policyViolation = 1008;
/** Longer than is taken here, and longer than a number can say. */
const tooLarge = new Set(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH']);

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

/** What becomes of a socket. */
export interface SocketEvents extends TransportEvents {
  onReceived(bytes: number): void;
  /** The peer has broken the WebSocket protocol, and the socket is closing: nothing comes of it any more. */
  onFault(code: ErrorCode): void;
}

/**
 * Hands the socket's messages and its end to `events`, and drops a peer that no longer answers pings.
 * @param raw the socket beneath.
 */
export function attach(socket: WebSocket, raw: Duplex, events: SocketEvents, heartbeatMs: number): void {
  // A pong stuck behind a long upload is not death, so every byte counts.
  raw.on('data', keepHeartbeat(socket, heartbeatMs).hear);
  socket.on('message', (data, isBinary) => {
    // With ws's default binaryType a message is one Buffer.
    const message = data as Buffer;
    events.onReceived(message.length);
    if (isBinary) events.onMessage(message);
    else {
      events.onFault('FRAME_INVALID');
      socket.close(1003, 'binary messages only');
    }
  });
  // ws closes the socket itself after a protocol violation; the peer's fault is no reason to fall over.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (!error.code?.startsWith('WS_ERR_')) return;
    events.onFault(tooLarge.has(error.code) ? 'FRAME_TOO_LARGE' : 'FRAME_INVALID');
  });
  socket.once('close', (code, reason) => {
    events.onClose(code, reason.toString());
  });
}
