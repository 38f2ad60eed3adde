/**
 * Starts the real `offramp` commands as child processes for the end-to-end tests, and leaves none behind: every process
 * started here, and every process that one started, is gone after `cleanUp` and at the latest when the test file ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withoutSettings } from '../../scripts/config/variables.ts';

export const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
export const committedBundle = join(projectFolder, 'models', 'b-lenet-mnist');

const offramp = join(projectFolder, 'scripts', 'offramp.mjs');
const startDeadlineMs = 60_000;
const endDeadlineMs = 60_000;
const pollMs = 10;

const alive = new Set<Command>();
const temporaryFolders = new Set<string>();

/** Exit status, or the name of the signal that ended the process. */
export type Ending = number | NodeJS.Signals;

/** A running `offramp` command. */
export interface Command {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Ending>;
  /** What it has written up to now. */
  stdout(): string;
  stderr(): string;
}

export interface CommandResult {
  readonly ending: Ending;
  readonly stdout: string;
  readonly stderr: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Tokens and settings of the machine the tests run on must not decide what they find. */
const neutral: Environment = {
  OFFRAMP_CLOUD_TOKEN: undefined,
  OFFRAMP_EDGE_TOKEN: undefined,
  OFFRAMP_DATA: undefined,
};

export interface StartOptions {
  /** Whose process group the command joins; `own` when a test signals the group as a terminal does. */
  readonly group?: 'tests' | 'own';
}

/** Starts `offramp ARGUMENTS`. */
export function startCommand(
  args: readonly string[],
  env: Environment = {},
  { group = 'tests' }: StartOptions = {},
): Command {
  const child = spawn(process.execPath, [offramp, ...args], {
    cwd: projectFolder,
    detached: group === 'own',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...withoutSettings(process.env), ...neutral, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // 'close' and not 'exit': only then has all of its output arrived.
  const ended = new Promise<Ending>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 1));
    child.once('error', () => resolve(1));
  });
  const command = { child, pid: child.pid ?? 0, ended, stdout: () => stdout, stderr: () => stderr };
  alive.add(command);
  void ended.then(() => alive.delete(command));
  return command;
}

/** Runs `offramp ARGUMENTS` to its end. */
export async function runCommand(args: readonly string[], env: Environment = {}): Promise<CommandResult> {
  const command = startCommand(args, env);
  const ending = await within(endDeadlineMs, command.ended, () => `offramp ${args.join(' ')} to end`);
  return { ending, stdout: command.stdout(), stderr: command.stderr() };
}

/** A running `offramp cloud` or `offramp edge`. */
export interface Server extends Command {
  readonly url: string;
  /** The same address as devices connect to it. */
  readonly wsUrl: string;
  readonly port: number;
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ending>;
}

/** Starts a server on any free port, unless the arguments say which, and waits until it listens. */
export async function startServer(
  name: 'cloud' | 'edge',
  args: readonly string[] = [],
  env: Environment = {},
): Promise<Server> {
  const port = args.includes('--port') ? [] : ['--port', '0'];
  const command = startCommand([name, ...port, '--log-level', 'warn', '--json', ...args], env);
  await waitUntil(() => command.stdout().includes('\n') || !alive.has(command), `offramp ${name} to listen`, {
    deadlineMs: startDeadlineMs,
  });
  if (!alive.has(command))
    throw new Error(`offramp ${name} ended with ${await command.ended}: ${command.stderr()}`);
  const { listening: url }: { listening: string } = JSON.parse(command.stdout());
  return {
    ...command,
    url,
    wsUrl: url.replace(/^http/, 'ws'),
    port: Number(new URL(url).port),
    stop(signal = 'SIGTERM') {
      command.child.kill(signal);
      return within(endDeadlineMs, command.ended, () => `offramp ${name} to end after ${signal}`);
    },
  };
}

/** A cloud server, and an edge daemon that is connected to it. */
export async function startPair(
  bundle: string,
  { cloudArgs = [], edgeArgs = [] }: { cloudArgs?: readonly string[]; edgeArgs?: readonly string[] } = {},
): Promise<{ cloud: Server; edge: Server }> {
  const cloud = await startServer('cloud', ['--bundle', bundle, ...cloudArgs]);
  const edge = await startServer('edge', ['--bundle', bundle, '--cloud', cloud.wsUrl, ...edgeArgs]);
  await waitUntil(() => connected(edge), 'the edge to connect');
  return { cloud, edge };
}

/** Whether an edge daemon is connected to its cloud. */
export async function connected(edge: Server): Promise<boolean> {
  return (await metric(edge.url, 'offramp_edge_cloud_connected')) === 1;
}

/** Ends every process that the tests started and removes their folders. Use it after each test. */
export async function cleanUp(): Promise<void> {
  const ends = [...alive].map(({ ended }) => ended);
  killAll();
  await Promise.all(ends);
  removeTemporaryFolders();
}

/** Removes a folder when the test ends. */
export function removeLater(folder: string): string {
  temporaryFolders.add(folder);
  return folder;
}

function killAll(): void {
  for (const { pid } of alive) {
    for (const one of [...descendants(pid), pid]) killProcess(one);
  }
}

function removeTemporaryFolders(): void {
  for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true });
  temporaryFolders.clear();
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** Processes that a process started and those that they started, where the system tells (Linux). */
export function descendants(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const children = tasks.flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

/** Whether a process exists and has not ended. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1));
  } catch {
    return process.platform !== 'linux';
  }
}

process.on('exit', () => {
  killAll();
  removeTemporaryFolders();
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export interface WaitOptions {
  readonly deadlineMs?: number;
  readonly everyMs?: number;
}

/** Waits until `check` holds; throws with `what` when it does not in time. */
export async function waitUntil(
  check: () => boolean | Promise<boolean>,
  what: string,
  { deadlineMs = 20_000, everyMs = pollMs }: WaitOptions = {},
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await sleep(everyMs);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function within<T>(deadlineMs: number, promise: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms for ${what()}`)), deadlineMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** All samples of a server's /metrics by their full name, labels included, as in `name{code="BUSY"}`. */
export async function metrics(url: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${url}/metrics`);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** One sample of a server's /metrics; 0 when it is not there. */
export async function metric(url: string, name: string): Promise<number> {
  return (await metrics(url)).get(name) ?? 0;
}

/** Writes a line of figures for whoever reads the test's output. */
export function note(line: string): void {
  process.stdout.write(`\n  ${line}\n`);
}
