/** What a segment gave for some rows: logits float32 [rows, classes], codes uint8 [rows, ...]; the last segment has no codes. */
export interface SegmentOutputs {
  readonly logits: Float32Array;
  readonly codes?: Uint8Array;
}

/** How far the codes of two devices are apart. */
export interface CodeDifferences {
  readonly compared: number;
  readonly differing: number;
  /** Rows with a code that differs. */
  readonly rows: number;
  /** In steps of the quantiser. */
  readonly largest: number;
}

/** How far a segment's outputs on two devices are apart, for the same inputs. */
export interface Comparison {
  readonly rows: number;
  /** Rows whose largest logit is another one, or with a logit on either side that is no finite number. */
  readonly labelsDiffering: number;
  /** Over all finite logits. */
  readonly largestLogitDifference: number;
  readonly codes?: CodeDifferences;
}

/** Compares what a segment gave for the same rows on two devices. */
export function compareOutputs(one: SegmentOutputs, other: SegmentOutputs, rows: number): Comparison {
  const classes = one.logits.length / rows;
  let labelsDiffering = 0;
  let largestLogitDifference = 0;
  for (let row = 0; row < rows; row++) {
    const [mine, theirs] = [rowOf(one.logits, row, classes), rowOf(other.logits, row, classes)];
    if (labelOf(mine) !== labelOf(theirs) || !allFinite(mine) || !allFinite(theirs)) labelsDiffering++;
    for (const [index, logit] of mine.entries()) {
      const difference = Math.abs(logit - (theirs[index] ?? Number.NaN));
      if (difference > largestLogitDifference && difference < Number.POSITIVE_INFINITY) {
        largestLogitDifference = difference;
      }
    }
  }
  const codes = one.codes && other.codes && compareCodes(one.codes, other.codes, rows);
  return { rows, labelsDiffering, largestLogitDifference, ...(codes && { codes }) };
}

/** Whether a comparison shows two devices to be the same but for rounding. Codes do not count: what follows from them does. */
export function agrees({ labelsDiffering, largestLogitDifference }: Comparison, tolerance: number): boolean {
  return labelsDiffering === 0 && largestLogitDifference <= tolerance;
}

function compareCodes(one: Uint8Array, other: Uint8Array, rows: number): CodeDifferences {
  const perRow = one.length / rows;
  const rowsDiffering = new Set<number>();
  let differing = 0;
  let largest = 0;
  for (const [index, code] of one.entries()) {
    const difference = Math.abs(code - (other[index] ?? Number.NaN));
    if (difference === 0) continue;
    differing++;
    largest = Math.max(largest, difference);
    rowsDiffering.add(Math.floor(index / perRow));
  }
  return { compared: one.length, differing, rows: rowsDiffering.size, largest };
}

function rowOf(logits: Float32Array, row: number, classes: number): Float32Array {
  return logits.subarray(row * classes, (row + 1) * classes);
}

function labelOf(logits: Float32Array): number {
  return logits.reduce((best, logit, index) => (logit > (logits[best] ?? logit) ? index : best), 0);
}

function allFinite(logits: Float32Array): boolean {
  return logits.every(Number.isFinite);
}
