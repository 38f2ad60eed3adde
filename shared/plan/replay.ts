import { type ExitTable, exitTaken } from '../exits/index.ts';

/** What happens to the recorded images under one cut and its thresholds; everything that depends on neither link nor load. */
export interface Replay {
  readonly images: number;
  /** Images that each exit answers, [exits]. */
  readonly counts: Float64Array;
  /** Those of them that it answers right, [exits]. */
  readonly right: Float64Array;
  /** Those of them that the last exit the device can ask by itself would answer right, [exits]. What a late answer costs. */
  readonly deviceRight: Float64Array;
  /**
   * Of what is lost over all images when every one is sent at a lower rate, the share that is expected among those sent, 0 to 1.
   * Loss is taken to come where the device's exit at the cut was in doubt: each image that the last exit has right counts with
   * the entropy of the device's.
   */
  readonly doubtSent: number;
}

/**
 * Lets every recorded image leave where the exit rule says: at the first exit whose entropy is strictly below its threshold, else
 * at the last.
 * @param thresholds of every exit but the last.
 * @param cut the exits before it are the device's. At cut 0 the device can still ask its first exit when the cloud is late.
 */
export function replay(table: ExitTable, cut: number, thresholds: readonly number[]): Replay {
  const last = table.exits - 1;
  const own = Math.min(last, Math.max(0, cut - 1));
  const column = () => new Float64Array(table.exits);
  const [counts, right, deviceRight] = [column(), column(), column()];
  let [doubt, doubtSent] = [0, 0];
  for (let image = 0; image < table.images; image++) {
    const exit = exitTaken(table, image, thresholds);
    const isRight = isRightAt(table, exit, image);
    add(counts, exit, 1);
    add(right, exit, isRight);
    add(deviceRight, exit, isRightAt(table, own, image));
    // Chosen among six weights on the 5,000 calibration images each of two bundles: the least error on 20 of 20 random halves, and
    // 0.22 points of accuracy on the other halves (docs/planning.md).
    const inDoubt = isRightAt(table, last, image) * (table.entropies[own]?.[image] ?? 0);
    doubt += inDoubt;
    if (exit >= cut) doubtSent += isRight * inDoubt;
  }
  return { images: table.images, counts, right, deviceRight, doubtSent: doubt > 0 ? doubtSent / doubt : 1 };
}

function isRightAt(table: ExitTable, exit: number, image: number): 0 | 1 {
  return table.answers[exit]?.[image] === table.labels[image] ? 1 : 0;
}

function add(column: Float64Array, at: number, amount: number): void {
  column[at] = (column[at] ?? 0) + amount;
}
