/**
 * Runs the test files, each in a process of its own: `node --import tsx test/run.ts [pattern] [--timeout-seconds n]`.
 * The pattern is a regular expression on the path, letter case aside. What passes is decided in support/verdict.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  closingLine,
  exitStatus,
  type FileRun,
  judge,
  sumVerdicts,
  type Verdict,
} from './support/verdict.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const defaultTimeoutSeconds = 120;
const filesAtOnce = 2;
/** A test that floods its output must not take the runner's memory with it; the closing lines are at the end. */
const keptOutputChars = 4_000_000;
/** What a test file's children get to end by themselves once the file itself has. */
const leftoverGraceMs = 1500;
const pollMs = 50;

const running = new Set<ChildProcess>();

interface Report {
  readonly file: string;
  readonly verdict: Verdict;
}

function testFiles(pattern: RegExp): string[] {
  const entries = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });
  return entries
    .filter((entry) => entry.endsWith('.test.ts'))
    .map((entry) =>
      relative(root, join(root, 'test', entry))
        .split(sep)
        .join('/'),
    )
    .filter((file) => pattern.test(file))
    .sort();
}

/** Signals the whole process group, so that servers started by a test go too. */
function stopGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    child.kill('SIGKILL');
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

/**
 * Whether processes of the file's group are still at work. Only Linux tells that simply: a signal would also find the ones
 * that have ended and wait for their parent to notice, as the compiler that tsx starts may do for seconds.
 */
function groupAlive(child: ChildProcess): boolean {
  if (process.platform !== 'linux' || child.pid === undefined) return false;
  return readdirSync('/proc').some((entry) => /^\d+$/.test(entry) && isAliveInGroup(entry, child.pid));
}

function isAliveInGroup(pid: string, group: number | undefined): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // pid (name, which may hold anything) state parent group ...
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(processGroup) === group && state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for the rest of the group to end; stops it when it does not. Tells whether it had to be stopped. */
async function endGroup(child: ChildProcess): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < leftoverGraceMs; waitedMs += pollMs) {
    if (!groupAlive(child)) return false;
    await pause(pollMs);
  }
  stopGroup(child);
  return true;
}

async function runFile(file: string, timeoutSeconds: number): Promise<FileRun> {
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    cwd: root,
    detached: process.platform !== 'win32',
    env: { ...process.env, NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1', FORCE_COLOR: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-keptOutputChars);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);

  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    stopGroup(child);
  }, timeoutSeconds * 1000);
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const [exitCode, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('exit', (code, name) => resolve([code, name]));
    child.once('error', (error) => {
      keep(`${error.message}\n`);
      resolve([1, null]);
    });
  });
  clearTimeout(timer);
  const leftProcesses = await endGroup(child);
  await Promise.race([closed, pause(leftoverGraceMs)]);
  running.delete(child);
  const end = { exitCode, signal, leftProcesses, output };
  return timedOut ? { ...end, timedOutAfterSeconds: timeoutSeconds } : end;
}

async function report(file: string, timeoutSeconds: number): Promise<Report> {
  const startedMs = performance.now();
  const run = await runFile(file, timeoutSeconds);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const verdict = judge(readFileSync(join(root, file), 'utf8'), run);
  const mark = verdict.failed === 0 ? 'ok  ' : 'FAIL';
  const skipped = verdict.skipped === 0 ? '' : `, ${verdict.skipped} skipped`;
  print(`${mark} ${file}  ${verdict.passed} tests${skipped}  ${seconds} s`);
  if (verdict.failed > 0) {
    for (const failure of verdict.failures) print(`     ${failure}`);
    print(`${run.output.trimEnd().replace(/^/gm, '   | ')}\n`);
  }
  return { file, verdict };
}

async function runAll(files: readonly string[], atOnce: number, timeoutSeconds: number): Promise<Report[]> {
  const waiting = [...files];
  const reports: Report[] = [];
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      reports.push(await report(file, timeoutSeconds));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return reports;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function readArguments(): { pattern: RegExp; timeoutSeconds: number } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'timeout-seconds': { type: 'string', default: String(defaultTimeoutSeconds) } },
  });
  const timeoutSeconds = Number(values['timeout-seconds']);
  if (!(timeoutSeconds > 0)) {
    throw new Error(`--timeout-seconds must be a number above 0, got ${values['timeout-seconds']}`);
  }
  if (positionals.length > 1) throw new Error(`one pattern at most, got ${positionals.length}`);
  return { pattern: new RegExp(positionals[0] ?? '', 'i'), timeoutSeconds };
}

async function main(): Promise<number> {
  const { pattern, timeoutSeconds } = readArguments();
  const files = testFiles(pattern);
  // End-to-end tests measure and start servers: nothing else may run beside them.
  const alone = files.filter((file) => file.startsWith('test/e2e/'));
  const together = files.filter((file) => !alone.includes(file));
  const reports = [
    ...(await runAll(together, filesAtOnce, timeoutSeconds)),
    ...(await runAll(alone, 1, timeoutSeconds)),
  ];

  const skips = reports.flatMap(({ file, verdict }) =>
    verdict.skipReasons.map((reason) => `  ${file}: ${reason}`),
  );
  if (skips.length > 0) print(`\nSkipped:\n${skips.join('\n')}`);
  const failed = reports.filter(({ verdict }) => verdict.failed > 0);
  if (failed.length > 0) print(`\nFailed:\n${failed.map(({ file }) => `  ${file}`).join('\n')}`);
  const sum = sumVerdicts(reports.map(({ verdict }) => verdict));
  if (files.length === 0) {
    print(`no test file matches ${pattern}`);
    sum.failed = 1;
  }
  print(`\n${closingLine(sum)}`);
  return exitStatus(sum);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const child of running) stopGroup(child);
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
process.exitCode = await main();
