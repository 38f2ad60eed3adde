import { openBundle } from '../../../shared/bundle/index.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import type { Outcome } from '../curve/envelope.ts';
import { readTestImages } from '../test-images.ts';
import type { Candidate } from './best-settings.ts';
import { type MeasureOptions, measureAll, type RateFigures, type WebpFigures } from './measure.ts';
import type { Figures } from './tally.ts';
import { compareCurves, type Verdict } from './verdict.ts';
import { settingsWords } from './webp.ts';

export interface RateCurveOptions extends Omit<MeasureOptions, 'count'> {
  readonly bundleFolder: string;
  readonly dataFolder: string;
  /** Number of test images, from the first on; all when absent. */
  readonly limit?: number | undefined;
}

/** What sending every test image costs and reaches: at each rate, and as WebP. */
export interface RateCurve {
  readonly bundle: string;
  readonly version: string;
  readonly digest: string;
  readonly dataset: string;
  readonly split: string;
  readonly images: number;
  /** How many of them only come close to the published ones; absent where the data folder lists none. */
  readonly approximateImages?: number;
  readonly cut: number;
  readonly budgetMs: number;
  /** Raw pixels, the network in one piece. */
  readonly uncompressed: Figures;
  /** Fewest channels first. */
  readonly rates: readonly RateFigures[];
  readonly webp: {
    /** The best of those tried. */
    readonly settings: string;
    readonly tried: readonly Candidate[];
    readonly points: readonly WebpFigures[];
  };
  /** The rates against WebP, by the accuracy of the last exit. */
  readonly verdict: { readonly bytes: Verdict; readonly wireBytes: Verdict };
}

/**
 * Sends every test image at every rate of a cut through real streams, and as WebP files of many qualities, and has the same
 * network finish all of them. In the accuracy that is compared no image leaves early.
 *
 * Throws `CUT_UNSUPPORTED`, and what opening the bundle and reading the data set throw.
 */
export async function measureRateCurve(options: RateCurveOptions): Promise<RateCurve> {
  const { cut, budgetMs, limit, onProgress } = options;
  const bundle = await openBundle(bundleFolder(options.bundleFolder));
  const { dataset, images } = readTestImages(bundle.manifest, options.dataFolder);
  const count = Math.min(limit ?? images.count, images.count);
  const measured = await measureAll(bundle, images, { count, cut, budgetMs, onProgress });
  const { uncompressed, rates, webp, webpSettings, webpTried } = measured;
  const { approximate } = images;
  return {
    bundle: bundle.manifest.id,
    version: bundle.manifest.version,
    digest: bundle.digest,
    dataset,
    split: 'test',
    images: count,
    ...(approximate && { approximateImages: [...approximate].filter((number) => number < count).length }),
    cut,
    budgetMs,
    uncompressed,
    rates,
    webp: { settings: settingsWords(webpSettings), tried: webpTried, points: webp },
    verdict: {
      bytes: compareCurves(curveOf(rates, 'bytes'), curveOf(webp, 'bytes')),
      wireBytes: compareCurves(curveOf(rates, 'wireBytes'), curveOf(webp, 'wireBytes')),
    },
  };
}

function curveOf(figures: readonly Figures[], counted: 'bytes' | 'wireBytes'): Outcome[] {
  return figures.map((point) => ({ cost: point[counted].mean, accuracy: point.accuracy }));
}
