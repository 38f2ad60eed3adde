import type { WebSocket } from 'ws';

export interface Heartbeat {
  /** To be called at further signs of life; pongs and messages are heard anyway. */
  readonly hear: () => void;
  /** Pings at another pace from now on. */
  readonly setPace: (heartbeatMs: number) => void;
}

/**
 * Pings the peer of an open socket every `heartbeatMs` and drops it when a whole one passes without a sign of life.
 * @param onRoundTrip told how long a ping and its pong took.
 */
export function keepHeartbeat(
  socket: WebSocket,
  heartbeatMs: number,
  onRoundTrip: (roundTripMs: number) => void = () => {},
): Heartbeat {
  let heard = true;
  let isClosed = false;
  let pingedAtMs: number | undefined;
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
    // A pong that is late belongs to the first ping that has none.
    pingedAtMs ??= performance.now();
    socket.ping();
  };
  let timer = setInterval(beat, heartbeatMs);
  socket.on('pong', () => {
    hear();
    // A pong that nobody asked for tells nothing.
    if (pingedAtMs !== undefined) onRoundTrip(performance.now() - pingedAtMs);
    pingedAtMs = undefined;
  });
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
