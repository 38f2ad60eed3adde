import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import { OfframpError, reasonOf } from '../shared/errors.ts';
import { type Provider, providers } from '../shared/runtime/index.ts';

/** Parses a whole number within bounds, for commander. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${minimum} to ${maximum}.`);
  };
}

export const port = wholeNumber(0, 65_535);
/** Channels of the codes; as many as the protocol can say. */
export const channels = wholeNumber(1, 4096);

/**
 * Reads tokens: one a line from the file, or separated by commas from the variable. Empty lines and lines that begin with # are
 * skipped.
 */
export function readTokens(file: string | undefined, variable: string): string[] {
  const parts =
    file === undefined ? (process.env[variable] ?? '').split(',') : readTokenFile(file).split('\n');
  const lines = parts.map((line) => line.trim());
  const tokens = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (file !== undefined && tokens.length === 0) {
    throw new OfframpError('CONFIG_INVALID', `${file} holds no token, expected one a line`);
  }
  return tokens;
}

function readTokenFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `Cannot read the token file: ${reasonOf(cause)}`, { cause });
  }
}

/**
 * The folder of the data sets: the option, else OFFRAMP_DATA.
 * @throws OfframpError DATA_MISSING where neither is given.
 */
export function dataFolderOf(option: string | undefined): string {
  const folder = option ?? process.env.OFFRAMP_DATA;
  if (folder !== undefined) return folder;
  throw new OfframpError(
    'DATA_MISSING',
    'Where is the data set? Give --data DIR or OFFRAMP_DATA; offramp data fetches it',
  );
}

export type Device = Provider | 'auto';

export const deviceOption = new Option('--device <device>', 'where segments run')
  .choices([...providers, 'auto'])
  .default('cpu');

/** Execution providers to try, in order. Only `auto` falls back; a device asked for by name is had or refused. */
export function providersOf(device: Device): Provider[] {
  return device === 'auto' ? ['cuda', 'webgpu', 'cpu'] : [device];
}

export const logLevelOption = new Option('--log-level <level>', 'least level of the JSON log on stderr')
  .choices(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
  .default('info');
