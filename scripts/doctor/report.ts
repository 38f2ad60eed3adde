import { styleText } from 'node:util';
import type { Check, CheckState } from './check.ts';

const colours = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'gray' } as const;
const stateWidth = 7;

/** Whether to colour: on a terminal, unless https://no-color.org is heeded. */
export type Look = 'coloured' | 'plain';

/** A check as a line, and its mend as one below. */
export function checkWords({ check, state, found, mend }: Check, look: Look): string {
  const line = `${stateWords(state, look)}  ${check}: ${found}`;
  return mend === undefined ? line : `${line}\n${' '.repeat(stateWidth)}  -> ${mend}`;
}

/** How many checks came to what. */
export function countWords(checks: readonly Check[]): string {
  const states: readonly CheckState[] = ['ok', 'warning', 'failed', 'skipped'];
  const counts = states.map((state) => `${checks.filter((check) => check.state === state).length} ${state}`);
  return `${checks.length} checks: ${counts.join(', ')}`;
}

function stateWords(state: CheckState, look: Look): string {
  const padded = state.padEnd(stateWidth);
  return look === 'coloured' ? styleText(colours[state], padded) : padded;
}
