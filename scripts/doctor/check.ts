/** What a check came to; `skipped` where there was nothing to look at, or no way to look. */
export type CheckState = 'ok' | 'warning' | 'failed' | 'skipped';

/** One line of what `offramp doctor` says. */
export interface Check {
  /** What was looked at. */
  readonly check: string;
  readonly state: CheckState;
  readonly found: string;
  /** A command or a setting; there for every warning and failure. */
  readonly mend?: string;
}

/** What a rule makes of a measurement; the name of the check comes from where it was measured. */
export type Finding = Omit<Check, 'check'>;

export function ok(found: string): Finding {
  return { state: 'ok', found };
}

export function warning(found: string, mend: string): Finding {
  return { state: 'warning', found, mend };
}

export function failed(found: string, mend: string): Finding {
  return { state: 'failed', found, mend };
}

export function skipped(found: string): Finding {
  return { state: 'skipped', found };
}

/** 1 when anything has failed. Warnings are no failure: what they are about still runs. */
export function exitCodeOf(checks: readonly Check[]): 0 | 1 {
  return checks.some(({ state }) => state === 'failed') ? 1 : 0;
}
