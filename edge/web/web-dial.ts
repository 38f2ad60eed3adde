import type { Clock } from '../../shared/clock.ts';
import { reasonOf } from '../../shared/errors.ts';
import { subprotocol } from '../../shared/protocol/index.ts';
import type { Dial } from '../agent/index.ts';

/** What of a browser's WebSocket is used. */
export type BrowserSocket = Pick<
  WebSocket,
  'addEventListener' | 'binaryType' | 'bufferedAmount' | 'close' | 'readyState' | 'send'
>;

/** Opens a socket; throws what a browser's `WebSocket` does. */
export type OpenSocket = (url: string, protocol: string) => BrowserSocket;

export interface WebDialOptions {
  /** `ws:` or `wss:` address of the cloud server. */
  readonly url: string;
  readonly clock: Clock;
  /** Until the server's welcome says its own. */
  readonly heartbeatMs: number;
  readonly maxMessageBytes: number;
  /** Absent: the browser's own. */
  readonly open?: OpenSocket;
}

const openState = 1;
const abnormalClosure = 1006;
const unsupportedData = 4400;
const noWords =
  'the browser does not say why; does the server run, and does it allow the origin of this page?';
/** So many heartbeats without a sign of life are one dead link. */
const heartbeatsWaited = 2;

/**
 * Connects with a browser's WebSocket. A page can neither send pings nor see them. So a link counts as dead when a request has got
 * no answer within its budget, and then for two heartbeats nothing at all has come. Its own connection timeout is the agent's
 * wait for the welcome.
 */
export function webDial({ url, clock, heartbeatMs, maxMessageBytes, open = dialled }: WebDialOptions): Dial {
  return (events) => {
    let paceMs = heartbeatMs;
    let wasOpen = false;
    let isOver = false;
    let cancelDoubt: (() => void) | undefined;
    const hear = () => {
      cancelDoubt?.();
      cancelDoubt = undefined;
    };
    const end = (code: number, reason: string) => {
      if (isOver) return;
      isOver = true;
      hear();
      events.onClose(code, reason);
    };
    const socket = attempt(() => open(url, subprotocol));
    if ('reason' in socket) {
      // Who dials has no connection yet that could end.
      clock.schedule(0, () => end(abnormalClosure, socket.reason));
      return { bufferedBytes: 0, send() {}, close: (code, reason) => end(code, reason) };
    }
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      wasOpen = true;
      if (!isOver) events.onOpen();
    });
    socket.addEventListener('message', ({ data }) => {
      hear();
      if (isOver) return;
      if (!(data instanceof ArrayBuffer)) socket.close(unsupportedData, 'binary messages only');
      else if (data.byteLength > maxMessageBytes) socket.close(unsupportedData, 'message too large');
      else events.onMessage(new Uint8Array(data));
    });
    socket.addEventListener('close', ({ code, reason }) => end(code, reason || (wasOpen ? '' : noWords)));
    return {
      get bufferedBytes() {
        return socket.bufferedAmount;
      },
      send(message) {
        // Messages are made in memory of their own; what says otherwise is the common type.
        if (socket.readyState === openState) socket.send(message as Uint8Array<ArrayBuffer>);
      },
      close(code, reason) {
        socket.close(pageCode(code), reason);
      },
      setHeartbeat(ms) {
        paceMs = ms;
      },
      doubt() {
        cancelDoubt ??= clock.schedule(heartbeatsWaited * paceMs, () => {
          end(abnormalClosure, 'the server has gone silent');
          socket.close();
        });
      },
    };
  };
}

function dialled(url: string, protocol: string): BrowserSocket {
  return new WebSocket(url, protocol);
}

/** A browser throws, for instance, at `ws:` in a page that came by `https:`. */
function attempt(dial: () => BrowserSocket): BrowserSocket | { readonly reason: string } {
  try {
    return dial();
  } catch (thrown) {
    return { reason: reasonOf(thrown) };
  }
}

/** A page may close with 1000 and with codes of its own alone; 4400 is what a server calls a breach of the protocol. */
function pageCode(code: number): number {
  return code === 1000 || (code >= 3000 && code <= 4999) ? code : unsupportedData;
}
