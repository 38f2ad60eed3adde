import { OfframpError } from '../errors.ts';
import type { ExitRecords } from '../exits/index.ts';
import { logitsOffset, recordsBytes } from './check.ts';

/** What a records file holds; the file itself has no header. */
export interface RecordsShape {
  readonly images: number;
  readonly exits: number;
  readonly classes: number;
  /** Name of the file, for error messages. */
  readonly file?: string;
}

/**
 * Reads a records file: labels uint8 [images], zero padding to a multiple of 8, logits float32 [images][exits][classes],
 * little-endian. Throws `BUNDLE_FILE_CORRUPT` for a wrong size, a label that is no class, padding that is not zero, and
 * logits that are not finite.
 */
export function parseRecords(bytes: Uint8Array, shape: RecordsShape): ExitRecords {
  const { images, exits, classes, file = 'records' } = shape;
  const expected = recordsBytes(images, exits, classes);
  if (bytes.length !== expected) {
    corrupt(
      file,
      `${bytes.length} bytes, expected ${expected} for ${images} images, ${exits} exits, ${classes} classes`,
    );
  }
  const start = logitsOffset(images);
  const labels = bytes.subarray(0, images);
  const wrongLabel = labels.findIndex((label) => label >= classes);
  if (wrongLabel >= 0)
    corrupt(file, `label ${labels[wrongLabel]} for image ${wrongLabel}, expected below ${classes}`);
  if (bytes.subarray(images, start).some((byte) => byte !== 0)) corrupt(file, 'padding, expected zero bytes');

  const logits = floats(bytes.subarray(start));
  const wrongLogit = logits.findIndex((value) => !Number.isFinite(value));
  if (wrongLogit >= 0) {
    const image = Math.floor(wrongLogit / (exits * classes));
    corrupt(file, `logit ${logits[wrongLogit]} for image ${image}, expected a finite number`);
  }
  return {
    images,
    labels,
    logits(exit, image) {
      if (!isIndex(exit, exits)) throw new RangeError(`got exit ${exit}, expected 0 to ${exits - 1}`);
      if (!isIndex(image, images)) throw new RangeError(`got image ${image}, expected 0 to ${images - 1}`);
      const from = (image * exits + exit) * classes;
      return logits.subarray(from, from + classes);
    },
  };
}

function isIndex(value: number, length: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < length;
}

function corrupt(file: string, gotAndExpected: string): never {
  throw new OfframpError('BUNDLE_FILE_CORRUPT', `${file}: got ${gotAndExpected}`);
}

function floats(bytes: Uint8Array): Float32Array {
  // A view needs an aligned start, which a slice of a larger read need not have. Every platform with a JavaScript
  // engine that we run on is little-endian, as the file is.
  const aligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new Float32Array(
    aligned.buffer,
    aligned.byteOffset,
    aligned.length / Float32Array.BYTES_PER_ELEMENT,
  );
}
