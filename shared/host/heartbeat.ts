import type { WebSocket } from 'ws';

/**
 * Pings the peer of an open socket every `heartbeatMs` and drops it when a whole one passes without a sign of life.
 * @returns what to call at further signs of life; pongs and messages are heard anyway.
 */
export function keepHeartbeat(socket: WebSocket, heartbeatMs: number): () => void {
  let heard = true;
  const hear = () => {
    heard = true;
  };
  const timer = setInterval(() => {
    if (socket.readyState !== socket.OPEN) return;
    if (!heard) {
      socket.terminate();
      return;
    }
    heard = false;
    socket.ping();
  }, heartbeatMs);
  socket.on('pong', hear);
  socket.on('message', hear);
  socket.once('close', () => clearInterval(timer));
  return hear;
}
