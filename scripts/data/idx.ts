import { join } from 'node:path';
import type { OfframpError } from '../../shared/errors.ts';
import {
  corruptData,
  type DatasetPart,
  type LabelledImages,
  labelledImages,
  readDataFile,
} from './labelled-images.ts';

/** Images of an idx file: `count` times `rows` x `columns` grey bytes, row by row. */
export interface IdxImages {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  readonly pixels: Uint8Array;
}

/** First four bytes, big-endian: two zeros, 8 for unsigned bytes, the number of dimensions. */
const imagesMagic = 0x00000803;
const labelsMagic = 0x00000801;
const defaultRemedy = 'offramp data mnist --to DIR';

/**
 * Reads images in MNIST's idx format, plain or gzip.
 *
 * @throws OfframpError `DATA_MISSING`; `DATA_CORRUPT` for another magic number or a length that does not fit the header.
 */
export function readIdxImages(path: string, remedy = defaultRemedy): IdxImages {
  const { sizes, body } = readIdx(path, imagesMagic, remedy);
  const [count = 0, rows = 0, columns = 0] = sizes;
  return { count, rows, columns, pixels: body };
}

/** Reads labels in MNIST's idx format, one byte each; throws as `readIdxImages` does. */
export function readIdxLabels(path: string, remedy = defaultRemedy): Uint8Array {
  return readIdx(path, labelsMagic, remedy).body;
}

/**
 * Reads an images file and its labels file.
 *
 * @throws OfframpError as `readIdxImages`, and `DATA_CORRUPT` when the two do not hold the same count.
 */
export function readIdxPair(imagesPath: string, labelsPath: string, remedy = defaultRemedy): LabelledImages {
  const { count, rows, columns, pixels } = readIdxImages(imagesPath, remedy);
  const labels = readIdxLabels(labelsPath, remedy);
  if (labels.length !== count) {
    throw corruptData(
      labelsPath,
      `holds ${labels.length} labels, but ${imagesPath} holds ${count} images`,
      remedy,
    );
  }
  return labelledImages({ shape: [rows, columns, 1], pixels, labels });
}

/** Reads MNIST from `folder/mnist/`; throws as `readIdxPair` does. */
export function readLabelledImages(folder: string, part: DatasetPart): LabelledImages {
  const prefix = part === 'train' ? 'train' : 't10k';
  return readIdxPair(
    join(folder, 'mnist', `${prefix}-images-idx3-ubyte.gz`),
    join(folder, 'mnist', `${prefix}-labels-idx1-ubyte.gz`),
    `offramp data mnist --to ${folder}`,
  );
}

function readIdx(wanted: string, magic: number, remedy: string): { sizes: number[]; body: Uint8Array } {
  const { path, bytes } = readDataFile(wanted, remedy);
  const corrupt = (what: string): OfframpError => corruptData(path, what, remedy);
  const dimensions = magic & 0xff;
  const headerBytes = 4 + 4 * dimensions;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerBytes) {
    throw corrupt(`has ${bytes.length} bytes, too few for its header of ${headerBytes}`);
  }
  const found = view.getUint32(0);
  if (found !== magic) throw corrupt(`begins with ${hex(found)}, expected ${hex(magic)}`);
  const sizes = Array.from({ length: dimensions }, (_, index) => view.getUint32(4 + 4 * index));
  const bodyBytes = sizes.reduce((product, size) => product * size, 1);
  if (bytes.length !== headerBytes + bodyBytes) {
    throw corrupt(`has ${bytes.length} bytes, expected ${headerBytes + bodyBytes} for ${sizes.join(' x ')}`);
  }
  return { sizes, body: bytes.subarray(headerBytes) };
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
