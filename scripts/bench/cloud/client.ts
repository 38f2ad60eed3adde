import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import type { Bundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import {
  bundleTag,
  decodeFrame,
  encodeHello,
  encodeInfer,
  parseError,
  parseResult,
  subprotocol,
} from '../../../shared/protocol/index.ts';

/** What became of one request, and when by `performance.now()`. */
export type Reply =
  | { readonly kind: 'answer'; readonly exit: number; readonly atMs: number }
  | { readonly kind: 'refusal'; readonly code: string; readonly atMs: number };

/** One device's connection that does nothing but send rows and note what comes back: as little work a row as can be. */
export class BenchClient {
  readonly #socket: WebSocket;
  readonly #bundle: Bundle;
  readonly #cut: number;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #nextId = 1;

  private constructor(socket: WebSocket, bundle: Bundle, cut: number) {
    this.#socket = socket;
    this.#bundle = bundle;
    this.#cut = cut;
    socket.on('message', (data) => this.#onMessage(data as Buffer));
  }

  /** @throws OfframpError CLOUD_UNREACHABLE when there is no welcome. */
  static async connect(url: string, bundle: Bundle, cut: number): Promise<BenchClient> {
    const socket = new WebSocket(url.replace('http', 'ws'), subprotocol, { perMessageDeflate: false });
    await once(socket, 'open');
    const { id } = bundle.manifest;
    socket.send(encodeHello({ agent: 'offramp-bench', bundles: [{ id, digest: bundle.digest }] }));
    // With ws's default binaryType a message is one Buffer.
    const [data] = (await once(socket, 'message')) as [Buffer];
    const { type } = decodeFrame(data);
    if (type === 'welcome') return new BenchClient(socket, bundle, cut);
    socket.terminate();
    throw new OfframpError('CLOUD_UNREACHABLE', `The server answered the hello with '${type}'`);
  }

  /** Sends one row; resolves with what came back. */
  send(stream: Uint8Array, budgetMs: number): Promise<Reply> {
    const id = this.#nextId++;
    const frame = encodeInfer({
      ...{ id, bundleTag: bundleTag(this.#bundle.digest), cut: this.#cut, budgetMs, rows: [stream] },
    });
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(frame);
    });
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #onMessage(data: Buffer): void {
    const frame = decodeFrame(data);
    const settle = this.#waiting.get(frame.id);
    if (settle === undefined) return;
    this.#waiting.delete(frame.id);
    const atMs = performance.now();
    if (frame.type === 'error') {
      settle({ kind: 'refusal', code: parseError(frame).code, atMs });
      return;
    }
    const { exits } = parseResult(frame, this.#bundle.manifest.classes.length);
    settle({ kind: 'answer', exit: exits[0] ?? 0, atMs });
  }
}
