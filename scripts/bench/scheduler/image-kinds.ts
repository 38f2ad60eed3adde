import { type ExitTable, exitTaken } from '../../../shared/exits/index.ts';
import type { ImageKind } from './profile.ts';

/**
 * Sorts images by what the exits from `cut` on say of them. Those that an exit on the device is sure of never come and are left
 * out; exits count from the first one behind the cut.
 */
export function imageKinds(table: ExitTable, thresholds: readonly number[], cut: number): ImageKind[] {
  const kinds = new Map<string, { exit: number; right: boolean[]; count: number }>();
  for (let image = 0; image < table.images; image++) {
    const exit = exitTaken(table, image, thresholds) - cut;
    if (exit < 0) continue;
    const right = table.answers.slice(cut).map((answers) => answers[image] === table.labels[image]);
    const key = JSON.stringify([exit, right]);
    const kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, { exit, right, count: 1 });
    else kind.count++;
  }
  return [...kinds.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, kind]) => kind);
}
