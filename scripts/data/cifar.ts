import { join } from 'node:path';
import { readApproximate } from './approximate.ts';
import { cifar10BatchBytes, cifar10Classes } from './datasets.ts';
import {
  corruptData,
  type DataFile,
  type DatasetPart,
  type LabelledImages,
  labelledImages,
  readDataFile,
} from './labelled-images.ts';

const side = 32;
const planeBytes = side * side;
const channels = 3;
/** One label byte, then the red, the green and the blue plane, each row by row. */
const recordBytes = 1 + channels * planeBytes;
const recordsPerFile = cifar10BatchBytes / recordBytes;

const partFiles: Readonly<Record<DatasetPart, readonly string[]>> = {
  train: [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`),
  test: ['test_batch.bin'],
};
const defaultRemedy = 'offramp data cifar10 --to DIR';

/**
 * Reads files in the layout of CIFAR-10's binary version, plain or gzip, as one set. The pixels come out as
 * height x width x channels, no longer plane by plane.
 *
 * @throws OfframpError `DATA_MISSING`; `DATA_CORRUPT` for a length that is no whole number of records, or a label above 9.
 */
export function readCifarImages(paths: readonly string[], remedy = defaultRemedy): LabelledImages {
  const files = paths.map((path) => {
    const file = readDataFile(path, remedy);
    const { bytes } = file;
    if (bytes.length > 0 && bytes.length % recordBytes === 0) return file;
    throw corruptData(file.path, `has ${bytes.length} bytes, expected a multiple of ${recordBytes}`, remedy);
  });
  return joinRecords(files, remedy);
}

/**
 * Reads CIFAR-10 from `folder/cifar10/`, as published: every file of 10,000 records, every class as often as the others.
 * `cifar10/approx_indices.json`, where it is there, says which images only come close to the published ones.
 *
 * @throws OfframpError `DATA_MISSING`; `DATA_CORRUPT` for another size, a label above 9, another file under a part's name,
 *   or a nonsensical `approx_indices.json`.
 */
export function readLabelledImages(folder: string, part: DatasetPart): LabelledImages {
  const home = join(folder, 'cifar10');
  const remedy = `offramp data cifar10 --to ${folder}`;
  const files = partFiles[part].map((name) => readBatch(join(home, `${name}.gz`), remedy));
  const images = joinRecords(files, remedy);
  checkClassCounts(images, files, remedy);
  const approximate = readApproximate(join(home, 'approx_indices.json'), {
    wanted: partFiles[part],
    known: [...partFiles.train, ...partFiles.test],
    recordsPerFile,
  });
  return approximate === undefined ? images : { ...images, approximate };
}

function readBatch(wanted: string, remedy: string): DataFile {
  const file = readDataFile(wanted, remedy);
  const { path, bytes } = file;
  if (bytes.length === cifar10BatchBytes) return file;
  const expected = `${cifar10BatchBytes}, ${recordsPerFile} records of ${recordBytes}`;
  throw corruptData(path, `holds ${bytes.length} bytes, expected ${expected}`, remedy);
}

function joinRecords(files: readonly DataFile[], remedy: string): LabelledImages {
  const count = files.reduce((sum, { bytes }) => sum + bytes.length / recordBytes, 0);
  const pixels = new Uint8Array(count * channels * planeBytes);
  const labels = new Uint8Array(count);
  let image = 0;
  for (const { path, bytes } of files) {
    for (let start = 0; start < bytes.length; start += recordBytes) {
      const label = bytes[start] ?? 0;
      if (label >= cifar10Classes.length) {
        const record = start / recordBytes;
        const expected = `0 to ${cifar10Classes.length - 1}`;
        throw corruptData(path, `has label ${label} in record ${record}, expected ${expected}`, remedy);
      }
      labels[image] = label;
      interleave(bytes.subarray(start + 1, start + recordBytes), pixels, image * channels * planeBytes);
      image += 1;
    }
  }
  return labelledImages({ shape: [side, side, channels], pixels, labels, classes: cifar10Classes });
}

/** The publisher has every class equally often in each part, and in no single file of the training part. */
function checkClassCounts({ labels }: LabelledImages, files: readonly DataFile[], remedy: string): void {
  const expected = labels.length / cifar10Classes.length;
  const counts = new Array<number>(cifar10Classes.length).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  const wrong = counts.findIndex((count) => count !== expected);
  if (wrong < 0) return;
  const got = `${counts[wrong]} images of class ${wrong} (${cifar10Classes[wrong]})`;
  const paths = files.map(({ path }) => path).join(', ');
  const what = `has ${got}, expected ${expected} as published: another file under this name?`;
  throw corruptData(paths, what, remedy);
}

function interleave(planes: Uint8Array, pixels: Uint8Array, offset: number): void {
  for (let at = 0; at < planeBytes; at += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      pixels[offset + at * channels + channel] = planes[channel * planeBytes + at] ?? 0;
    }
  }
}
