import { existsSync, readFileSync } from 'node:fs';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** Files that images may come from, and how many images each holds. */
export interface ListedFiles {
  /** Those of the part that is read, in its order. */
  readonly wanted: readonly string[];
  /** Those of all parts. */
  readonly known: readonly string[];
  readonly recordsPerFile: number;
}

/**
 * Reads the list of images whose pixels only come close to the published ones: a JSON object from file name to record
 * numbers, from 0, such as `{"test_batch.bin": [1259, 1369]}`. Gives their numbers within the files wanted, joined in
 * order; `undefined` where there is no such list.
 *
 * @throws OfframpError `DATA_CORRUPT` for anything else than such a list, a file it does not know among it.
 */
export function readApproximate(path: string, files: ListedFiles): ReadonlySet<number> | undefined {
  if (!existsSync(path)) return undefined;
  const listed = Object.entries(parseObject(path)).map(
    ([name, records]) => [name, checkRecords(path, name, records, files)] as const,
  );
  const images = listed.flatMap(([name, records]) => {
    const place = files.wanted.indexOf(name);
    return place < 0 ? [] : records.map((record) => place * files.recordsPerFile + record);
  });
  return new Set(images);
}

function parseObject(path: string): object {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (thrown) {
    throw corrupt(
      path,
      `is no JSON (${reasonOf(thrown)}), expected an object from file names to record numbers`,
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw corrupt(path, `holds ${shown(value)}, expected an object from file names to record numbers`);
}

function checkRecords(path: string, name: string, value: unknown, files: ListedFiles): readonly number[] {
  const { known, recordsPerFile } = files;
  if (!known.includes(name)) {
    throw corrupt(path, `lists ${shown(name)}, expected one of ${known.join(', ')}`);
  }
  if (!Array.isArray(value)) {
    throw corrupt(path, `has ${shown(value)} for ${name}, expected a list of record numbers`);
  }
  const records: unknown[] = value;
  return records.map((record, place) => {
    if (isRecord(record, recordsPerFile) && records.indexOf(record) === place) return record;
    const expected = `whole numbers from 0 to ${recordsPerFile - 1}, each once`;
    throw corrupt(path, `lists record ${shown(record)} of ${name}, expected ${expected}`);
  });
}

function isRecord(value: unknown, records: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < records;
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 60);
}

function corrupt(path: string, what: string): OfframpError {
  return new OfframpError(
    'DATA_CORRUPT',
    `${path} ${what}. Mend it, or delete it where every image is the published one`,
  );
}
