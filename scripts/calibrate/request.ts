import type { Manifest } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { LossKind, MeanTarget, RiskMethod, RiskQuestion } from '../../shared/exits/index.ts';

export const targetKinds = ['agreement', 'accuracy', 'device-share', 'mean-cost'] as const;
export type TargetKind = (typeof targetKinds)[number];

/** What a person may ask for; which of them belong together is checked by `parseRequest`. */
export interface CalibrationOptions {
  readonly target: TargetKind;
  readonly atLeast?: number | undefined;
  readonly atMostMacs?: number | undefined;
  readonly epsilon?: number | undefined;
  readonly delta?: number | undefined;
  readonly method?: RiskMethod | undefined;
  readonly loss?: 'disagreement' | 'gap' | undefined;
}

/** A risk kept within bounds, or a target on plain means. */
export type Goal =
  | { readonly by: 'risk'; readonly loss: LossKind; readonly question: RiskQuestion }
  | { readonly by: 'mean'; readonly target: MeanTarget };

export interface CalibrationRequest {
  /** As the manifest records it. */
  readonly target: Manifest['calibration']['target'];
  readonly goal: Goal;
}

// Losses are 0 or 1, where Bentkus's bound is all but exact and, on the records at hand, lets more images leave than betting does.
const defaults = { epsilon: 0.01, delta: 0.05, method: 'ltt', loss: 'disagreement' } as const;

/** The options each target takes besides its name. */
const optionsOf: Record<TargetKind, readonly (keyof CalibrationOptions)[]> = {
  agreement: ['epsilon', 'delta', 'method', 'loss'],
  accuracy: ['atLeast', 'delta', 'method'],
  'device-share': ['atLeast'],
  'mean-cost': ['atMostMacs'],
};

/** Turns options into a goal; `CONFIG_INVALID` for one that the target does not take, is missing, or contradicts another. */
export function parseRequest(options: CalibrationOptions): CalibrationRequest {
  refuseStrangers(options);
  const { target: kind } = options;
  if (kind === 'agreement') return agreementRequest(options);
  if (kind === 'mean-cost') {
    const atMostMacs = required(options.atMostMacs, '--at-most-macs', kind);
    return { target: { kind, value: atMostMacs }, goal: { by: 'mean', target: { kind, atMostMacs } } };
  }
  const atLeast = required(options.atLeast, '--at-least', kind);
  const target = { kind, value: atLeast };
  if (kind === 'accuracy' && options.delta !== undefined) {
    return { target, goal: accuracyGoal(atLeast, options.delta, options.method) };
  }
  if (options.method !== undefined) {
    refuse(
      `--method ${options.method} without --delta`,
      'both or neither: without --delta the accuracy is a plain mean',
    );
  }
  return { target, goal: { by: 'mean', target: { kind, atLeast } } };
}

function agreementRequest(options: CalibrationOptions): CalibrationRequest {
  const { epsilon = defaults.epsilon, delta = defaults.delta } = options;
  const { method = defaults.method, loss = defaults.loss } = options;
  if (method === 'crc' && options.delta !== undefined) {
    refuse('--delta with --method crc', 'none, as crc holds in expectation; ucb-wsr and ltt take one');
  }
  return {
    target: { kind: 'agreement', value: complement(epsilon) },
    goal: { by: 'risk', loss, question: { method, epsilon, delta } },
  };
}

function accuracyGoal(atLeast: number, delta: number, method: RiskMethod = defaults.method): Goal {
  // Its theorem asks for a loss of 0 at the lowest level, and the last exit errs, too.
  if (method === 'crc') refuse('--method crc for accuracy', 'ucb-wsr or ltt');
  return { by: 'risk', loss: 'error', question: { method, epsilon: complement(atLeast), delta } };
}

function refuseStrangers({ target, ...options }: CalibrationOptions): void {
  const allowed = optionsOf[target];
  for (const name of ['atLeast', 'atMostMacs', 'epsilon', 'delta', 'method', 'loss'] as const) {
    if (options[name] === undefined || allowed.includes(name)) continue;
    refuse(`${flagOf(name)} with --target ${target}`, `only ${allowed.map(flagOf).join(', ')}`);
  }
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function required(value: number | undefined, flag: string, kind: TargetKind): number {
  return value ?? refuse(`--target ${kind} without ${flag}`, `${flag}, the figure to reach`);
}

function refuse(got: string, expected: string): never {
  throw new OfframpError('CONFIG_INVALID', `got ${got}, expected ${expected}`);
}

/** 1 - share without the tail of binary rounding, so that 0.99 gives 0.01. */
function complement(share: number): number {
  return Number((1 - share).toPrecision(12));
}
