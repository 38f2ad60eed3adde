import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { defineCloud } from '../../scripts/cli/cloud.ts';
import { defineEdge } from '../../scripts/cli/edge.ts';
import type { ConfigShape } from '../../scripts/config/index.ts';
import { OfframpError } from '../../shared/errors.ts';

export const folder = mkdtempSync(join(tmpdir(), 'offramp-config-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let files = 0;
/** The path of a new file with some content. */
export function fileWith(content: string | Uint8Array): string {
  const file = join(folder, `${files++}.json`);
  writeFileSync(file, content);
  return file;
}

/** What it throws, as `CODE: message`. */
export function refusal(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof OfframpError) return `${thrown.code}: ${thrown.message}`;
    if (thrown instanceof CommanderError) return `usage: ${thrown.message}`;
    throw thrown;
  }
  throw new Error('nothing was refused');
}

const cloud = defineCloud();
export const commands = [cloud, defineEdge()];
/** What the server's configuration file may say. */
export const shape: ConfigShape = {
  options: cloud.options.filter(({ envVar, long }) => envVar !== undefined && long !== '--config'),
  sections: ['bundles'],
};
