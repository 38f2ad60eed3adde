import { InvalidArgumentError, Option } from 'commander';
import type { CloudTlsFiles, EdgeRuntime } from '../edge/daemon/index.ts';
import { OfframpError } from '../shared/errors.ts';
import {
  parseTokens,
  type ResizeMode,
  readTokenFile,
  type TokenEntry,
  type TokenSource,
} from '../shared/host/index.ts';
import { type Provider, providers } from '../shared/runtime/index.ts';
import type { CloudTlsSettings } from './cli/access.ts';

/** Parses a whole number within bounds, for commander. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    // Blank is not 0.
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${minimum} to ${maximum}.`);
  };
}

/** Parses a share, 0 to 1. */
export function share(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 1.');
}

/** Parses how many times as long something takes. */
export function factor(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 1 && value <= 1000) return value;
  throw new InvalidArgumentError('Expected a number from 1 to 1000.');
}

/** Parses a duration of at most ten minutes. */
export function milliseconds(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 600_000) return value;
  throw new InvalidArgumentError('Expected a number of milliseconds from 0 to 600000.');
}

/** Parses a number of inference threads, or `auto`. */
export function threadsOrAuto(text: string): number | 'auto' {
  return text === 'auto' ? text : wholeNumber(0, 64)(text);
}

export const port = wholeNumber(0, 65_535);
/** Channels of the codes; as many as the protocol can say. */
export const channels = wholeNumber(1, 4096);

/** Where a server's tokens come from: the file, else the variable, where commas separate them. */
export function tokenSource(file: string | undefined, variable: string): TokenSource {
  return file === undefined ? { entries: variableTokens(variable) } : { file };
}

/**
 * Reads tokens once, from where {@link tokenSource} says.
 * @throws OfframpError CONFIG_INVALID.
 */
export function readTokens(file: string | undefined, variable: string): TokenEntry[] {
  return file === undefined ? variableTokens(variable) : readTokenFile(file);
}

/** The files of the options about TLS to the cloud server. */
export function cloudTlsFilesOf({ cloudCa, cloudCert, cloudKey }: CloudTlsSettings): CloudTlsFiles {
  return { caFile: cloudCa, certFile: cloudCert, keyFile: cloudKey };
}

function variableTokens(variable: string): TokenEntry[] {
  return parseTokens((process.env[variable] ?? '').split(',').join('\n'), variable);
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

export type Device = (typeof providers)[number] | 'auto';

export function deviceOption(): Option {
  return new Option('--device <device>', 'where segments run').choices([...providers, 'auto']).default('cpu');
}

/** Execution providers to try, in order. Only `auto` falls back; a device asked for by name is had or refused. */
export function providersOf(device: Device): Provider[] {
  return device === 'auto' ? ['cuda', 'webgpu', 'cpu'] : [device];
}

/** The same without the CPU, which everything can be had on. */
export function acceleratorsOf(device: Device): Provider[] {
  return providersOf(device).filter((provider) => provider !== 'cpu');
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'least level of the JSON log on stderr')
    .choices(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info');
}

export function resizeOption(): Option {
  return new Option('--resize <fit>', "how a picture of another size is fitted to the network's")
    .choices(['cover', 'contain', 'fill', 'off'] satisfies ResizeMode[])
    .default('cover');
}

export function runtimeOption(): Option {
  return new Option('--runtime <runtime>', 'what runs segments here; wasm where no native binary fits')
    .choices(['native', 'wasm'] satisfies EdgeRuntime[])
    .default('native');
}

/** An option that may be given several times; its value is the list of what was given, in order. */
export class RepeatableOption extends Option {
  constructor(flags: string, description: string) {
    super(flags, description);
    this.argParser((value: string, earlier: readonly string[] | undefined) =>
      earlier === undefined || earlier === this.defaultValue ? [value] : [...earlier, value],
    );
  }
}

/** An option for several numbers, given one by one or separated by commas; its value is the list of them, in order. */
export class NumbersOption extends Option {
  constructor(flags: string, description: string, parse: (text: string) => number) {
    super(flags, description);
    this.argParser((text: string, earlier: readonly number[] | undefined) => [
      ...(earlier ?? []),
      ...text.split(',').map(parse),
    ]);
  }
}
