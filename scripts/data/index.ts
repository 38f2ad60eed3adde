import { readLabelledImages as readCifar10 } from './cifar.ts';
import type { DatasetName } from './datasets.ts';
import { readLabelledImages as readMnist } from './idx.ts';
import type { DatasetPart, LabelledImages } from './labelled-images.ts';

const readers: Readonly<Record<DatasetName, (folder: string, part: DatasetPart) => LabelledImages>> = {
  cifar10: readCifar10,
  mnist: readMnist,
};

/** Reads one part of a data set from the folder it was downloaded to; throws `DATA_MISSING` or `DATA_CORRUPT`. */
export function readDataset(name: DatasetName, folder: string, part: DatasetPart): LabelledImages {
  return readers[name](folder, part);
}

export { readCifarImages } from './cifar.ts';
export { type Dataset, type DatasetName, datasets, isDatasetName, type PublishedFile } from './datasets.ts';
export {
  type DownloadedDataset,
  type DownloadOptions,
  type DownloadProgress,
  downloadDataset,
} from './download.ts';
export { type IdxImages, readIdxImages, readIdxLabels, readIdxPair } from './idx.ts';
export type { DatasetPart, LabelledImages } from './labelled-images.ts';
