import type { ErrorCode, OfframpError } from '../../shared/errors.ts';
import type { Answer, DeviceOpinion } from '../agent/index.ts';

export interface ErrorWords {
  readonly code: ErrorCode;
  readonly message: string;
}

/** An error as JSON shows it. */
export function errorWords({ code, message }: OfframpError): ErrorWords {
  return { code, message };
}

/** An answer as JSON shows it: with plain lists, and those of the exit that answered alone. */
export function answerJson(answer: Answer): Record<string, unknown> {
  const { device } = answer;
  return {
    ...answer,
    probabilities: Array.from(answer.probabilities),
    ...(device !== undefined && { device: deviceJson(device) }),
  };
}

function deviceJson({ exit, label, entropy, runMs }: DeviceOpinion): Record<string, unknown> {
  return { exit, label, entropy, runMs };
}
