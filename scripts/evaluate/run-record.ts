import { availableParallelism, cpus, release } from 'node:os';
import { runtimeVersion, version } from '../project.ts';

/** What a measurement was made on. */
export interface Machine {
  readonly cpu: string;
  /** Processors that the process may use. */
  readonly processors: number;
  readonly platform: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly offramp: string;
}

/** How figures came about: whoever reads them can repeat the run. */
export interface RunRecord {
  readonly command: string;
  /** Day of the run, YYYY-MM-DD. */
  readonly date: string;
  readonly machine: Machine;
}

/** Describes a run of `offramp` with `args` on this machine, begun at `now`. */
export function recordRun(args: readonly string[], now: Date): RunRecord {
  return {
    command: ['offramp', ...args.map(quoted)].join(' '),
    date: now.toISOString().slice(0, 10),
    machine: {
      cpu: cpus()[0]?.model.trim() || 'unknown processor',
      processors: availableParallelism(),
      platform: `${process.platform} ${release()} ${process.arch}`,
      node: process.versions.node,
      onnxruntime: runtimeVersion,
      offramp: version,
    },
  };
}

/** An argument as a shell takes it. */
function quoted(argument: string): string {
  return /^[\w./:=@%+,-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
