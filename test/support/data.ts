import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * The folder that holds `mnist/` and `cifar10/`, from OFFRAMP_DATA; `undefined` when it is not set.
 * A value that names no folder throws: tests that were meant to run must not skip over a slip of the pen.
 */
export function dataFolder(): string | undefined {
  const value = process.env.OFFRAMP_DATA;
  if (value === undefined || value === '') return undefined;
  const folder = resolve(value);
  if (!existsSync(folder)) throw new Error(`OFFRAMP_DATA is ${value}, but there is no folder ${folder}`);
  return folder;
}

/**
 * Says that a test did not run and why; the test returns right after it. The runner counts each call as one skipped test
 * and lists the reason at the end.
 */
export function skip(reason: string): void {
  // uvu prints dots without a line break; the runner looks for the word at the head of a line.
  process.stdout.write(`\nSKIP ${reason.replaceAll('\n', ' ')}\n`);
}
