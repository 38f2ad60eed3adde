/**
 * A message-oriented connection as both ends see it. The protocol knows nothing of `ws` or of the browser's WebSocket; each
 * host supplies one of these.
 */
export interface Transport {
  /** Bytes accepted by `send` and not yet handed to the network. */
  readonly bufferedBytes: number;
  /** Sends one binary message. The bytes must not change afterwards. Harmless once closed. */
  send(message: Uint8Array): void;
  /** Starts the closing handshake (RFC 6455 section 7). Harmless once closed. */
  close(code: number, reason: string): void;
}

/** What a transport tells its owner. After `onClose` nothing more comes. */
export interface TransportEvents {
  onMessage(message: Uint8Array): void;
  onClose(code: number, reason: string): void;
  /** A message of the transport's own, a ping, of so many bytes was answered after so long. */
  onRoundTrip?(bytes: number, roundTripMs: number): void;
}

/**
 * Bytes that a message of a client takes on the connection: its own and those of its WebSocket frame (RFC 6455 section 5.2),
 * which a client masks. TCP, TLS and IP come on top.
 */
export function clientWireBytes(messageBytes: number): number {
  const mask = 4;
  if (messageBytes < 126) return messageBytes + 2 + mask;
  return messageBytes + mask + (messageBytes < 65_536 ? 4 : 10);
}
