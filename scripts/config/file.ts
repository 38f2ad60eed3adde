import { closeSync, openSync, readSync } from 'node:fs';
import type { Option } from 'commander';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { NumbersOption, RepeatableOption } from '../options.ts';
import { nearest } from './nearest.ts';
import { isSwitch } from './variables.ts';

const maxBytes = 1024 * 1024;
const shownCharacters = 80;
/** Of all keys together in one message. */
const listedCharacters = 450;

/** What a configuration file may say. */
export interface ConfigShape {
  /** Options that a key may set, under their names in camelCase. */
  readonly options: readonly Option[];
  /** Keys whose value is an object that somebody else reads. */
  readonly sections: readonly string[];
}

/**
 * Reads a configuration file.
 * @throws OfframpError CONFIG_INVALID when it cannot be read, is not UTF-8 or longer than 1 MiB.
 */
export function readConfigFile(file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = firstBytes(file, maxBytes + 1);
  } catch (cause) {
    throw problem(`Cannot read the configuration file ${file}`, reasonOf(cause), cause);
  }
  if (bytes.length > maxBytes) throw problem(file, `got more than ${maxBytes} bytes, expected at most that`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw problem(file, 'got bytes that are not UTF-8, expected a JSON object', cause);
  }
}

/**
 * Checks the text of a configuration file, each value with the parser of its flag.
 * @returns the value of each key that it has.
 * @throws OfframpError CONFIG_INVALID naming the file, the key, what was got and what was expected.
 */
export function parseConfig(text: string, file: string, shape: ConfigShape): Map<string, unknown> {
  const options = new Map(shape.options.map((option) => [option.attributeName(), option]));
  const keys = [...options.keys(), ...shape.sections].sort();
  const values = new Map<string, unknown>();
  for (const [key, value] of Object.entries(parseObject(text, file))) {
    const option = options.get(key);
    if (option !== undefined) values.set(key, checked(option, value, `${file}: ${key}`));
    else if (!shape.sections.includes(key)) throw unknownKey(file, key, keys);
    else if (isObject(value)) values.set(key, value);
    else throw mismatch(`${file}: ${key}`, value, 'an object');
  }
  return values;
}

/** At most so many bytes from the start of a file, so that a device that never ends does not fill the memory. */
function firstBytes(file: string, limit: number): Uint8Array {
  const bytes = new Uint8Array(limit);
  const descriptor = openSync(file, 'r');
  try {
    let length = 0;
    for (let count = -1; count !== 0 && length < limit; length += count) {
      count = readSync(descriptor, bytes, length, limit - length, null);
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

function parseObject(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // Without the piece of the text that the parser quotes, and without the cause: the wrong file may be one of tokens.
    throw problem(file, `got ${withoutQuote(reasonOf(cause), text)}, expected a JSON object`);
  }
  if (isObject(value)) return value;
  throw mismatch(file, value, 'a JSON object');
}

function withoutQuote(reason: string, text: string): string {
  if (text.trim() === '') return 'nothing';
  const offset = / in JSON at position (\d+)/.exec(reason)?.[1];
  if (offset === undefined) return 'what is not JSON';
  const lines = text.slice(0, Number(offset)).split('\n');
  return `what is not JSON at line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`;
}

function checked(option: Option, value: unknown, where: string): unknown {
  if (isSwitch(option)) {
    if (typeof value === 'boolean') return value;
    throw mismatch(where, value, 'true or false');
  }
  if (option instanceof RepeatableOption) {
    // One alone needs no brackets, as on the command line.
    const list = typeof value === 'string' ? [value] : value;
    if (Array.isArray(list) && list.length > 0 && list.every(isFilled)) return list;
    throw mismatch(where, value, 'a string or a list of strings, at least one and none empty');
  }
  if (option instanceof NumbersOption) return numbers(option, value, where);
  return single(option, value, where);
}

function numbers(option: NumbersOption, value: unknown, where: string): unknown {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0 || !list.every((one) => typeof one === 'number')) {
    throw mismatch(where, value, 'a number or a list of numbers, without quotes');
  }
  try {
    return option.parseArg?.<unknown>(list.join(','), undefined);
  } catch (thrown) {
    throw mismatch(where, value, expectedBy(option, thrown));
  }
}

/** A value is right when the flag's parser, given the value's text, makes that type of it. */
function single(option: Option, value: unknown, where: string): unknown {
  let parsed: unknown;
  try {
    const text = typeof value === 'string' ? value : describe(value);
    parsed = option.parseArg === undefined ? text : option.parseArg<unknown>(text, undefined);
  } catch (thrown) {
    throw mismatch(where, value, expectedBy(option, thrown));
  }
  if (typeof parsed === 'number') {
    if (typeof value === 'number') return parsed;
    throw mismatch(where, value, 'a number, without quotes');
  }
  if (isFilled(value)) return parsed;
  throw mismatch(where, value, 'a string that is not empty');
}

/** What a flag's parser says that it wants, as words that follow "expected". */
function expectedBy({ argChoices }: Option, thrown: unknown): string {
  if (argChoices !== undefined) return `one of ${argChoices.join(', ')}`;
  return reasonOf(thrown)
    .replace(/^Expected /, '')
    .replace(/\.$/, '');
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What was got, in a few words: of a list or an object only that it is one, for it may be long and deep. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (isObject(value)) return 'an object';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters)}…`;
}

function mismatch(where: string, value: unknown, expected: string): OfframpError {
  return problem(where, `got ${describe(value)}, expected ${expected}`);
}

function unknownKey(file: string, key: string, keys: readonly string[]): OfframpError {
  const near = nearest(key, keys);
  const mend = near === undefined ? `expected one of ${listed(keys)}` : `did you mean "${near}"?`;
  return problem(file, `got the unknown key ${describe(key)}, ${mend}`);
}

/** As many as a message can hold; the rest where they all are. */
function listed(keys: readonly string[]): string {
  let length = 0;
  const shown = keys.filter((key) => {
    length += key.length + ', '.length;
    return length <= listedCharacters;
  });
  const left = keys.length - shown.length;
  return left === 0 ? shown.join(', ') : `${shown.join(', ')} and ${left} more that --print-config shows`;
}

function problem(where: string, what: string, cause?: unknown): OfframpError {
  return new OfframpError('CONFIG_INVALID', `${where}: ${what}`, cause === undefined ? {} : { cause });
}
