import { setTimeout as sleep } from 'node:timers/promises';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { decideExit } from '../../shared/exits/index.ts';
import { bundleFolder, decodeImage } from '../../shared/host/index.ts';
import { type DemoImages, demoImages } from '../demo/images.ts';
import type { StageProgress } from '../output.ts';
import { timeCalls } from './call-times.ts';
import { type CostProfile, packWords } from './cost-profile.ts';
import { pictureFiles, pictureFormat } from './picture-files.ts';
import { standIns } from './samples.ts';
import { timeSegments } from './segment-times.ts';
import { recordStreams } from './stream-records.ts';

export interface ProfileOptions {
  readonly bundleFolder: string;
  readonly dataFolder: string | undefined;
  /** Images whose segments are timed one by one, and calls. */
  readonly timed: number;
  readonly pauseMs: number;
  readonly batches: number;
  /** Images whose streams are recorded; 0 for none. */
  readonly recorded: number;
  readonly onProgress: StageProgress<ProfileStage>;
}

export type ProfileStage = 'segments' | 'pictures' | 'streams';

const batchSizes = [1, 2, 4, 8, 16, 32, 64];
const keptQuantiles = 101;

/** Measures on this machine what a bundle costs on a device and on a server, and records what its images take on the way. */
export async function measureProfile(options: ProfileOptions): Promise<CostProfile> {
  const { timed, pauseMs, batches, onProgress } = options;
  const bundle = await openBundle(bundleFolder(options.bundleFolder));
  const images = demoImages(bundle.manifest, options.dataFolder);
  const image = (index: number) => images.image(index % images.count);
  const times = await timeSegments({
    ...{ bundle, image, images: timed, pauseMs, batchSizes, batches },
    onProgress: (done, total) => onProgress('segments', done, total),
  });
  const recorded = Math.min(options.recorded, images.count);
  const files = await pictureFiles(image, images.shape, Math.max(1, recorded), (done, total) =>
    onProgress('pictures', done, total),
  );
  const file = (index: number) => files[index % files.length] ?? new Uint8Array(0);
  const calls = await timeCalls(options.bundleFolder, file, timed, pauseMs);
  const decodeMs = await timeDecoding(bundle, file, options);
  const own = { exitMs: await timeExits(bundle, options), encodeMs: await timeCodecs(bundle, options) };
  return {
    schemaVersion: 1,
    bundle: bundle.manifest.id,
    digest: bundle.digest,
    device: {
      segmentMs: times.imageMs.map((samples) => [...samples]),
      ...own,
      prepareMs: decodeMs,
      callMs: [...calls.callMs],
    },
    cloud: { segments: times.batch, decodeMs, aroundMs: [...calls.aroundMs] },
    ...(recorded > 0 && { sizes: await recordedSizes(bundle, images, files, recorded, onProgress) }),
  };
}

async function recordedSizes(
  bundle: Bundle,
  images: DemoImages,
  files: readonly Uint8Array[],
  recorded: number,
  onProgress: ProfileOptions['onProgress'],
): Promise<NonNullable<CostProfile['sizes']>> {
  const streams = await recordStreams(
    bundle,
    (index) => images.image(index),
    recorded,
    (done, total) => onProgress('streams', done, total),
  );
  return {
    split: 'test',
    format: pictureFormat,
    picture: packWords(files.map(({ length }) => length)),
    streams: streams.map(({ cut, channels, bytes, ends }) => ({
      ...{ cut, channels, bytes: packWords(bytes) },
      ...(ends !== undefined && { ends: { exits: packWords(ends.exits), labels: packWords(ends.labels) } }),
    })),
  };
}

/** Each after a pause, as on a device that waits for its images. */
async function timed(
  { timed: runs, pauseMs }: ProfileOptions,
  run: (index: number) => unknown,
): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index <= runs; index++) {
    await sleep(pauseMs);
    const beganMs = performance.now();
    await run(index);
    // The first one compiles.
    if (index > 0) samples.push(performance.now() - beganMs);
  }
  return standIns(samples, keptQuantiles);
}

function timeDecoding({ manifest }: Bundle, file: (index: number) => Uint8Array, options: ProfileOptions) {
  return timed(options, (index) => decodeImage(file(index), manifest.input.shape, 'off'));
}

function timeExits(bundle: Bundle, options: ProfileOptions): Promise<number[]> {
  const logits = Float32Array.from(bundle.manifest.classes, (_, label) => label / 2);
  return timed(options, () => decideExit({ ...bundle.exit(0), logits }));
}

function timeCodecs(bundle: Bundle, options: ProfileOptions): Promise<number[][]> {
  return bundle.manifest.cuts.reduce(async (before, _, index) => {
    const codec = bundle.codec(index + 1);
    // A pattern: what codes are hardly changes how long they take.
    const codes = Uint8Array.from({ length: codec.count }, (_value, place) => place % 2 ** codec.bits);
    return [...(await before), await timed(options, () => codec.encode(codes))];
  }, Promise.resolve<number[][]>([]));
}
