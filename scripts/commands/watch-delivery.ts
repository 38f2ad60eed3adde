import { accessSync, constants, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WatchConfig } from '../../edge/daemon/index.ts';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { printLine } from '../output.ts';

export interface WatchSettings {
  readonly watch?: string;
  readonly out?: string;
  readonly existing?: boolean;
}

/**
 * What the options about a watched folder ask for; nothing where none is watched.
 * @throws OfframpError CONFIG_INVALID.
 */
export function watchConfigOf({ watch, out, existing }: WatchSettings): WatchConfig | undefined {
  if (watch === undefined) {
    if (out === undefined && !existing) return undefined;
    throw new OfframpError('CONFIG_INVALID', '--out and --existing are about a folder, expected --watch too');
  }
  if (out !== undefined) checkFolder(out);
  return {
    folder: watch,
    existing: existing ? 'answered' : 'passed over',
    deliver: out === undefined ? (_name, said) => printLine(JSON.stringify(said)) : deliverInto(out),
  };
}

/** A file beside the others appears whole: whoever watches the folder reads no half of it. */
function deliverInto(folder: string): WatchConfig['deliver'] {
  return async (name, said) => {
    const draft = join(folder, `.${name}.json.part`);
    await writeFile(draft, `${JSON.stringify(said)}\n`);
    await rename(draft, join(folder, `${name}.json`));
  };
}

function checkFolder(folder: string): void {
  try {
    if (!statSync(folder).isDirectory()) throw new Error('it is no folder');
    accessSync(folder, constants.W_OK);
  } catch (thrown) {
    const message = `Cannot write answers into ${folder}: ${reasonOf(thrown)}`;
    throw new OfframpError('CONFIG_INVALID', message, { cause: thrown });
  }
}
