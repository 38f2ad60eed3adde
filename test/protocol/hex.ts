import * as assert from 'uvu/assert';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';

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

/** Asserts that `action` throws our error with `code`, and `part` in its words. */
export function throwsCode(action: () => unknown, code: ErrorCode, part = ''): void {
  assert.throws(action, (error: unknown) => {
    assert.instance(error, OfframpError);
    assert.is(error.code, code, `${error.code}: ${error.message}`);
    assert.ok(error.message.includes(part), `'${error.message}' does not say '${part}'`);
    return true;
  });
}

/** Asserts that `promise` is rejected with our error and `code`; returns the error. */
export async function rejectsCode(
  promise: Promise<unknown>,
  code: ErrorCode,
  part = '',
): Promise<OfframpError> {
  const error: unknown = await promise.then(
    (value) => assert.unreachable(`expected ${code}, got ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  assert.instance(error, OfframpError, String(error));
  // The assertion above does not narrow.
  const ours = error as OfframpError;
  assert.is(ours.code, code, `${ours.code}: ${ours.message}`);
  assert.ok(ours.message.includes(part), `'${ours.message}' does not say '${part}'`);
  return ours;
}
