/**
 * Runs the test files, each in a process of its own: `node --import tsx test/run.ts [pattern] [--timeout-seconds n]`.
 * The pattern is a regular expression on the path, letter case aside. What passes is decided in support/verdict.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compiledCopy } from './support/compiled.ts';
import { endProcesses, leftProcesses, marked } from './support/leftovers.ts';
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

/** A test file at work. */
interface RunningFile {
  readonly child: ChildProcess;
  /** Handed down to whatever it starts. */
  readonly mark: string;
}

const running = new Set<RunningFile>();

interface RunOptions {
  /** Folder of the compiled copy of the project. */
  readonly compiled: string;
  readonly timeoutSeconds: number;
}

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

/** Stops what a test file started, servers with a session of their own too. */
function stopAll({ child, mark }: RunningFile): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') child.kill('SIGKILL');
  else endProcesses(child.pid, mark);
}

function anyLeft({ child, mark }: RunningFile): boolean {
  return child.pid !== undefined && leftProcesses(child.pid, mark).length > 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for the rest of what it started to end; stops it when it does not. Tells whether it had to be stopped. */
async function endRest(file: RunningFile): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < leftoverGraceMs; waitedMs += pollMs) {
    if (!anyLeft(file)) return false;
    await pause(pollMs);
  }
  stopAll(file);
  return true;
}

async function runFile(file: string, { compiled, timeoutSeconds }: RunOptions): Promise<FileRun> {
  const mark = randomUUID();
  const program = join(compiled, file.replace(/\.ts$/, '.js'));
  const child = spawn(process.execPath, ['--enable-source-maps', program], {
    cwd: root,
    detached: process.platform !== 'win32',
    env: marked(mark, { ...process.env, NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1', FORCE_COLOR: undefined }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started: RunningFile = { child, mark };
  running.add(started);
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-keptOutputChars);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);

  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    stopAll(started);
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
  const left = await endRest(started);
  await Promise.race([closed, pause(leftoverGraceMs)]);
  running.delete(started);
  const end = { exitCode, signal, leftProcesses: left, output };
  return timedOut ? { ...end, timedOutAfterSeconds: timeoutSeconds } : end;
}

async function report(file: string, options: RunOptions): Promise<Report> {
  const startedMs = performance.now();
  const run = await runFile(file, options);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const verdict = judge(readFileSync(join(root, file), 'utf8'), run);
  const mark = verdict.failed === 0 ? 'ok  ' : 'FAIL';
  const skipped = verdict.skipped === 0 ? '' : `, ${verdict.skipped} skipped`;
  print(`${mark} ${file}  ${verdict.passed} tests${skipped}  ${seconds} s`);
  if (verdict.failed > 0) {
    for (const failure of verdict.failures) print(`     ${failure}`);
    const output = run.output.trimEnd().replaceAll(options.compiled + sep, '');
    print(`${output.replace(/^/gm, '   | ')}\n`);
  }
  return { file, verdict };
}

async function runAll(files: readonly string[], atOnce: number, options: RunOptions): Promise<Report[]> {
  const waiting = [...files];
  const reports: Report[] = [];
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      reports.push(await report(file, options));
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
  const options = { compiled: compiledCopy(root), timeoutSeconds };
  const reports = [...(await runAll(together, filesAtOnce, options)), ...(await runAll(alone, 1, options))];

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
    for (const file of running) stopAll(file);
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
process.exitCode = await main();
