import { blankSource } from './source.ts';

/** What became of one test file's process. */
export interface FileRun {
  /** Exit status; `null` when a signal ended the process. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The time limit it ran into, in seconds; absent when it ended by itself. */
  readonly timedOutAfterSeconds?: number;
  /** Whether processes of its group were still alive after it had ended. */
  readonly leftProcesses: boolean;
  /** Standard output and standard error together, without colours. */
  readonly output: string;
}

/** The closing lines of uvu. `total` leaves out the tests that uvu skipped. */
export interface Totals {
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

/** What the runner says of one test file, counted in tests. */
export interface Verdict {
  readonly passed: number;
  /** At least 1 when there is any reason to fail the file. */
  readonly failed: number;
  readonly skipped: number;
  readonly skipReasons: readonly string[];
  /** Why the file fails; empty when it holds. */
  readonly failures: readonly string[];
}

const closingLines = /^\s*Total:\s+(\d+)\s*\n\s*Passed:\s+(\d+)\s*\n\s*Skipped:\s+(\d+)\s*$/gm;

/** The last closing lines in the output, or `undefined` when uvu never came to its end. */
export function parseTotals(output: string): Totals | undefined {
  const last = [...output.matchAll(closingLines)].at(-1);
  if (last === undefined) return undefined;
  return { total: Number(last[1]), passed: Number(last[2]), skipped: Number(last[3]) };
}

/** The reasons of all `SKIP reason` lines, in order. One such line stands for one test that did not run. */
export function parseSkipReasons(output: string): string[] {
  return [...output.matchAll(/^[ \t•✘]*SKIP (.*\S)\s*$/gm)].map((match) => match[1] ?? '');
}

/**
 * Suites of a test file's text that are made and never run, by name; uvu passes over those in silence.
 * The default suite counts when the file imports `test` from uvu.
 */
export function suitesNotRun(source: string): string[] {
  const { code, strings } = blankSource(source);
  const names = [...code.matchAll(/([\w$]+)\s*=\s*suite\s*(?:<[^;()]*>)?\s*\(/g)].map(
    (match) => match[1] ?? '',
  );
  const calls = code.match(/(?<![\w$.])suite\s*(?:<[^;()]*>)?\s*\(/g)?.length ?? 0;
  const defaults = importsDefaultSuite(code, strings) ? ['test'] : [];
  const missing = [...names, ...defaults].filter((name) => !hasRun(code, name));
  if (calls > names.length) missing.push(`${calls - names.length} suite(s) without a name`);
  return missing;
}

function hasRun(code: string, name: string): boolean {
  const escaped = name.replaceAll('$', '\\$');
  return new RegExp(`(?<![\\w$.])${escaped}\\.run\\s*\\(\\s*\\)`).test(code);
}

function importsDefaultSuite(code: string, strings: ReadonlyMap<number, string>): boolean {
  for (const match of code.matchAll(/import\s*\{([^}]*)\}\s*from\s*(?=['"])/g)) {
    const module = strings.get(match.index + match[0].length);
    if (module === 'uvu' && /(?:^|[\s,])test(?:[\s,]|$)/.test(match[1] ?? '')) return true;
  }
  return false;
}

/**
 * Judges one file from its text and its run. uvu alone exits 0 when a hook throws, when a test throws something that is no
 * Error, when a suite is never run, and when `test.only` is left in, so its exit status is only one of the questions.
 */
export function judge(source: string, run: FileRun): Verdict {
  const totals = parseTotals(run.output);
  const skipReasons = parseSkipReasons(run.output);
  const uvuSkipped = totals?.skipped ?? 0;
  const failures = [...endFailures(run), ...outputFailures(run.output, totals)];
  for (const name of suitesNotRun(source)) failures.push(`suite never run: ${name}.run() is missing`);
  if (uvuSkipped > skipReasons.length) {
    failures.push(
      `${uvuSkipped} tests skipped but ${skipReasons.length} SKIP reasons (is a test.only left in?)`,
    );
  }

  // A test that says SKIP and returns is a passed one to uvu; it must not count as passed here.
  const skipped = Math.max(uvuSkipped, skipReasons.length);
  const passed = Math.max(0, (totals?.passed ?? 0) - (skipped - uvuSkipped));
  const notPassed = totals === undefined ? 0 : totals.total - totals.passed;
  const failed = failures.length === 0 ? 0 : Math.max(1, notPassed);
  return { passed, failed, skipped, skipReasons, failures };
}

function endFailures(run: FileRun): string[] {
  if (run.timedOutAfterSeconds !== undefined) {
    return [`not done after ${run.timedOutAfterSeconds} s: stopped`];
  }
  const failures: string[] = [];
  if (run.signal !== null) failures.push(`ended by ${run.signal}`);
  else if (run.exitCode !== 0) failures.push(`exit status ${run.exitCode}`);
  if (run.leftProcesses) failures.push('left processes running after its end');
  return failures;
}

function outputFailures(output: string, totals: Totals | undefined): string[] {
  const failures: string[] = [];
  if (output.includes('Exiting early before testing is finished.'))
    failures.push('ended before its tests did');
  if (/^\s*FAIL\s/m.test(output)) failures.push('a test failed');
  if (totals === undefined) failures.push('no closing lines: no suite was run to its end');
  else if (totals.total === 0) failures.push('no test ran');
  else if (totals.passed !== totals.total) failures.push(`${totals.passed} of ${totals.total} tests passed`);
  return failures;
}

/** The sum over all files. */
export function sumVerdicts(verdicts: readonly Verdict[]): {
  passed: number;
  failed: number;
  skipped: number;
} {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const verdict of verdicts) {
    sum.passed += verdict.passed;
    sum.failed += verdict.failed;
    sum.skipped += verdict.skipped;
  }
  return sum;
}

/** The runner's last line; `npm test` stands or falls with it. */
export function closingLine(sum: { passed: number; failed: number; skipped: number }): string {
  return `${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`;
}

/** The runner's exit status: 0 only when something ran and nothing failed. */
export function exitStatus(sum: { passed: number; failed: number }): number {
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}
