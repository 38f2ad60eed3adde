import { join } from 'node:path';
import { OfframpError } from '../../shared/errors.ts';
import { cifar10Classes } from './datasets.ts';
import { type DatasetPart, type LabelledImages, labelledImages, readDataFile } from './labelled-images.ts';

const side = 32;
const planeBytes = side * side;
const channels = 3;
/** One label byte, then the red, the green and the blue plane, each row by row. */
const recordBytes = 1 + channels * planeBytes;

const partFiles: Readonly<Record<DatasetPart, readonly string[]>> = {
  train: [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin.gz`),
  test: ['test_batch.bin.gz'],
};

/**
 * Reads files in the layout of CIFAR-10's binary version, plain or gzip, as one set. The pixels come out as
 * height x width x channels, no longer plane by plane.
 *
 * @throws OfframpError `DATA_MISSING`; `DATA_CORRUPT` for a length that is no whole number of records, or a label above 9.
 */
export function readCifarImages(
  paths: readonly string[],
  remedy = 'offramp data cifar10 --to DIR',
): LabelledImages {
  const files = paths.map((path) => readRecords(path, remedy));
  const count = files.reduce((sum, bytes) => sum + bytes.length / recordBytes, 0);
  const pixels = new Uint8Array(count * channels * planeBytes);
  const labels = new Uint8Array(count);
  let image = 0;
  for (const [index, bytes] of files.entries()) {
    for (let start = 0; start < bytes.length; start += recordBytes) {
      const label = bytes[start] ?? 0;
      if (label >= cifar10Classes.length) {
        const record = start / recordBytes;
        throw new OfframpError(
          'DATA_CORRUPT',
          `${paths[index]} has label ${label} in record ${record}, expected 0 to ${cifar10Classes.length - 1}`,
        );
      }
      labels[image] = label;
      interleave(bytes.subarray(start + 1, start + recordBytes), pixels, image * channels * planeBytes);
      image += 1;
    }
  }
  return labelledImages({ shape: [side, side, channels], pixels, labels, classes: cifar10Classes });
}

/** Reads CIFAR-10 from `folder/cifar10/`; throws as `readCifarImages` does. */
export function readLabelledImages(folder: string, part: DatasetPart): LabelledImages {
  const paths = partFiles[part].map((name) => join(folder, 'cifar10', name));
  return readCifarImages(paths, `offramp data cifar10 --to ${folder}`);
}

function readRecords(path: string, remedy: string): Uint8Array {
  const bytes = readDataFile(path, remedy);
  if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
    throw new OfframpError(
      'DATA_CORRUPT',
      `${path} has ${bytes.length} bytes, expected a multiple of ${recordBytes}`,
    );
  }
  return bytes;
}

function interleave(planes: Uint8Array, pixels: Uint8Array, offset: number): void {
  for (let at = 0; at < planeBytes; at += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      pixels[offset + at * channels + channel] = planes[channel * planeBytes + at] ?? 0;
    }
  }
}
