import { reasonOf } from '../../shared/errors.ts';

/** What a step of a connection failed with, as Node says it. */
export interface Failure {
  readonly kind: 'failed';
  /** Such as `ECONNREFUSED` or `CERT_HAS_EXPIRED`; `ETIMEDOUT` also for a limit of our own. */
  readonly code: string | undefined;
  readonly message: string;
}

export function lateFailure(limitMs: number): Failure {
  return { kind: 'failed', code: 'ETIMEDOUT', message: `nothing within ${limitMs / 1000} s` };
}

export function failureOf(thrown: unknown): Failure {
  // A host of several addresses fails with an error of errors: the first says it.
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return failureOf(thrown.errors[0]);
  const code =
    thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
  return { kind: 'failed', code, message: reasonOf(thrown) };
}

/** In words: the message, with the code where it does not have it. */
export function failureWords({ code, message }: Failure): string {
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
