import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { OfframpError } from '../shared/errors.ts';
import { withoutSettings } from './config/variables.ts';

/** An `offramp` command that runs as a process of its own and listens. */
export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Resolves with the exit code, or the signal's name, once it has ended. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<number | NodeJS.Signals>;
}

export interface SpawnOptions {
  /** Where the process's log goes. */
  readonly stderr: 'inherit' | 'ignore' | number;
  readonly env?: Readonly<Record<string, string>>;
  /** Comes before the command line, such as `ip netns exec NAME`; it has to become that process, and not to start it. */
  readonly enter?: readonly string[];
}

const startDeadlineMs = 30_000;
const offramp = fileURLToPath(new URL('./offramp.mjs', import.meta.url));

/**
 * Starts `offramp ARGUMENTS --json` and waits for its line that says where it listens.
 * @throws OfframpError INTERNAL when it ended or hung before; its own words are on its stderr.
 */
export async function spawnServer(args: readonly string[], options: SpawnOptions): Promise<ServerProcess> {
  const line = [...(options.enter ?? []), process.execPath, offramp, ...args, '--json'];
  const child = spawn(line[0] ?? process.execPath, line.slice(1), {
    // The channel tells the process when we are gone; a session of its own keeps a Ctrl-C meant for us from it.
    stdio: ['ignore', 'pipe', options.stderr, 'ipc'],
    detached: true,
    env: { ...withoutSettings(process.env), ...options.env },
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    // Where there is no such command.
    child.once('error', () => resolve(127));
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 1));
  });
  const url = await listeningUrl(child, ended, args[0] ?? '');
  return {
    url,
    child,
    ended,
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

async function listeningUrl(
  child: ChildProcess,
  ended: Promise<number | NodeJS.Signals>,
  name: string,
): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new OfframpError('INTERNAL', `offramp ${name} has no stdout`);
  return new Promise((resolve, reject) => {
    const fail = (message: string) => {
      clearTimeout(timer);
      reject(new OfframpError('INTERNAL', `offramp ${name} ${message}`));
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`did not listen within ${startDeadlineMs / 1000} s`);
    }, startDeadlineMs);
    void ended.then((how) => fail(`ended with ${how} before it listened`));
    createInterface({ input: stdout }).once('line', (line) => {
      clearTimeout(timer);
      const said: { listening?: string } = JSON.parse(line);
      if (said.listening === undefined) fail(`said ${line}`);
      else resolve(said.listening);
    });
  });
}
