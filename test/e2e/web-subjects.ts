/** Bundles, and images for them that a page and an agent of Node can both be asked about. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readDataset } from '../../scripts/data/index.ts';
import { blobPicture } from '../../scripts/demo/blobs.ts';
import { drawnImage } from '../runtime/real-bundle.ts';
import { dataFolder } from '../support/data.ts';
import { projectFolder } from './support.ts';

export interface Subject {
  readonly id: string;
  readonly folder: string;
  readonly images: readonly Uint8Array[];
}

const mostDrawn = 60;

/** The first images of MNIST's test split where there are any, else some that are drawn. */
export function digits(count: number): Subject {
  return subject('b-lenet-mnist', 'mnist', count, (index) => drawnImage(index));
}

/** Those of CIFAR-10, else pictures that show nothing. */
export function photographs(count: number): Subject {
  return subject('b-resnet-cifar10', 'cifar10', count, (index) => blobPicture([32, 32, 3], index));
}

function subject(
  id: string,
  dataset: 'mnist' | 'cifar10',
  count: number,
  drawn: (index: number) => Uint8Array,
): Subject {
  const folder = join(projectFolder, 'models', id);
  const data = dataFolder();
  if (data === undefined || !existsSync(join(data, dataset))) {
    const length = Math.min(count, mostDrawn);
    return { id, folder, images: Array.from({ length }, (_, index) => drawn(index)) };
  }
  const split = readDataset(dataset, data, 'test');
  return { id, folder, images: Array.from({ length: count }, (_, index) => split.image(index)) };
}

/** Images as one file, one behind the other. */
export function joined(images: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(images));
}
