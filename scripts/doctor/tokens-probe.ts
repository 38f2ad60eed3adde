import { statSync } from 'node:fs';
import { OfframpError } from '../../shared/errors.ts';
import { isLoopback, type TokenEntry } from '../../shared/host/index.ts';
import { readTokens } from '../options.ts';
import { type Check, failed } from './check.ts';
import { judgeMode, judgeOpenness, judgeTokens, type TokenUse } from './tokens.ts';

export interface TokenPlace {
  readonly use: TokenUse;
  /** The option that names the file, and the variable that may stand in for it. */
  readonly option: string;
  readonly file: string | undefined;
  readonly variable: string;
}

export interface TokenExamination {
  readonly checks: readonly Check[];
  /** Absent when they cannot be read. */
  readonly entries: readonly TokenEntry[] | undefined;
}

/** Tokens of a file or a variable; no check where neither is given. */
export function examineTokens({ use, option, file, variable }: TokenPlace): TokenExamination {
  const check = file === undefined ? `tokens of ${variable}` : `${option} ${file}`;
  try {
    const entries = readTokens(file, variable);
    if (entries.length === 0) return { checks: [], entries };
    const finding = { check, ...judgeTokens(entries, use, Date.now()) };
    return { checks: file === undefined ? [finding] : [finding, ...modeCheck(check, file)], entries };
  } catch (thrown) {
    const { code, message } = OfframpError.from(thrown);
    const mend =
      file === undefined
        ? `set ${variable} to tokens of 16 to 512 characters, separated by commas`
        : `openssl rand -hex 24 > ${file} && chmod 600 ${file}; "Tokens" in docs/operating.md says what a line holds`;
    return { checks: [{ check, ...failed(`${code}: ${message}`, mend) }], entries: undefined };
  }
}

/** Whether servers may listen on `host` with these tokens of theirs. */
export function examineOpenness(host: string, tokens: number): Check {
  return { check: `host ${host}`, ...judgeOpenness(isLoopback(host) ? 'loopback' : 'network', tokens) };
}

/** Windows has no such modes. */
function modeCheck(check: string, file: string): Check[] {
  if (process.platform === 'win32') return [];
  return [{ check: `${check} mode`, ...judgeMode(statSync(file).mode, file) }];
}
