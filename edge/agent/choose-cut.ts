import { openBundle, type ReadFile } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';

export interface CutQuestion {
  /** The cut that somebody asks for. */
  readonly cut?: number | undefined;
  readonly hasCloud: boolean;
  /** Whether plans are chosen while running, which takes all segments. */
  readonly plansChange: boolean;
}

/**
 * How many segments a device runs: as many as asked for; else one with a cloud, and all of them without.
 * @throws OfframpError CUT_UNSUPPORTED, or what {@link openBundle} throws.
 */
export async function chooseCut(
  readFile: ReadFile,
  { cut, hasCloud, plansChange }: CutQuestion,
): Promise<number> {
  const { id, segments } = (await openBundle(readFile, { segments: [] })).manifest;
  const usual = !hasCloud || plansChange ? segments.length : 1;
  const chosen = cut ?? usual;
  if (Number.isInteger(chosen) && chosen >= 0 && chosen <= segments.length) return chosen;
  throw new OfframpError(
    'CUT_UNSUPPORTED',
    `Cut ${chosen} of bundle ${id}, expected 0 to ${segments.length}`,
  );
}

/** Indices of the segments that a device at this cut loads. At cut 0 too: the first one answers when the cloud does not. */
export function segmentsAt(cut: number): readonly number[] {
  return Array.from({ length: Math.max(1, cut) }, (_, index) => index);
}
