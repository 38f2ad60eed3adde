import { OfframpError } from '../../errors.ts';

/** What a page has for threads. */
export interface ThreadFacts {
  /** Whether memory can be shared between threads (`crossOriginIsolated`). */
  readonly isIsolated: boolean;
  /** Cores of the machine, as far as the browser tells. */
  readonly cores: number;
}

const mostThreads = 64;
/** More than these onnxruntime does not take by itself either. */
const usualMost = 4;

/**
 * Threads of a session: as many as asked for, else half of the cores and at most four, and one where memory cannot be shared.
 * @throws OfframpError CONFIG_INVALID for a number out of range, or more than one where memory cannot be shared.
 */
export function threadsFor(asked: number | undefined, { isIsolated, cores }: ThreadFacts): number {
  if (asked === undefined) return isIsolated ? Math.max(1, Math.min(usualMost, Math.ceil(cores / 2))) : 1;
  if (!Number.isInteger(asked) || asked < 1 || asked > mostThreads) {
    throw new OfframpError('CONFIG_INVALID', `threads: got ${asked}, expected 1 to ${mostThreads}`);
  }
  if (asked === 1 || isIsolated) return asked;
  throw new OfframpError(
    'CONFIG_INVALID',
    `threads: got ${asked}, expected 1 in a page that is not cross-origin isolated: it lacks the headers of docs/web.md`,
  );
}
