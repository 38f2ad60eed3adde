/** Finds and ends what a test file started: by its process group, and by a mark that its environment hands down. */
import { readdirSync, readFileSync } from 'node:fs';

const variable = 'OFFRAMP_TEST_RUN';

/**
 * Environment for a test file's process: its mark after those of the runs around it, so that a runner that runs in a test
 * still finds what the runner in that test has started.
 */
export function marked(mark: string, around: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...around, [variable]: [around[variable], mark].filter(Boolean).join(' ') };
}

/**
 * Processes of the group `group`, and those that left it but were started with `mark` in their environment (a server with a
 * session of its own). Only Linux tells that simply; elsewhere there are none. Those that have ended and wait for their
 * parent to notice, as the compiler that tsx starts may do for seconds, do not count.
 */
export function leftProcesses(group: number, mark: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && belongs(entry, group, mark))
    .map(Number);
}

/** Ends the group, and whatever of the mark is outside it. */
export function endProcesses(group: number, mark: string): void {
  const marks = leftProcesses(group, mark);
  if (process.platform !== 'win32') kill(-group);
  for (const pid of marks) kill(pid);
}

function belongs(pid: string, group: number, mark: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // pid (name, which may hold anything) state parent group ...
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return false;
    return Number(processGroup) === group || carries(readFileSync(`/proc/${pid}/environ`, 'latin1'), mark);
  } catch {
    // It is gone, or somebody else's.
    return false;
  }
}

function carries(environment: string, mark: string): boolean {
  const own = environment.split('\0').find((entry) => entry.startsWith(`${variable}=`));
  return (
    own
      ?.slice(variable.length + 1)
      .split(' ')
      .includes(mark) === true
  );
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
