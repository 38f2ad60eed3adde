import type { ErrorCode, OfframpError } from '../../shared/errors.ts';
import type { Answer } from '../agent/index.ts';

export interface ErrorWords {
  readonly code: ErrorCode;
  readonly message: string;
}

/** An error as JSON shows it. */
export function errorWords({ code, message }: OfframpError): ErrorWords {
  return { code, message };
}

/** An answer as JSON shows it: with plain lists. */
export function answerJson(answer: Answer): Record<string, unknown> {
  return { ...answer, probabilities: Array.from(answer.probabilities) };
}
