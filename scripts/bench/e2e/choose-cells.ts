import { OfframpError } from '../../../shared/errors.ts';
import { type Cell, cellsOf, type PreparedScenario } from '../../simulate/index.ts';
import { isLive, type LivePolicy } from './policy-arguments.ts';

/** A cell that can be run live. */
export interface LiveCell {
  readonly cell: Cell;
  readonly policy: LivePolicy;
}

export interface ChosenCells {
  readonly cells: readonly LiveCell[];
  /** Names of policies that nobody can follow before the run is over. */
  readonly leftOut: readonly string[];
}

const mostLiveDevices = 8;

/**
 * The cells of a scenario that are to be run live.
 * @param only `LINK/POLICY` patterns in which `*` stands for anything; all cells when empty.
 * @throws OfframpError CONFIG_INVALID for a pattern that fits no cell, when nothing is left, and for more devices than there can be.
 */
export function chooseCells(
  prepared: Pick<PreparedScenario, 'scenario' | 'links'>,
  only: readonly string[],
): ChosenCells {
  const { scenario, links } = prepared;
  const named = cellsOf(prepared).map((cell) => {
    const policy = scenario.policies[cell.policy];
    return { cell, policy, name: `${links[cell.link]?.name}/${policy?.name}` };
  });
  const patterns = only.map((text) => ({ text, pattern: patternOf(text) }));
  const lost = patterns.find(({ pattern }) => !named.some(({ name }) => pattern.test(name)));
  const names = () => [...new Set(named.map(({ name }) => name))].join(', ');
  if (lost !== undefined) {
    throw new OfframpError('CONFIG_INVALID', `--only ${lost.text} fits no cell, expected some of ${names()}`);
  }
  const wanted = named.filter(
    ({ name }) => patterns.length === 0 || patterns.some(({ pattern }) => pattern.test(name)),
  );
  const cells = wanted.flatMap(({ cell, policy }) =>
    policy !== undefined && isLive(policy) ? [{ cell, policy }] : [],
  );
  if (cells.length === 0) throw new OfframpError('CONFIG_INVALID', 'No cell is left that can be run live');
  const most = Math.max(...cells.map(({ cell }) => cell.devices));
  if (most > mostLiveDevices) {
    throw new OfframpError('CONFIG_INVALID', `${most} live devices, expected at most ${mostLiveDevices}`);
  }
  const leftOut = wanted.flatMap(({ policy }) =>
    policy !== undefined && !isLive(policy) ? [policy.name] : [],
  );
  return { cells, leftOut: [...new Set(leftOut)] };
}

function patternOf(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}
