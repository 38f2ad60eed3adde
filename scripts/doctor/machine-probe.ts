import { readFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { requiredNode } from '../project.ts';
import type { Check } from './check.ts';
import {
  judgeCores,
  judgeDescriptors,
  judgeMemory,
  judgeNode,
  judgePlatform,
  openFilesLimit,
  type Threads,
} from './machine.ts';

/** Node and the kind of machine. */
export function examineNode(): Check[] {
  const { platform, arch, version } = process;
  return [
    { check: 'node', ...judgeNode(version, requiredNode) },
    { check: 'platform', ...judgePlatform({ platform, arch, glibc: glibcVersion() }) },
  ];
}

export interface Expected extends Threads {
  /** Bytes of the graphs that every inference thread loads. */
  readonly graphBytes: number;
  readonly connections: number;
}

/** What the machine has for what is to run on it. */
export function examineResources({ graphBytes, connections, ...threads }: Expected): Check[] {
  // A container's limit counts where it is the lower one.
  const freeBytes = Math.min(freemem(), process.availableMemory?.() ?? Number.POSITIVE_INFINITY);
  return [
    { check: 'cores', ...judgeCores(availableParallelism(), threads) },
    { check: 'memory', ...judgeMemory(freeBytes, graphBytes, threads) },
    { check: 'file descriptors', ...judgeDescriptors(descriptorLimit(), connections) },
  ];
}

function glibcVersion(): string | undefined {
  // Node's types leave open what a report holds.
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: unknown } };
  const version = header?.glibcVersionRuntime;
  return typeof version === 'string' ? version : undefined;
}

function descriptorLimit(): number | undefined {
  try {
    return openFilesLimit(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    // Linux alone has it.
    return undefined;
  }
}
