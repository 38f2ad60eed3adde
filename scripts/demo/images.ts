import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type LabelledImages, readDataset, readIdxPair } from '../data/index.ts';
import { projectFolder } from '../project.ts';

export interface DemoImages {
  /** Says what they are, for the first line of the summary. */
  readonly source: string;
  readonly images: LabelledImages;
}

/** MNIST's test split where `OFFRAMP_DATA` has it, else the digits this project draws itself. */
export function demoImages(dataFolder: string | undefined): DemoImages {
  if (dataFolder !== undefined && existsSync(join(dataFolder, 'mnist'))) {
    return { source: "MNIST's test split", images: readDataset('mnist', dataFolder, 'test') };
  }
  const drawn = (part: string) => join(projectFolder, 'models', 'samples', `drawn-digits-${part}-ubyte.gz`);
  return {
    source: 'digits drawn by this project (not MNIST; see models/samples)',
    images: readIdxPair(drawn('images-idx3'), drawn('labels-idx1')),
  };
}
