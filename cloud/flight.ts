import type { Bundle } from '../shared/bundle/index.ts';
import { OfframpError } from '../shared/errors.ts';
import { decideExit } from '../shared/exits/index.ts';
import { type RunOutput, segmentKey } from '../shared/runtime/index.ts';
import type { ServedBundle } from './served-bundle.ts';

type ExitInfo = ReturnType<Bundle['exit']>;

/**
 * `cascade`: segment after segment, rows leaving at the first exit that is sure of them; `segment`: one segment for every row,
 * whatever its exit says.
 */
export type Way = 'cascade' | 'segment';

/** What some of a batch's rows came out with. */
export interface Landed {
  /** Index of the exit that each row left by. */
  readonly exits: readonly number[];
  /** Uncalibrated logits of that exit, float32 [rows][classes]. */
  readonly logits: Float32Array;
  /** Rows that left by an exit that was not sure of them, ascending; absent when there are none. */
  readonly depthCut?: readonly number[];
  /** Codes of every row behind the segment; only of a single segment, and not of the last one. */
  readonly codes?: Uint8Array;
}

export interface FlightPlan {
  readonly served: ServedBundle;
  readonly cut: number;
  readonly way: Way;
  /** No row goes deeper; the last exit lets every row go. */
  readonly deepestExit: number;
  /** Uint8 [rows, ...]. */
  readonly tensor: Uint8Array<ArrayBuffer>;
  readonly rows: number;
}

/** The rows of one batch on their way through the segments. */
export class Flight {
  readonly plan: FlightPlan;
  /** Time in `session.run` so far. */
  runMicros = 0;
  #segment: number;
  /** Position in the batch of each row still under way. */
  #rows: number[];
  /** Input of the next segment for these rows, in the same order. */
  #tensor: Uint8Array<ArrayBuffer>;
  readonly #exits: Uint8Array;
  readonly #logits: Float32Array;
  readonly #depthCut = new Set<number>();
  readonly #notFinite = new Set<number>();
  #codes: Uint8Array | undefined;

  constructor(plan: FlightPlan) {
    const { rows, served, cut, tensor } = plan;
    this.plan = plan;
    this.#segment = cut;
    this.#rows = Array.from({ length: rows }, (_, row) => row);
    this.#tensor = tensor;
    this.#exits = new Uint8Array(rows);
    this.#logits = new Float32Array(rows * served.classes);
  }

  /** The next segment to run and its input, which moves away; `undefined` once every row has left. */
  next():
    | { readonly key: string; readonly tensor: Uint8Array<ArrayBuffer>; readonly rows: number }
    | undefined {
    if (this.#rows.length === 0) return undefined;
    const key = segmentKey(this.plan.served.runKey, this.#segment);
    return { key, tensor: this.#tensor, rows: this.#rows.length };
  }

  /**
   * Takes what the segment gave: lets rows go by its exit and packs the codes of the others together for the next one.
   * @throws OfframpError RUNTIME_FAILED for a segment without logits.
   */
  pass({ outputs: [logits, codes], runMicros }: RunOutput): void {
    this.runMicros += runMicros;
    if (!(logits instanceof Float32Array)) {
      throw new OfframpError('RUNTIME_FAILED', `s${this.#segment} gave no logits`);
    }
    const { way, served } = this.plan;
    const further = codes instanceof Uint8Array ? codes : undefined;
    if (way === 'segment') this.#codes = further;
    const isEnd = further === undefined || way === 'segment';
    const staying = this.#letGo(logits, isEnd ? undefined : served.bundle.exit(this.#segment));
    const rows = this.#rows;
    this.#tensor = further === undefined ? new Uint8Array(0) : pickRows(further, rows.length, staying);
    this.#rows = staying.map((position) => rows[position] ?? 0);
    this.#segment++;
  }

  /**
   * What the rows from `from` to before `end` came out with; memory of the batch, so not to be changed.
   * @throws OfframpError RUNTIME_FAILED when the network gave one of them something that is no number.
   */
  landed(from: number, end: number): Landed {
    const { classes } = this.plan.served;
    for (const row of this.#notFinite) {
      if (row < from || row >= end) continue;
      throw new OfframpError(
        'RUNTIME_FAILED',
        `Row ${row - from}: the network gave a logit that is not finite`,
      );
    }
    const depthCut = [...this.#depthCut].filter((row) => row >= from && row < end).sort((a, b) => a - b);
    const codeSize = (this.#codes?.length ?? 0) / this.plan.rows;
    return {
      exits: [...this.#exits.subarray(from, end)],
      logits: this.#logits.subarray(from * classes, end * classes),
      ...(depthCut.length > 0 && { depthCut: depthCut.map((row) => row - from) }),
      ...(this.#codes !== undefined && { codes: this.#codes.subarray(from * codeSize, end * codeSize) }),
    };
  }

  /** Positions in the segment's batch of the rows that go on; none where there is no rule. */
  #letGo(logits: Float32Array, rule: ExitInfo | undefined): number[] {
    const { served, deepestExit } = this.plan;
    const exit = this.#segment;
    const staying: number[] = [];
    for (const [position, row] of this.#rows.entries()) {
      const own = logits.subarray(position * served.classes, (position + 1) * served.classes);
      if (!own.every(Number.isFinite)) this.#notFinite.add(row);
      else if (rule !== undefined && !decideExit({ ...rule, logits: own }).confident) {
        if (exit < deepestExit) {
          staying.push(position);
          continue;
        }
        this.#depthCut.add(row);
      }
      this.#exits[row] = exit;
      this.#logits.set(own, row * served.classes);
    }
    return staying;
  }
}

function pickRows(tensor: Uint8Array, rows: number, positions: readonly number[]): Uint8Array<ArrayBuffer> {
  if (positions.length === 0) return new Uint8Array(0);
  const size = tensor.length / rows;
  const picked = new Uint8Array(positions.length * size);
  for (const [index, position] of positions.entries()) {
    picked.set(tensor.subarray(position * size, (position + 1) * size), index * size);
  }
  return picked;
}
