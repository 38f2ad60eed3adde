import type { WebSocket } from 'ws';

export interface Heartbeat {
  /** To be called at further signs of life; pongs and messages are heard anyway. */
  readonly hear: () => void;
  /** Pings at another pace from now on. */
  readonly setPace: (heartbeatMs: number) => void;
}

/** Pings the peer of an open socket every `heartbeatMs` and drops it when a whole one passes without a sign of life. */
export function keepHeartbeat(socket: WebSocket, heartbeatMs: number): Heartbeat {
  let heard = true;
  let isClosed = false;
  const hear = () => {
    heard = true;
  };
  const beat = () => {
    if (socket.readyState !== socket.OPEN) return;
    if (!heard) {
      socket.terminate();
      return;
    }
    heard = false;
    socket.ping();
  };
  let timer = setInterval(beat, heartbeatMs);
  socket.on('pong', hear);
  socket.on('message', hear);
  socket.once('close', () => {
    isClosed = true;
    clearInterval(timer);
  });
  const setPace = (otherMs: number) => {
    if (isClosed) return;
    clearInterval(timer);
    timer = setInterval(beat, otherMs);
  };
  return { hear, setPace };
}
