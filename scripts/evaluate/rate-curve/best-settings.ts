import type { LabelledImages } from '../../data/index.ts';
import { type Outcome, upperEnvelope } from '../curve/envelope.ts';
import { batchesOf, inParallel } from './batches.ts';
import { accuracyAt } from './interpolate.ts';
import type { Networks } from './networks.ts';
import { settingsWords, throughWebp, type WebpSettings } from './webp.ts';

/** How well one way of making files did in the trial. */
export interface Candidate {
  readonly settings: string;
  /** Mean accuracy over evenly spaced byte counts, the same for every candidate, 0 to 1. */
  readonly score: number;
}

export interface Trial {
  readonly networks: Networks;
  readonly images: LabelledImages;
  /** Numbers of the images that are tried. */
  readonly chosen: readonly number[];
  readonly qualities: readonly number[];
  /** Jobs at once. */
  readonly parallel: number;
  readonly onProgress: (done: number, total: number) => void;
}

const gridPoints = 100;

/**
 * Tries every candidate and finds the one whose curve lies highest. It may choose on the very images that are measured later:
 * that favours WebP over the rates.
 */
export async function bestSettings(
  candidates: readonly WebpSettings[],
  trial: Trial,
): Promise<{ readonly best: WebpSettings; readonly tried: readonly Candidate[] }> {
  const jobs = candidates.flatMap((settings, candidate) =>
    trial.qualities.map((quality) => ({ settings, candidate, quality })),
  );
  const curves: Outcome[][] = candidates.map(() => []);
  let done = 0;
  await inParallel(jobs, trial.parallel, async ({ settings, candidate, quality }) => {
    curves[candidate]?.push(await pointOf(settings, quality, trial));
    trial.onProgress(++done, jobs.length);
  });
  const scores = scoreCurves(curves);
  const tried = candidates.map((settings, index) => {
    return { settings: settingsWords(settings), score: scores[index] ?? 0 };
  });
  const best = candidates[scores.indexOf(Math.max(...scores))];
  if (best === undefined) throw new RangeError('got no candidate, expected at least one');
  return { best, tried };
}

async function pointOf(
  settings: WebpSettings,
  quality: number,
  { networks, images, chosen }: Trial,
): Promise<Outcome> {
  let [bytes, right] = [0, 0];
  for (const batch of batchesOf(images, chosen)) {
    const { files, pixels } = await throughWebp(batch.images, images.shape, settings, quality);
    bytes += files.reduce((sum, file) => sum + file.length, 0);
    const answers = await networks.whole(pixels, files.length);
    right += answers.filter(({ finalLabel }, row) => finalLabel === batch.labels[row]).length;
  }
  return { cost: bytes / chosen.length, accuracy: right / chosen.length };
}

/** Mean accuracy of each curve, from the byte count on that all of them reach, up to where none rises any more. */
export function scoreCurves(curves: readonly (readonly Outcome[])[]): number[] {
  const envelopes = curves.map((curve) => upperEnvelope(curve));
  const from = Math.max(...envelopes.map((envelope) => envelope[0]?.cost ?? 0));
  const to = Math.max(...envelopes.map((envelope) => envelope.at(-1)?.cost ?? 0));
  return envelopes.map((envelope) => {
    let sum = 0;
    for (let place = 0; place <= gridPoints; place++) {
      sum += accuracyAt(envelope, from + ((to - from) * place) / gridPoints) ?? 0;
    }
    return sum / (gridPoints + 1);
  });
}
