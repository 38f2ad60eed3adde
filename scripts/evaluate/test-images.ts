import type { Manifest } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { type DatasetName, isDatasetName, type LabelledImages, readDataset } from '../data/index.ts';

/** The test split of the data set that a bundle was trained on. */
export interface TestImages {
  readonly dataset: DatasetName;
  readonly images: LabelledImages;
}

/**
 * Reads the test split that belongs to a bundle from the folder that holds the data sets.
 *
 * Throws `BUNDLE_MANIFEST_INVALID` for a bundle that names no known data set or has images of another size, `DATA_MISSING` and
 * `DATA_CORRUPT`.
 */
export function readTestImages({ training, input }: Manifest, folder: string): TestImages {
  const { dataset } = training;
  if (typeof dataset !== 'string' || !isDatasetName(dataset)) {
    throw new OfframpError(
      'BUNDLE_MANIFEST_INVALID',
      `manifest.json: training.dataset is ${String(dataset)}, expected mnist or cifar10`,
    );
  }
  const images = readDataset(dataset, folder, 'test');
  if (images.shape.join() === input.shape.join()) return { dataset, images };
  throw new OfframpError(
    'BUNDLE_MANIFEST_INVALID',
    `manifest.json: input.shape is [${input.shape.join(', ')}], expected [${images.shape.join(', ')}] for images of ${dataset}`,
  );
}
