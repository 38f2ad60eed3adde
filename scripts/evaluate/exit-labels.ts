import type { Bundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { argmax, decideExit } from '../../shared/exits/index.ts';

/** What the exits of a network say of one image. */
export interface ExitLabels {
  /** Label under the exit rule: of the first exit that is sure. */
  readonly label: number;
  /** Label of the last exit. */
  readonly finalLabel: number;
}

/**
 * Applies the exits to row `row` of a batch.
 * @param firstExit Index of the exit that the first output belongs to.
 * @param outputs Uncalibrated logits of that exit and every later one, each [rows][classes].
 */
export function exitLabels(
  bundle: Bundle,
  firstExit: number,
  outputs: readonly (Float32Array | Uint8Array)[],
  row: number,
): ExitLabels {
  const classes = bundle.manifest.classes.length;
  const rows = outputs.map((output) => output.subarray(row * classes, (row + 1) * classes));
  const last = rows.at(-1);
  if (last === undefined) throw new OfframpError('BUNDLE_MANIFEST_INVALID', 'whole.logits names no output');
  const finalLabel = argmax(last);
  for (const [index, logits] of rows.entries()) {
    const { confident, label } = decideExit({ ...bundle.exit(firstExit + index), logits });
    if (confident) return { label, finalLabel };
  }
  return { label: finalLabel, finalLabel };
}
