import type { Bundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { Provider } from '../../shared/runtime/index.ts';
import { type FixedThresholds, fixedThresholds } from '../agent/index.ts';
import type { AgentSettings, PageProvider, SettingsInUse } from './api.ts';
import type { StartOrder } from './messages.ts';

/** What was asked for, with every place filled in but the cut. */
export interface Wanted {
  readonly cut: number;
  readonly channels: number | 'all';
  readonly threshold: number | 'calibrated';
  readonly budgetMs: number;
}

export const usualBudgetMs = 500;
const mostBudgetMs = 600_000;
const usualMaxInFlight = 256;
const mostInFlight = 4096;
const leastPriority = 64;

/** @throws OfframpError BUDGET_INVALID. */
export function checkBudget(budgetMs: number | undefined): void {
  if (budgetMs === undefined || (budgetMs > 0 && budgetMs <= mostBudgetMs)) return;
  const expected = `expected above 0 and at most ${mostBudgetMs}`;
  throw new OfframpError('BUDGET_INVALID', `budgetMs: got ${budgetMs}, ${expected}`);
}

/** @throws OfframpError CONFIG_INVALID. */
export function maxInFlightOf({ maxInFlight = usualMaxInFlight }: Pick<StartOrder, 'maxInFlight'>): number {
  checkWhole('maxInFlight', maxInFlight, mostInFlight);
  return maxInFlight;
}

/** @throws OfframpError CONFIG_INVALID. */
export function checkPriority(priority: number | undefined): void {
  if (priority !== undefined) checkWhole('priority', priority, leastPriority);
}

const providers: Readonly<Record<PageProvider, Provider>> = { auto: 'wasm', wasm: 'wasm', webgpu: 'webgpu' };

/**
 * What is tried, in this order. One only: another than what was asked for would be a silent downgrade.
 * @throws OfframpError CONFIG_INVALID.
 */
export function providersOf(asked: PageProvider = 'auto'): readonly Provider[] {
  // A page without types may say anything.
  if (Object.hasOwn(providers, asked)) return [providers[asked]];
  const expected = Object.keys(providers).join(', ');
  throw new OfframpError('CONFIG_INVALID', `provider: got ${asked}, expected one of ${expected}`);
}

function checkWhole(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new OfframpError('CONFIG_INVALID', `${name}: got ${value}, expected 1 to ${most}`);
}

/**
 * What is wanted after a change. Another cut has other rates, so it begins with all channels.
 * @throws OfframpError BUDGET_INVALID.
 */
export function changed(wanted: Wanted, asked: AgentSettings): Wanted {
  checkBudget(asked.budgetMs);
  const cut = asked.cut ?? wanted.cut;
  return {
    cut,
    channels: asked.channels ?? (cut === wanted.cut ? wanted.channels : 'all'),
    threshold: asked.threshold ?? wanted.threshold,
    budgetMs: asked.budgetMs ?? wanted.budgetMs,
  };
}

/** @throws OfframpError CONFIG_INVALID for settings that plans bring with them. */
export function checkPlansOwn({ cut, channels, threshold }: AgentSettings): void {
  if (cut === undefined && channels === undefined && threshold === undefined) return;
  throw new OfframpError(
    'CONFIG_INVALID',
    'cut, channels and threshold: got some with an objective, expected none: plans bring their own',
  );
}

/** @throws OfframpError CONFIG_INVALID. */
export function thresholdsFor(
  { manifest }: Bundle,
  { cut, threshold }: Pick<Wanted, 'cut' | 'threshold'>,
): FixedThresholds | undefined {
  return threshold === 'calibrated' ? undefined : fixedThresholds(manifest, cut, [threshold]);
}

/** What an agent at these settings follows. */
export function inUse({ manifest }: Bundle, { cut, channels, threshold, budgetMs }: Wanted): SettingsInUse {
  const reached = manifest.exits.slice(0, Math.max(1, cut));
  const calibratedThresholds = reached.flatMap((exit) => exit.threshold ?? []);
  const thresholds =
    threshold === 'calibrated' ? calibratedThresholds : calibratedThresholds.map(() => threshold);
  const all = manifest.segments[cut - 1]?.codes?.shape[0];
  const sent = all === undefined || channels === 'all' ? all : channels;
  return { cut, ...(sent !== undefined && { channels: sent }), thresholds, calibratedThresholds, budgetMs };
}
