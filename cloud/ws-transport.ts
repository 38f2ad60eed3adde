import type { WebSocket } from 'ws';
import type { Transport, TransportEvents } from '../shared/protocol/index.ts';

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
      socket.close(code, reason);
    },
  };
}

/** Hands the socket's messages and its end to `events`, and drops a peer that no longer answers pings. */
export function attach(
  socket: WebSocket,
  events: TransportEvents,
  heartbeatMs: number,
  onBytes: (bytes: number) => void,
): void {
  let heard = true;
  const heartbeat = setInterval(() => {
    if (!heard) {
      socket.terminate();
      return;
    }
    heard = false;
    socket.ping();
  }, heartbeatMs);
  socket.on('pong', () => {
    heard = true;
  });
  socket.on('message', (data, isBinary) => {
    heard = true;
    // With ws's default binaryType a message is one Buffer.
    const message = data as Buffer;
    onBytes(message.length);
    if (isBinary) events.onMessage(message);
    else socket.close(1003, 'binary messages only');
  });
  // ws closes the socket itself after a protocol violation; the peer's fault is no reason to fall over.
  socket.on('error', () => {});
  socket.once('close', (code, reason) => {
    clearInterval(heartbeat);
    events.onClose(code, reason.toString());
  });
}
