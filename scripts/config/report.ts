/** One setting as `--print-config` shows it. */
export interface Row {
  readonly key: string;
  /** `undefined` for a setting that has no value. */
  readonly value: unknown;
  readonly origin: Origin;
  /** The flag, the variable or the file that said it. */
  readonly from: string | undefined;
}

/** Where a setting's value comes from; `implied` is by another setting. */
export type Origin = 'flag' | 'environment' | 'file' | 'default' | 'implied';

const hidden = '(set)';
const secretName = /(?:token|password|secret)$/i;

/** Settings in columns: name, value, origin. */
export function settingsTable(rows: readonly Row[]): string {
  const lines = [
    ['setting', 'value', 'origin'],
    ...rows.map(({ key, value, origin, from }) => [key, inWords(value), [origin, from].join(' ').trimEnd()]),
  ];
  const widths = [0, 1].map((column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)));
  const rule = [...widths, 'origin'.length].map((width) => '-'.repeat(Number(width)));
  const [header = [], ...body] = lines;
  return [header, rule, ...body]
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Settings as JSON: an object of `{ value, origin, from }` by name, `null` where there is none. */
export function settingsJson(rows: readonly Row[]): string {
  const entries = rows.map(({ key, value, origin, from = null }) => [
    key,
    { value: value ?? null, origin, from },
  ]);
  return JSON.stringify(Object.fromEntries(entries), withoutSecret, 2);
}

function inWords(value: unknown): string {
  if (value === undefined) return '-';
  if (Array.isArray(value)) return value.map(inWords).join(', ');
  if (typeof value === 'string') return withoutPassword(value);
  return JSON.stringify(value, withoutSecret);
}

/** For `JSON.stringify`: what looks like a secret, in sections that are not ours to know, is not printed. */
function withoutSecret(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return secretName.test(key) ? hidden : withoutPassword(value);
}

/** An address without the name and password that it may carry. */
function withoutPassword(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, `$1${hidden}@`);
}
