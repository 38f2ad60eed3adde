import * as assert from 'uvu/assert';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';

/** Asserts that `action` throws our error with `code`, and `part` in its words. */
export function throwsCode(action: () => unknown, code: ErrorCode, part = ''): void {
  try {
    action();
  } catch (thrown) {
    isOurs(thrown, code, part);
    return;
  }
  assert.unreachable(`expected ${code}, nothing was thrown`);
}

/** Asserts that `promise` is rejected with our error and `code`; returns the error. */
export async function rejectsCode(
  promise: Promise<unknown>,
  code: ErrorCode,
  part = '',
): Promise<OfframpError> {
  const thrown: unknown = await promise.then(
    (value) => assert.unreachable(`expected ${code}, got ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  return isOurs(thrown, code, part);
}

function isOurs(thrown: unknown, code: ErrorCode, part: string): OfframpError {
  if (!(thrown instanceof OfframpError)) throw thrown;
  assert.is(thrown.code, code, `${thrown.code}: ${thrown.message}`);
  assert.ok(thrown.message.includes(part), `'${thrown.message}' does not say '${part}'`);
  return thrown;
}

/** The outcome of `promise`, or a failure after `limitMs`: uvu itself waits for ever. */
export async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `met` holds. */
export async function until(met: () => boolean, limitMs = 5000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!met()) {
    if (performance.now() > deadline) throw new Error(`not met within ${limitMs} ms: ${met}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
