/** A client that speaks the protocol by hand, well or badly, straight on a WebSocket. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import {
  bundleTag,
  decodeFrame,
  encodeHello,
  encodeInfer,
  type Frame,
  type Hello,
  parseError,
  subprotocol,
} from '../../shared/protocol/index.ts';

/** Name and digest of the bundle in a folder, as a hello claims it. */
export function claimOf(folder: string): Hello['bundles'][number] {
  const bytes = readFileSync(join(folder, 'manifest.json'));
  return { id: JSON.parse(bytes.toString()).id, digest: createHash('sha256').update(bytes).digest('hex') };
}

/** How the other side ended a connection. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** One connection, open. */
export class RawClient {
  readonly socket: WebSocket;
  /** Frames received and not yet taken by `next`. */
  readonly frames: Frame[] = [];
  readonly closed: Promise<Closing>;
  readonly #bundle: Hello['bundles'][number];
  #nextId = 1;
  #wake: () => void = () => {};
  #closed = false;

  private constructor(socket: WebSocket, bundle: Hello['bundles'][number]) {
    this.socket = socket;
    this.#bundle = bundle;
    socket.on('message', (data) => {
      // With ws's default binaryType a message is one Buffer.
      this.frames.push(decodeFrame(data as Buffer));
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.#closed = true;
        this.#wake();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Opens a connection and says nothing on it. */
  static async connect(url: string, bundleFolder: string): Promise<RawClient> {
    const socket = new WebSocket(url, subprotocol, { perMessageDeflate: false });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    // What the server does to the connection is read from how it closes.
    socket.on('error', () => {});
    return new RawClient(socket, claimOf(bundleFolder));
  }

  /** Opens a connection, says hello and waits for the welcome. */
  static async greet(url: string, bundleFolder: string): Promise<RawClient> {
    const client = await RawClient.connect(url, bundleFolder);
    client.send(client.hello());
    const frame = await client.next();
    if (frame?.type !== 'welcome') throw new Error(`expected a welcome, got ${describe(frame)}`);
    return client;
  }

  hello(): Uint8Array {
    return encodeHello({ agent: 'raw-client', bundles: [this.#bundle] });
  }

  /** An infer frame with the next free id. */
  infer(cut: number, rows: readonly Uint8Array[], budgetMs: number, channels?: number): Uint8Array {
    const tag = bundleTag(this.#bundle.digest);
    const rate = channels === undefined ? {} : { channels };
    return encodeInfer({ id: this.#nextId++, bundleTag: tag, cut, ...rate, budgetMs, rows });
  }

  send(message: Uint8Array): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(message);
  }

  /** The next frame; `undefined` once the connection has ended and all were taken. For one reader at a time. */
  async next(): Promise<Frame | undefined> {
    while (this.frames.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.frames.shift();
  }

  /** Closes and waits for the end. */
  async close(): Promise<void> {
    this.socket.close(1000);
    const timer = setTimeout(() => this.socket.terminate(), 1000);
    await this.closed;
    clearTimeout(timer);
  }
}

/** A frame in words, for the message of an assertion. */
export function describe(frame: Frame | undefined): string {
  if (frame === undefined) return 'the end of the connection';
  if (frame.type !== 'error') return frame.type;
  const { code, message } = parseError(frame);
  return `${code}: ${message}`;
}
