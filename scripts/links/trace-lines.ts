import { OfframpError } from '../../shared/errors.ts';

/** Where the words of an error point to. */
export interface Place {
  readonly file: string;
  /** From 1 on. */
  readonly line: number;
}

export interface TraceLine extends Place {
  readonly text: string;
}

export const mostLines = 5_000_000;
const mostShownChars = 40;

/**
 * Lines of a text without those that are blank.
 * @throws OfframpError CONFIG_INVALID beyond 5,000,000 of them.
 */
export function* linesOf(file: string, content: string): Generator<TraceLine> {
  // A byte order mark.
  let start = content.startsWith('\uFEFF') ? 1 : 0;
  for (let line = 1; start < content.length; line++) {
    if (line > mostLines)
      throw new OfframpError('CONFIG_INVALID', `${file}: expected at most ${mostLines} lines`);
    const next = content.indexOf('\n', start);
    const end = next === -1 ? content.length : next;
    const text = content.slice(start, end).trim();
    if (text !== '') yield { file, line, text };
    start = end + 1;
  }
}

export function badLine({ file, line }: Place, got: string, expected: string): OfframpError {
  const shown = got.length > mostShownChars ? `${got.slice(0, mostShownChars)}...` : got;
  return new OfframpError(
    'CONFIG_INVALID',
    `${file}, line ${line}: got ${JSON.stringify(shown)}, expected ${expected}`,
  );
}

/**
 * Reads a number that is written in decimal digits.
 * @throws OfframpError CONFIG_INVALID outside `least` to `most`.
 */
export function numberAt(place: Place, text: string, least: number, most: number, what: string): number {
  const value = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw badLine(place, text, `${what}, a number from ${least} to ${most}`);
}

/** Fields of a line of CSV (RFC 4180, but no line breaks within quotes). @throws OfframpError CONFIG_INVALID for a quote that is not closed. */
export function csvFields(line: TraceLine): string[] {
  if (!line.text.includes('"')) return line.text.split(',').map((field) => field.trim());
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)/y;
  while (field.lastIndex < line.text.length || fields.length === 0) {
    const [, quoted, plain = '', separator] = field.exec(line.text) ?? badQuotes(line);
    fields.push(quoted?.replaceAll('""', '"') ?? plain.trim());
    if (separator === '') return fields;
  }
  // A comma is the last character.
  return [...fields, ''];
}

function badQuotes(line: TraceLine): never {
  throw badLine(line, line.text, 'fields separated by commas, each quote closed');
}
