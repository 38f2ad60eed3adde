import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** Which part of a data set: the one to train on, or the one held out by its publisher. */
export type DatasetPart = 'train' | 'test';

/** Images with their labels, the pixels in one block. */
export interface LabelledImages {
  readonly count: number;
  /** Height, width, channels of each image. */
  readonly shape: readonly [number, number, number];
  /** `count` images one behind the other, each height x width x channels, 0 to 255. */
  readonly pixels: Uint8Array;
  /** One class number per image. */
  readonly labels: Uint8Array;
  /** Class names in label order, where the data set has them. */
  readonly classes?: readonly string[];
  /** Numbers of the images whose pixels only come close to the published ones; absent where the data folder lists none. */
  readonly approximate?: ReadonlySet<number>;
  /** The pixels of image `index`: a view, not a copy. Throws a RangeError outside 0 to count - 1. */
  image(index: number): Uint8Array;
}

interface ImageParts {
  readonly shape: readonly [number, number, number];
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
  readonly classes?: readonly string[];
  readonly approximate?: ReadonlySet<number>;
}

/** Joins pixels and labels; the caller has checked that their counts agree. */
export function labelledImages(parts: ImageParts): LabelledImages {
  const imageBytes = parts.shape[0] * parts.shape[1] * parts.shape[2];
  const count = parts.labels.length;
  return {
    ...parts,
    count,
    image(index) {
      if (!Number.isInteger(index) || index < 0 || index >= count) {
        throw new RangeError(`image ${index} of ${count}`);
      }
      return parts.pixels.subarray(index * imageBytes, (index + 1) * imageBytes);
    },
  };
}

/** More than any file of the known sets holds; stops a small file that unpacks without end. */
const maxFileBytes = 256 * 2 ** 20;

/** A data file as it was found, unpacked. */
export interface DataFile {
  /** The path it was really read from. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads a file whole, with or without gzip around it. When `path` is not there, `path.gz` is taken, or the other way round.
 *
 * @param remedy What the reader of the error can do to get the file.
 * @throws OfframpError `DATA_MISSING`, or `DATA_CORRUPT` when the gzip is damaged.
 */
export function readDataFile(path: string, remedy: string): DataFile {
  const other = path.endsWith('.gz') ? path.slice(0, -3) : `${path}.gz`;
  const found = [path, other].find((candidate) => existsSync(candidate));
  if (found === undefined) throw new OfframpError('DATA_MISSING', `${path} is missing: ${remedy}`);
  const bytes = readWhole(found);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return { path: found, bytes };
  try {
    return { path: found, bytes: gunzipSync(bytes, { maxOutputLength: maxFileBytes }) };
  } catch (thrown) {
    throw corruptData(found, `is no whole gzip file: ${reasonOf(thrown)}`, remedy, thrown);
  }
}

function readWhole(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new OfframpError('DATA_MISSING', `${path} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

/** The `DATA_CORRUPT` of a file that is there and wrong. A download keeps what is there, hence the advice to delete it. */
export function corruptData(path: string, what: string, remedy: string, cause?: unknown): OfframpError {
  return new OfframpError('DATA_CORRUPT', `${path} ${what}. Delete it, then: ${remedy}`, { cause });
}
