/** Reads the text format of protocol buffers, as much of it as configurations of models need. */

/** Every field is a list: the format cannot say which may be repeated. */
export interface Message {
  readonly [field: string]: readonly Value[];
}

/** A message, a string, a number, or a word such as `TYPE_FP32` or `true`. */
export type Value = Message | string | number | { readonly word: string };

const token = /\s+|#[^\n]*|([A-Za-z_]\w*)|(-?\d+(?:\.\d+)?)|("(?:[^"\\\n]|\\.)*")|([{}[\]:,])/y;

/** @throws Error for what is not of the format. */
export function parseTextFormat(text: string): Message {
  const tokens = tokensOf(text);
  let at = 0;
  const peek = () => tokens[at];
  const take = (): string => {
    const next = tokens[at++];
    if (next === undefined) throw new Error('the text ends too early');
    return next;
  };
  const message = (end: string | undefined): Message => {
    const fields: Record<string, Value[]> = {};
    for (let name = peek(); name !== end; name = peek()) {
      const values = field();
      fields[values.name] = [...(fields[values.name] ?? []), ...values.values];
      if (peek() === ',') take();
    }
    if (end !== undefined) take();
    return fields;
  };
  const field = (): { name: string; values: Value[] } => {
    const name = take();
    if (!/^[A-Za-z_]/.test(name)) throw new Error(`expected a field, got ${name}`);
    const hasColon = peek() === ':';
    if (hasColon) take();
    if (peek() !== '[') return { name, values: [value(hasColon)] };
    take();
    const values: Value[] = [];
    while (peek() !== ']') {
      values.push(value(true));
      if (peek() === ',') take();
      else if (peek() !== ']') throw new Error(`expected , or ] in ${name}`);
    }
    take();
    return { name, values };
  };
  const value = (hasColon: boolean): Value => {
    const next = take();
    if (next === '{') return message('}');
    if (!hasColon) throw new Error(`expected : or {, got ${next}`);
    if (next.startsWith('"')) return unquoted(next);
    if (/^-?\d/.test(next)) return Number(next);
    if (/^[A-Za-z_]/.test(next)) return { word: next };
    throw new Error(`expected a value, got ${next}`);
  };
  return message(undefined);
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw new Error(`no token at '${text.slice(at, at + 20)}'`);
    const [, ...groups] = match;
    const found = groups.find((group) => group !== undefined);
    if (found !== undefined) tokens.push(found);
  }
  return tokens;
}

/** Escapes stand for bytes, which together are UTF-8. */
function unquoted(quoted: string): string {
  const bytes: number[] = [];
  const inside = /\\([0-7]{1,3})|\\(.)|([^\\])/gu;
  for (const [, octal, escaped, plain] of quoted.slice(1, -1).matchAll(inside)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else bytes.push(...new TextEncoder().encode(escaped ?? plain));
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
}
