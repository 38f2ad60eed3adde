/**
 * Reads the part of YAML that the project's own files keep to, and refuses everything else: documents of block mappings and block
 * sequences with plain, quoted, folded (`>-`) and flow-sequence (`[a, b]`) scalars. No anchors, no tags, no tabs. What two
 * versions of YAML read differently, such as `yes` or `0440`, is refused too.
 */

export type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

const keyPattern = /^(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_][\w./-]*)):(?: +(.*))?$/;
const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;
const ambiguous = /^(?:yes|no|on|off|y|n|0\d+|0o\d+|[\d:]+:[\d:]+|\.inf|\.nan|~)$/i;

/** The documents of a YAML text. @throws Error that names the line. */
export function parseYaml(text: string): Yaml[] {
  const parts = text.split(/^---\s*$/m);
  let first = 1;
  const documents: Yaml[] = [];
  for (const part of parts) {
    const lines = linesOf(part, first);
    first += part.split('\n').length - 1;
    if (lines.length > 0) documents.push(new Reader(lines).document());
  }
  return documents;
}

function linesOf(text: string, first: number): Line[] {
  return text.split('\n').flatMap((raw, index) => {
    const number = first + index;
    if (raw.includes('\t')) throw new Error(`line ${number}: a tab`);
    const trimmed = raw.trimStart();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    return [{ indent: raw.length - trimmed.length, text: trimmed.trimEnd(), number }];
  });
}

class Reader {
  readonly #lines: Line[];
  #at = 0;

  constructor(lines: readonly Line[]) {
    this.#lines = [...lines];
  }

  document(): Yaml {
    const value = this.#block(0);
    const rest = this.#lines[this.#at];
    if (rest !== undefined)
      throw new Error(`line ${rest.number}: '${rest.text}' is indented as nothing before it`);
    return value;
  }

  /** A mapping or a sequence that is indented by at least `least`. */
  #block(least: number): Yaml {
    const line = this.#lines[this.#at];
    if (line === undefined || line.indent < least) return null;
    return line.text.startsWith('- ') ? this.#sequence(line.indent) : this.#mapping(line.indent);
  }

  #sequence(indent: number): Yaml[] {
    const items: Yaml[] = [];
    for (;;) {
      const line = this.#lines[this.#at];
      if (line === undefined || line.indent !== indent || !line.text.startsWith('- ')) return items;
      const inner = line.text.slice(2).trimStart();
      const shift = line.text.length - inner.length;
      if (keyPattern.test(inner)) {
        // A mapping that begins on the line of its dash is one that is indented by what stands before it.
        this.#lines[this.#at] = { ...line, indent: indent + shift, text: inner };
        items.push(this.#mapping(indent + shift));
      } else {
        this.#at++;
        items.push(scalar(inner, line.number));
      }
    }
  }

  #mapping(indent: number): Yaml {
    const entries = new Map<string, Yaml>();
    for (;;) {
      const line = this.#lines[this.#at];
      if (line === undefined || line.indent !== indent || line.text.startsWith('- ')) break;
      const [whole, quoted, plain, value] = keyPattern.exec(line.text) ?? [];
      if (whole === undefined)
        throw new Error(`line ${line.number}: expected 'key: value', got '${line.text}'`);
      const key = quoted ?? plain ?? '';
      if (entries.has(key)) throw new Error(`line ${line.number}: '${key}' is there twice`);
      this.#at++;
      entries.set(key, this.#value(value ?? '', line));
    }
    return Object.fromEntries(entries);
  }

  #value(text: string, { indent, number }: Line): Yaml {
    if (text === '>-') return this.#folded(indent);
    if (text !== '' && !text.startsWith('#')) return scalar(text, number);
    const next = this.#lines[this.#at];
    // A sequence may stand as far left as the key that it belongs to.
    const isFlush = next?.indent === indent && next.text.startsWith('- ');
    return this.#block(isFlush ? indent : indent + 1);
  }

  #folded(indent: number): string {
    const first = this.#lines[this.#at];
    const words: string[] = [];
    for (;;) {
      const line = this.#lines[this.#at];
      if (line === undefined || line.indent <= indent) return words.join(' ');
      if (line.indent !== first?.indent)
        throw new Error(`line ${line.number}: indented otherwise than the line above`);
      words.push(line.text);
      this.#at++;
    }
  }
}

function scalar(raw: string, number: number): Yaml {
  if (raw.startsWith('"') || raw.startsWith("'")) return quoted(raw, number);
  const text = raw.replace(/\s+#.*$/, '');
  if (text.startsWith('[')) {
    if (!/^\[[^[\]{}"']*\]$/.test(text))
      throw new Error(`line ${number}: a list that is not read here: ${text}`);
    const inner = text.slice(1, -1).trim();
    return inner === '' ? [] : inner.split(',').map((part) => scalar(part.trim(), number));
  }
  if (wantsQuotes(text)) throw new Error(`line ${number}: put quotes around ${text}`);
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  return numberPattern.test(text) ? Number(text) : text;
}

/** Whether readers of YAML may differ over what the text without quotes is. */
function wantsQuotes(text: string): boolean {
  if (numberPattern.test(text) || /^-[-\w]/.test(text)) return false;
  return text === '' || /^[{}&*!|>%@`?-]/.test(text) || /:(?: |$)/.test(text) || ambiguous.test(text);
}

function quoted(text: string, number: number): string {
  const single = /^'((?:[^']|'')*)'(?:\s+#.*)?$/.exec(text)?.[1];
  if (single !== undefined) return single.replaceAll("''", "'");
  const double = /^("(?:[^"\\]|\\.)*")(?:\s+#.*)?$/.exec(text)?.[1];
  if (double === undefined) throw new Error(`line ${number}: quotes that do not end: ${text}`);
  return JSON.parse(double);
}
