import { OfframpError } from '../errors.ts';

/**
 * What a token may be used for: `infer` to have images answered, `read` to look at what the server does, `admin` to change that, and
 * to look at it.
 */
export const scopes = ['infer', 'read', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What the holder of a token may use at most, over all connections; absent is without a limit of its own. */
export interface TokenLimits {
  readonly connections?: number;
  /** Requests without an answer yet. */
  readonly inFlight?: number;
  /** Images per second over time. */
  readonly rowsPerSecond?: number;
}

/** One line of a token file. */
export interface TokenEntry extends TokenLimits {
  /** For logs and metrics; several tokens may share one while they are changed. */
  readonly name: string;
  readonly token: string;
  readonly scopes: readonly Scope[];
  /** The first moment at which it no longer holds, milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

const minTokenLength = 16;
/** What a hello carries at most. */
const maxTokenLength = 512;
/** Every one of them is looked at for every hello. */
const maxTokens = 4096;
const maxLimit = 1_000_000_000;
const namePattern = /^[A-Za-z0-9][\w.-]{0,63}$/;

/** Words of a line, and the fields of a JSON line that they stand for. */
const wordFields: Readonly<Record<string, string>> = {
  expires: 'expires',
  connections: 'connections',
  'in-flight': 'inFlight',
  'rows-per-second': 'rowsPerSecond',
  scope: 'scopes',
};

/**
 * Tokens, one a line: the token alone, `NAME TOKEN [expires DATE] [connections N] [in-flight N] [rows-per-second N] [scope
 * infer,admin]`, or the same as a JSON object. Empty lines and lines that begin with # are skipped. A token without a name is
 * called `token-` and the number of its line.
 * @param place what messages name besides the line; they never repeat what is on it.
 * @throws OfframpError CONFIG_INVALID.
 */
export function parseTokens(text: string, place: string): TokenEntry[] {
  const seen = new Map<string, number>();
  const entries = text.split('\n').flatMap((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const number = index + 1;
    const problem = (what: string) =>
      new OfframpError('CONFIG_INVALID', `Line ${number} of ${place}: ${what}`);
    const entry = entryOf(
      line.startsWith('{') ? jsonFields(line, problem) : wordsFields(line, problem),
      number,
      problem,
    );
    const twin = seen.get(entry.token);
    if (twin !== undefined) throw problem(`the same token as on line ${twin}`);
    seen.set(entry.token, number);
    return [entry];
  });
  if (entries.length <= maxTokens) return entries;
  throw new OfframpError(
    'CONFIG_INVALID',
    `${place} holds ${entries.length} tokens, at most ${maxTokens} are taken`,
  );
}

type Problem = (what: string) => OfframpError;
type Fields = ReadonlyMap<string, unknown>;

function jsonFields(line: string, problem: Problem): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    // The parser's own words quote the line.
    throw problem('not a JSON object');
  }
  return new Map(Object.entries(parsed ?? {}));
}

function wordsFields(line: string, problem: Problem): Fields {
  const words = line.split(/\s+/);
  if (words.length === 1) return new Map([['token', line]]);
  const [name, token, ...settings] = words;
  const fields = new Map<string, unknown>([
    ['name', name],
    ['token', token],
  ]);
  for (let at = 0; at < settings.length; at += 2) {
    const [word = '', value = ''] = settings.slice(at, at + 2);
    const field = Object.hasOwn(wordFields, word) ? wordFields[word] : undefined;
    if (field === undefined || fields.has(field) || value === '') {
      throw problem(
        `word ${at + 3}: expected NAME TOKEN and then each at most once ${keysInWords}, with a value`,
      );
    }
    fields.set(field, fieldValue(field, value));
  }
  return fields;
}

const keysInWords = Object.keys(wordFields).join(', ');

function fieldValue(field: string, value: string): unknown {
  if (field === 'scopes') return value.split(',');
  return field === 'expires' ? value : Number(value);
}

function entryOf(fields: Fields, line: number, problem: Problem): TokenEntry {
  const known = ['name', 'token', ...Object.values(wordFields)];
  if (![...fields.keys()].every((field) => known.includes(field))) {
    throw problem(`a field that is not known, expected ${known.join(', ')}`);
  }
  const { name = `token-${line}`, token, scopes: named = ['infer'], expires } = Object.fromEntries(fields);
  if (typeof name !== 'string' || !namePattern.test(name)) {
    throw problem('the name, expected up to 64 letters, digits, dots, dashes and underscores');
  }
  return {
    name,
    token: tokenOf(token, problem),
    scopes: scopesOf(named, problem),
    ...(expires !== undefined && { expiresAtMs: endOf(expires, problem) }),
    ...limit(fields, 'connections', problem),
    ...limit(fields, 'inFlight', problem),
    ...limit(fields, 'rowsPerSecond', problem),
  };
}

function tokenOf(token: unknown, problem: Problem): string {
  if (typeof token !== 'string') throw problem('no token');
  if (token.length >= minTokenLength && token.length <= maxTokenLength) return token;
  throw problem(`a token of ${token.length} characters, expected ${minTokenLength} to ${maxTokenLength}`);
}

function scopesOf(named: unknown, problem: Problem): Scope[] {
  const list: unknown[] = Array.isArray(named) ? named : [];
  const found = scopes.filter((scope) => list.includes(scope));
  if (found.length > 0 && found.length === list.length) return found;
  throw problem(`the scopes, expected some of ${scopes.join(', ')}`);
}

/** A token holds to the end of the day that is written, in UTC. */
function endOf(expires: unknown, problem: Problem): number {
  const [, year = 0, month = 0, day = 0] = (/^(\d{4})-(\d\d)-(\d\d)$/.exec(String(expires)) ?? []).map(
    Number,
  );
  const date = new Date(Date.UTC(year, month - 1, day));
  if (year < 1970 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) {
    throw problem('the date of expires, expected one such as 2026-12-31');
  }
  return Date.UTC(year, month - 1, day + 1);
}

function limit(fields: Fields, field: keyof TokenLimits, problem: Problem): TokenLimits {
  const value = fields.get(field);
  if (value === undefined) return {};
  const whole = field !== 'rowsPerSecond';
  const fits =
    typeof value === 'number' && value > 0 && value <= maxLimit && (!whole || Number.isInteger(value));
  if (fits) return { [field]: value };
  throw problem(`${field}, expected a ${whole ? 'whole ' : ''}number above 0`);
}
