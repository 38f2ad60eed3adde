import { clientWireBytes, encodeInfer, type InferRequest } from '../../../shared/protocol/index.ts';
import { mean, quantile } from '../../quantiles.ts';
import type { ExitLabels } from '../exit-labels.ts';

/** Bytes per image over all images. */
export interface ByteFigures {
  readonly mean: number;
  readonly p95: number;
}

/** What one way of sending every image costs and reaches; accuracies are fractions of 1. */
export interface Figures {
  /** The row itself: stream, picture file, or raw pixels. */
  readonly bytes: ByteFigures;
  /** The row in its infer frame in its WebSocket frame; TCP, IP and TLS are not in it. */
  readonly wireBytes: ByteFigures;
  /** Of the last exit, for every image. */
  readonly accuracy: number;
  /** When every image leaves at the first sure exit after the cut. */
  readonly exitRuleAccuracy: number;
}

/** What all rows of one way of sending have in common. */
export type RowRequest = Omit<InferRequest, 'id' | 'rows'>;

/** Bytes that one image takes on a connection, counted on the frame that the device's encoder builds. */
export function wireBytesOf(request: RowRequest, row: Uint8Array): number {
  return clientWireBytes(encodeInfer({ ...request, id: 1, rows: [row] }).length);
}

/** Adds up what became of images that were all sent in one way. */
export class Tally {
  readonly #request: RowRequest;
  readonly #bytes: number[] = [];
  readonly #wireBytes: number[] = [];
  #images = 0;
  #right = 0;
  #rightByRule = 0;

  constructor(request: RowRequest) {
    this.#request = request;
  }

  /** Counts what is sent for one image. */
  addRow(row: Uint8Array): void {
    this.#bytes.push(row.length);
    this.#wireBytes.push(wireBytesOf(this.#request, row));
  }

  /** Counts the answers for a batch; `labels` are the true classes. */
  addAnswers(answers: readonly ExitLabels[], labels: readonly number[]): void {
    this.#images += answers.length;
    for (const [row, { label, finalLabel }] of answers.entries()) {
      if (finalLabel === labels[row]) this.#right++;
      if (label === labels[row]) this.#rightByRule++;
    }
  }

  figures(): Figures {
    return {
      bytes: byteFigures(this.#bytes),
      wireBytes: byteFigures(this.#wireBytes),
      accuracy: this.#right / this.#images,
      exitRuleAccuracy: this.#rightByRule / this.#images,
    };
  }
}

function byteFigures(counts: readonly number[]): ByteFigures {
  return { mean: mean(counts), p95: quantile(Float64Array.from(counts).sort(), 0.95) };
}
