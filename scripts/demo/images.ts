import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../shared/bundle/index.ts';
import { isDatasetName, type LabelledImages, readDataset, readIdxPair } from '../data/index.ts';
import { projectFolder } from '../project.ts';
import { blobPicture } from './blobs.ts';

/** Images to send, and what is known of them. */
export interface DemoImages {
  /** Says what they are, for the first line of the summary. */
  readonly source: string;
  readonly count: number;
  /** Height, width, channels of each. */
  readonly shape: readonly [number, number, number];
  /** Pixels of an image, uint8 [height, width, channels]. */
  image(index: number): Uint8Array;
  /** The true class; `undefined` for a picture that shows nothing. */
  truth(index: number): number | undefined;
}

const madeUp = 300;

/**
 * Images that a bundle can take: the test split of its data set where `dataFolder` has it, else for digits those that this
 * project draws itself, else pictures that are made up and show nothing.
 *
 * @throws OfframpError `DATA_MISSING`, `DATA_CORRUPT` for a data set that is there and not whole.
 */
export function demoImages({ training, input }: Manifest, dataFolder: string | undefined): DemoImages {
  const { dataset } = training;
  const { shape } = input;
  if (typeof dataset === 'string' && isDatasetName(dataset)) {
    if (dataFolder !== undefined && existsSync(join(dataFolder, dataset))) {
      const images = readDataset(dataset, dataFolder, 'test');
      if (sameShape(images.shape, shape)) return labelled(`the test split of ${dataset}`, images);
    }
    const digits = dataset === 'mnist' ? drawnDigits() : undefined;
    if (digits !== undefined && sameShape(digits.shape, shape)) {
      return labelled('digits drawn by this project (not MNIST; see models/samples)', digits);
    }
  }
  return {
    source: 'coloured blobs made up on the spot; they show nothing, so no answer is right or wrong',
    count: madeUp,
    shape,
    image: (index) => blobPicture(shape, index),
    truth: () => undefined,
  };
}

function drawnDigits(): LabelledImages {
  const drawn = (part: string) => join(projectFolder, 'models', 'samples', `drawn-digits-${part}-ubyte.gz`);
  return readIdxPair(drawn('images-idx3'), drawn('labels-idx1'), 'install the package again');
}

function labelled(source: string, images: LabelledImages): DemoImages {
  const { count, shape, labels } = images;
  return { source, count, shape, image: (index) => images.image(index), truth: (index) => labels[index] };
}

function sameShape(one: readonly number[], other: readonly number[]): boolean {
  return one.join() === other.join();
}
