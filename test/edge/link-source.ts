import type { Dial, Offload, OffloadResult } from '../../edge/agent/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  encodeResult,
  encodeWelcome,
  type Frame,
  type InferRequest,
  parseInfer,
  type TransportEvents,
  type Welcome,
} from '../../shared/protocol/index.ts';
import { MemoryTransport } from '../protocol/memory-transport.ts';

export const digest = 'ab'.repeat(32);
export const hello = { agent: 'edge/test', bundles: [{ id: 'm', digest }] };
export const welcome: Welcome = {
  server: 'cloud/test',
  bundles: [{ id: 'm', digest }],
  credits: 2,
  maxFrameBytes: 1000,
  heartbeatMs: 5000,
  load: { queuedRows: 0, runningRows: 0 },
};
export const classes = 3;

export function offload(change: Partial<Offload> = {}): Offload {
  return { bundleTag: 0xabababab, cut: 1, budgetMs: 100, rows: [Uint8Array.of(1, 2, 3)], classes, ...change };
}

/** The cloud's end of one dialled connection, moved by the test. */
export interface Dialled {
  readonly transport: MemoryTransport;
  readonly events: TransportEvents & { onOpen(): void };
  /** Opens the connection and welcomes the device. */
  accept(change?: Partial<Welcome>): void;
  /** Requests the device has sent so far. */
  readonly requests: InferRequest[];
  /** Answers a request; the first logit is its id, so that a mix-up shows. */
  answer(id: number, rows?: number): void;
}

/** A dialler that connects to the test. */
export class TestCloud {
  readonly dialled: Dialled[] = [];

  readonly dial: Dial = (events) => {
    const transport = new MemoryTransport();
    this.dialled.push({
      transport,
      events,
      accept(change = {}) {
        events.onOpen();
        events.onMessage(encodeWelcome({ ...welcome, ...change }));
      },
      get requests() {
        return transport.frames.filter((frame: Frame) => frame.type === 'infer').map(parseInfer);
      },
      answer(id, rows = 1) {
        events.onMessage(resultOf(id, rows));
      },
    });
    return transport;
  };

  /** The newest connection. */
  get last(): Dialled {
    const last = this.dialled.at(-1);
    if (last === undefined) throw new Error('nobody has dialled');
    return last;
  }
}

export function resultOf(id: number, rows = 1): Uint8Array {
  const logits = new Float32Array(rows * classes).fill(id);
  return encodeResult({
    id,
    exits: Array.from({ length: rows }, () => 1),
    logits,
    queueMicros: 10,
    runMicros: 20,
    batchRows: rows,
    queuedRows: 0,
  });
}

/** What a promise has come to; every settling is counted. */
export interface Watched {
  readonly promise: Promise<OffloadResult>;
  result?: OffloadResult;
  code?: string;
}

export function watch(promise: Promise<OffloadResult>): Watched {
  const watched: Watched = { promise };
  promise.then(
    (result) => {
      watched.result = result;
    },
    (thrown: unknown) => {
      watched.code = thrown instanceof OfframpError ? thrown.code : `not ours: ${thrown}`;
    },
  );
  return watched;
}
