import { WebSocket } from 'ws';
import { keepHeartbeat } from '../../shared/host/index.ts';
import { subprotocol } from '../../shared/protocol/index.ts';
import type { Dial } from '../agent/index.ts';
import type { CloudTls } from './cloud-tls.ts';
import { upgradeRefusal } from './upgrade-refusal.ts';

export interface DialOptions {
  /** `ws:` or `wss:` address of the cloud server. */
  readonly url: string;
  /** Until the server's welcome says its own. */
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
  readonly maxMessageBytes: number;
  /** For `wss:`; asked for every connection, since certificates are renewed. */
  readonly tls?: () => CloudTls;
}

/** A WebSocket ping without payload, masked (RFC 6455 section 5.2). */
const pingBytes = 6;

/** Connects with `ws`; a server that stops answering pings is dropped after two heartbeats. */
export function wsDial({ url, heartbeatMs, connectTimeoutMs, maxMessageBytes, tls }: DialOptions): Dial {
  return (events) => {
    const socket = new WebSocket(url, subprotocol, {
      perMessageDeflate: false,
      handshakeTimeout: connectTimeoutMs,
      maxPayload: maxMessageBytes,
      minVersion: 'TLSv1.2',
      ...tls?.(),
    });
    const { setPace } = keepHeartbeat(socket, heartbeatMs, (ms) => events.onRoundTrip?.(pingBytes, ms));
    socket.on('open', () => events.onOpen());
    socket.on('message', (data, isBinary) => {
      // With ws's default binaryType a message is one Buffer.
      if (isBinary) events.onMessage(data as Buffer);
      else socket.close(1003, 'binary messages only');
    });
    socket.on('unexpected-response', async (_request, response) => {
      events.onRefused?.(await upgradeRefusal(response));
      socket.terminate();
    });
    // 'close' follows every error and is the one place that acts on it; it knows no reason of its own then.
    let problem = '';
    socket.on('error', (error) => {
      problem = error.message;
    });
    socket.once('close', (code, reason) => {
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
      setHeartbeat: setPace,
    };
  };
}
