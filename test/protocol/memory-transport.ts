import {
  decodeFrame,
  type Frame,
  type Transport,
  type TransportEvents,
} from '../../shared/protocol/index.ts';

/** One end of a connection without a network: keeps what was sent, and how it was closed. */
export class MemoryTransport implements Transport {
  readonly sent: Uint8Array[] = [];
  readonly closes: { readonly code: number; readonly reason: string }[] = [];
  /** Intervals of pings that were asked for. */
  readonly heartbeats: number[] = [];
  bufferedBytes = 0;
  onSend: (message: Uint8Array) => void = () => {};
  onFirstClose: (code: number, reason: string) => void = () => {};

  /** The frames sent so far. */
  get frames(): Frame[] {
    return this.sent.map((message) => decodeFrame(message));
  }

  get lastFrame(): Frame | undefined {
    return this.frames.at(-1);
  }

  get closed(): boolean {
    return this.closes.length > 0;
  }

  send(message: Uint8Array): void {
    if (this.closed) return;
    this.sent.push(message);
    this.onSend(message);
  }

  setHeartbeat(heartbeatMs: number): void {
    this.heartbeats.push(heartbeatMs);
  }

  close(code: number, reason: string): void {
    this.closes.push({ code, reason });
    if (this.closes.length === 1) this.onFirstClose(code, reason);
  }
}

/** Joins two ends: what one sends or closes reaches the other's owner, a little later as on a network. */
export function join(
  near: MemoryTransport,
  nearEvents: TransportEvents,
  far: MemoryTransport,
  farEvents: TransportEvents,
): void {
  const connect = (from: MemoryTransport, events: TransportEvents, own: TransportEvents) => {
    from.onSend = (message) => queueMicrotask(() => events.onMessage(message));
    from.onFirstClose = (code, reason) =>
      queueMicrotask(() => {
        events.onClose(code, reason);
        own.onClose(code, reason);
      });
  };
  connect(near, farEvents, nearEvents);
  connect(far, nearEvents, farEvents);
}
