import type { Manifest } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { demoImages } from '../../demo/images.ts';
import { pictureFiles, pictureFormat } from '../../profile/picture-files.ts';
import type { PreparedBundle } from '../../simulate/index.ts';

/** Images whose true classes are known, those that a run needs as picture files. */
export interface LiveImages {
  /** What they are and how they are encoded. */
  readonly source: string;
  readonly count: number;
  /** Whether they are, one by one, the images that the simulator replays. */
  readonly areReplayed: boolean;
  truth(index: number): number;
  file(index: number): Uint8Array;
}

/**
 * Finds a bundle's test images, and encodes some of them.
 * @param needed says which, of so many.
 * @throws OfframpError DATA_MISSING where there are none whose classes are known.
 */
export async function liveImages(
  { bundle, images: { table } }: Pick<PreparedBundle, 'bundle' | 'images'>,
  dataFolder: string | undefined,
  needed: (count: number) => ReadonlySet<number>,
  onProgress: (done: number, total: number) => void,
): Promise<LiveImages> {
  const { source, count, shape, image, truth } = demoImages(bundle.manifest, dataFolder);
  if (truth(0) === undefined) throw missing(bundle.manifest);
  const places = [...needed(count)].sort((one, other) => one - other);
  const encoded = await pictureFiles((at) => image(places[at] ?? 0), shape, places.length, onProgress);
  const files = new Map(places.map((place, at) => [place, encoded[at] ?? new Uint8Array(0)]));
  return {
    source: `${source}, as ${pictureFormat}`,
    count,
    areReplayed:
      count === table.images && Array.from(table.labels).every((label, index) => label === truth(index)),
    truth: (index) => truth(index) ?? 0,
    file: (index) => files.get(index) ?? new Uint8Array(0),
  };
}

function missing({ id, training }: Manifest): OfframpError {
  const expected = `its data set (${String(training.dataset)}) in the folder that --data or OFFRAMP_DATA names`;
  return new OfframpError('DATA_MISSING', `${id}: no images whose classes are known, expected ${expected}`);
}
