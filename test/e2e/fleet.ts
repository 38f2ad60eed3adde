/** Many real agents in a process of their own, for tests that watch what a fleet sees when servers come and go. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { UplinkEvent } from '../../edge/agent/index.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import type { Reference } from './images.ts';

export interface FleetOptions {
  /** Folder of the bundle. */
  readonly bundle: string;
  readonly url: string;
  readonly token: string;
  /** The certificate that the agents trust. */
  readonly caFile: string;
  readonly agents: number;
  /** Milliseconds from one image of an agent to its next. */
  readonly paceMs: number;
}

/** One answer. Times are milliseconds since 1970, comparable between the processes of one machine. */
export interface FleetAnswer {
  readonly agent: number;
  /** Counts the images of an agent from 0. */
  readonly sequence: number;
  readonly image: number;
  readonly label: number;
  readonly degraded: boolean;
  readonly reason: ErrorCode | undefined;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/** What an agent's uplink said, and when. */
export interface FleetEvent {
  readonly agent: number;
  readonly kind: UplinkEvent['kind'];
  readonly atMs: number;
}

export interface FleetReport {
  /** Images that were handed to an agent. */
  readonly asked: number;
  readonly answers: readonly FleetAnswer[];
  readonly events: readonly FleetEvent[];
  /** By image, computed without any connection. */
  readonly expected: readonly Reference[];
  /** The longest time for which the process of the agents could do nothing. */
  readonly stalledMs: number;
}

/** What the process of the agents says. */
export type FleetMessage =
  | { readonly kind: 'connected'; readonly count: number }
  | { readonly kind: 'report'; readonly report: FleetReport };

export interface Fleet {
  /** Agents that are connected. */
  connected(): number;
  /** From now on every agent asks images. */
  start(): void;
  /** No new images; gives all answers once the last is there. */
  stop(): Promise<FleetReport>;
}

const program = fileURLToPath(new URL('fleet-agents.ts', import.meta.url));
const alive = new Set<ChildProcess>();

/** Starts the agents, which connect and wait. */
export function startFleet(options: FleetOptions): Fleet {
  const child = fork(program, [JSON.stringify(options)], {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
  });
  alive.add(child);
  let count = 0;
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      alive.delete(child);
      resolve(`${code ?? signal}`);
    });
  });
  const report = new Promise<FleetReport>((resolve) => {
    child.on('message', (message: FleetMessage) => {
      if (message.kind === 'report') resolve(message.report);
      else count = message.count;
    });
  });
  const noReport = ended.then((ending): never => {
    throw new Error(`the process of the agents ended with ${ending} and without a report`);
  });
  // Who waits for the report hears of it; nobody else has to.
  noReport.catch(() => {});
  return {
    connected: () => count,
    start: () => child.send('start'),
    async stop() {
      child.send('stop');
      const found = await Promise.race([report, noReport]);
      await ended;
      return found;
    },
  };
}

/** Ends what is still there of the fleets. Use it after each test. */
export function endFleets(): void {
  for (const child of alive) child.kill('SIGKILL');
}

process.on('exit', endFleets);
