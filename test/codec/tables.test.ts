import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCutTables } from '../../shared/codec/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { tableBytes, uniformRows } from './tables-source.ts';

const shape = { contexts: 64, levels: 4, file: 'cut1.tables.bin' };

function throwsCorrupt(bytes: Uint8Array, part: string): void {
  assert.throws(
    () => parseCutTables(bytes, shape),
    (error: unknown) =>
      error instanceof OfframpError &&
      error.code === 'BUNDLE_FILE_CORRUPT' &&
      error.message.startsWith('cut1.tables.bin: ') &&
      error.message.includes(part),
  );
}

const Tables = suite('cut tables');

Tables('are read little-endian, from any alignment', () => {
  const rows = uniformRows(1, 2);
  rows[63] = [1, 2, 0x1234, 16384 - 3 - 0x1234];
  const bytes = tableBytes(rows);
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  const tables = parseCutTables(shifted.subarray(1), shape);
  assert.is(tables.contexts, 64);
  assert.is(tables.levels, 4);
  assert.equal(tables.cumulative.slice(0, 4), Uint16Array.of(0, 4096, 8192, 12288));
  assert.equal(tables.cumulative.slice(-4), Uint16Array.of(0, 1, 3, 3 + 0x1234));
});

Tables('of a wrong size are refused', () => {
  const bytes = tableBytes(uniformRows(1, 2));
  throwsCorrupt(bytes.subarray(0, -1), 'got 511 bytes, expected 512');
  throwsCorrupt(new Uint8Array(514), 'got 514 bytes, expected 512');
  throwsCorrupt(new Uint8Array(0), 'got 0 bytes');
});

Tables('with a row that does not add up are refused, naming the row', () => {
  const rows = uniformRows(1, 2);
  rows[17] = [4096, 4096, 4096, 4097];
  throwsCorrupt(tableBytes(rows), 'row 17: got sum 16385, expected 16384');
  // Wraps to 16384 in 16 bits.
  rows[17] = [16384, 16384, 32768, 16384];
  throwsCorrupt(tableBytes(rows), 'row 17: got sum 81920');
});

Tables('with a level that could not be sent are refused, naming row and level', () => {
  const rows = uniformRows(1, 2);
  rows[5] = [8192, 8192 - 1, 0, 1];
  throwsCorrupt(tableBytes(rows), 'row 5: got 0 for level 2');
});

Tables.run();
