import * as assert from 'uvu/assert';

/** Bytes of hex digits; blanks are for the reader. */
export function bytes(hex: string): Uint8Array<ArrayBuffer> {
  const digits = hex.replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
}

export function hex(message: Uint8Array): string {
  return Buffer.from(message).toString('hex');
}

/** Asserts that `message` is exactly the bytes of `expected`. */
export function isHex(message: Uint8Array, expected: string): void {
  assert.is(hex(message), expected.replaceAll(/\s/g, ''));
}
