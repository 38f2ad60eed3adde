import { WebSocket } from 'ws';
import { subprotocol } from '../../shared/protocol/index.ts';
import type { Dial } from '../agent/index.ts';

export interface DialOptions {
  /** `ws:` or `wss:` address of the cloud server. */
  readonly url: string;
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
  readonly maxMessageBytes: number;
}

/** Connects with `ws`; a server that stops answering pings is dropped after two heartbeats. */
export function wsDial({ url, heartbeatMs, connectTimeoutMs, maxMessageBytes }: DialOptions): Dial {
  return (events) => {
    const socket = new WebSocket(url, subprotocol, {
      perMessageDeflate: false,
      handshakeTimeout: connectTimeoutMs,
      maxPayload: maxMessageBytes,
    });
    let heard = true;
    const heartbeat = setInterval(() => {
      if (socket.readyState !== socket.OPEN) return;
      if (!heard) socket.terminate();
      heard = false;
      socket.ping();
    }, heartbeatMs);
    socket.on('open', () => events.onOpen());
    socket.on('pong', () => {
      heard = true;
    });
    socket.on('message', (data, isBinary) => {
      heard = true;
      // With ws's default binaryType a message is one Buffer.
      if (isBinary) events.onMessage(data as Buffer);
      else socket.close(1003, 'binary messages only');
    });
    // 'close' follows every error and is the one place that acts on it; it knows no reason of its own then.
    let problem = '';
    socket.on('error', (error) => {
      problem = error.message;
    });
    socket.once('close', (code, reason) => {
      clearInterval(heartbeat);
      events.onClose(code, problem || reason.toString());
    });
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
  };
}
