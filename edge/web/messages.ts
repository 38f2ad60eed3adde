import { isErrorCode, OfframpError } from '../../shared/errors.ts';
import type { Answer, DeviceOpinion } from '../agent/index.ts';
import type {
  AgentEvent,
  AgentSettings,
  AgentStatus,
  BundleFacts,
  ClassifyOptions,
  PageImage,
  SettingsInUse,
  StartOptions,
} from './api.ts';

/** The options of a start with addresses that mean the same to a worker, and all of them there. */
export interface StartOrder extends Omit<StartOptions, 'cloudUrl' | 'wasmUrl' | 'workerUrl' | 'bundleUrl'> {
  /** Both with the slash at their end. */
  readonly bundleUrl: string;
  readonly wasmUrl: string;
  readonly cloudUrls: readonly string[];
}

export interface ClassifyOrder extends Omit<ClassifyOptions, 'onDevice'> {
  readonly image: PageImage;
  /** Whether somebody wants to be told what the device thinks. */
  readonly tellsDevice: boolean;
}

/** What a page may ask its worker, and what that answers. */
export interface Asks {
  readonly start: { readonly order: StartOrder; readonly answer: BundleFacts };
  readonly classify: { readonly order: ClassifyOrder; readonly answer: Answer };
  readonly configure: { readonly order: AgentSettings; readonly answer: SettingsInUse };
  readonly status: { readonly order: undefined; readonly answer: AgentStatus };
  readonly close: { readonly order: undefined; readonly answer: undefined };
}

export type AskKind = keyof Asks;

/** One question; its number comes back with the answer. */
export type ToWorker = {
  [Kind in AskKind]: { readonly kind: Kind; readonly job: number; readonly order: Asks[Kind]['order'] };
}[AskKind];

/** An error as it crosses from a thread to another. */
export interface ErrorParts {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export type FromWorker =
  | { readonly kind: 'done'; readonly job: number; readonly answer: Asks[AskKind]['answer'] }
  | { readonly kind: 'failed'; readonly job: number; readonly error: ErrorParts }
  | { readonly kind: 'device'; readonly job: number; readonly device: DeviceOpinion }
  | { readonly kind: 'event'; readonly event: AgentEvent };

export function errorParts(thrown: unknown): ErrorParts {
  const { code, message, retryAfterMs } = OfframpError.from(thrown);
  return { code, message, retryAfterMs };
}

export function errorOf({ code, message, retryAfterMs }: ErrorParts): OfframpError {
  const known = isErrorCode(code) ? code : 'INTERNAL';
  return new OfframpError(known, message, retryAfterMs === undefined ? {} : { retryAfterMs });
}
