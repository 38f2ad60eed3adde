import { availableParallelism } from 'node:os';
import type { Bundle } from '../../../shared/bundle/index.ts';
import type { LabelledImages } from '../../data/index.ts';
import { spread } from '../table/lanes.ts';
import { batchesOf, type ImageBatch, inParallel, stack } from './batches.ts';
import { bestSettings, type Candidate } from './best-settings.ts';
import { Networks } from './networks.ts';
import { channelsOf, RateSender, RawSender, type Sender, WebpSender } from './senders.ts';
import type { Figures } from './tally.ts';
import { type WebpSettings, webpCandidates, webpQualities } from './webp.ts';

export interface MeasureOptions {
  /** Number of images, from the first on. */
  readonly count: number;
  /** Whose rates are measured, 1 to n - 1. */
  readonly cut: number;
  /** The budget that every infer frame states; its bytes count. */
  readonly budgetMs: number;
  readonly onProgress: (stage: 'settings' | 'curve', done: number, total: number) => void;
}

/** One rate of the cut. */
export interface RateFigures extends Figures {
  readonly channels: number;
}

/** One quality of WebP. */
export interface WebpFigures extends Figures {
  readonly quality: number;
}

/** Every way of sending, measured. */
export interface Measured {
  readonly uncompressed: Figures;
  readonly rates: readonly RateFigures[];
  readonly webp: readonly WebpFigures[];
  readonly webpSettings: WebpSettings;
  /** What these settings were chosen from. */
  readonly webpTried: readonly Candidate[];
}

const mostTrialImages = 500;
const trialQualities = [5, 20, 45, 80];
const mostWorkers = 4;

/** Measures every way of sending. Throws `CUT_UNSUPPORTED`, and what a runner throws. */
export async function measureAll(
  bundle: Bundle,
  images: LabelledImages,
  options: MeasureOptions,
): Promise<Measured> {
  const channels = channelsOf(bundle, options.cut);
  const workers = Math.min(mostWorkers, availableParallelism());
  // One batch more than threads: while its files are made, every thread has another to run.
  const parallel = workers + 1;
  const networks = await Networks.start(bundle, workers, parallel);
  try {
    const { best, tried } = await bestSettings(webpCandidates, {
      networks,
      images,
      chosen: spread(options.count, mostTrialImages),
      qualities: trialQualities,
      parallel,
      onProgress: (done, total) => options.onProgress('settings', done, total),
    });
    const context = { bundle, networks, budgetMs: options.budgetMs };
    const raw = new RawSender(context);
    const rates = channels.map((count) => new RateSender(context, options.cut, count));
    const webp = webpQualities.map((quality) => new WebpSender(context, best, quality));
    const batches = batchesOf(images, spread(options.count, options.count));
    await sendAll([raw, ...rates, ...webp], networks, batches, parallel, options);
    return {
      uncompressed: raw.figures(),
      rates: rates.map((sender) => ({ channels: sender.channels, ...sender.figures() })),
      webp: webp.map((sender) => ({ quality: sender.quality, ...sender.figures() })),
      webpSettings: best,
      webpTried: tried,
    };
  } finally {
    await networks.close();
  }
}

/** Takes a batch through all senders before the next, so that `parallel` batches are all that is held in memory. */
async function sendAll(
  senders: readonly Sender[],
  networks: Networks,
  batches: readonly ImageBatch[],
  parallel: number,
  { count, cut, onProgress }: MeasureOptions,
): Promise<void> {
  let done = 0;
  await inParallel(batches, parallel, async (batch) => {
    const rows = batch.labels.length;
    const codes = await networks.device(stack(batch.images), rows, cut);
    for (const sender of senders) {
      await sender.send({ ...batch, codes });
      done += rows;
      onProgress('curve', done, count * senders.length);
    }
  });
}
