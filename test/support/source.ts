/**
 * A small scanner for TypeScript text. The checks of this folder ask simple questions of sources (what is imported, which
 * suites are run); strings, comments and regular expressions must not answer for the code around them.
 */

/** A source in which everything but code is blanked with spaces, and the string literals that were taken out. */
export interface BlankedSource {
  /** As long as the source, line breaks kept; quoted literals keep their quotes, their inside is spaces. */
  readonly code: string;
  /** Inside of each literal without `${}` (escapes left as written) by the offset of its opening quote. */
  readonly strings: ReadonlyMap<number, string>;
}

const regexMayFollow =
  /(?:^|[=(,:;[!&|?{}+*%<>~^-]|\b(?:return|typeof|case|of|in|await|yield|throw|default))\s*$/;

/**
 * Blanks comments, string literals, regular expressions and the text of template literals. Code inside `${}` of a
 * template stays. Telling a regular expression from a division is a guess from what stands before the slash.
 */
export function blankSource(source: string): BlankedSource {
  const strings = new Map<number, string>();
  /** Depth of braces at which each open `${` closes. */
  const openTemplates: number[] = [];
  let code = '';
  let braces = 0;
  let at = 0;

  while (at < source.length) {
    const char = source.charAt(at);
    const closesHole = char === '}' && openTemplates.at(-1) === braces;
    const end = closesHole ? templateEnd(source, at + 1) : spanEnd(source, at, code);
    if (end === at) {
      braces += braceStep(char);
      code += char;
      at += 1;
      continue;
    }
    if (closesHole) openTemplates.pop();
    if (source.startsWith('${', end - 2) && /[`}]/.test(char)) openTemplates.push(braces);
    else if (/['"`]/.test(char)) strings.set(at, source.slice(at + 1, end - 1));
    code += blank(source.slice(at, end), char);
    at = end;
  }
  return { code, strings };
}

function braceStep(char: string): number {
  if (char === '{') return 1;
  return char === '}' ? -1 : 0;
}

/** Offset after the comment, literal or regular expression that begins at `at`; `at` itself when none does. */
function spanEnd(source: string, at: number, codeBefore: string): number {
  const char = source.charAt(at);
  if (char === "'" || char === '"') return quoteEnd(source, at + 1, char);
  if (char === '`') return templateEnd(source, at + 1);
  if (char !== '/') return at;
  if (source.startsWith('//', at)) return endOr(source.indexOf('\n', at), source.length);
  if (source.startsWith('/*', at)) return endOr(source.indexOf('*/', at + 2), source.length - 2) + 2;
  return regexMayFollow.test(codeBefore.slice(-40)) ? regexEnd(source, at + 1) : at;
}

function blank(span: string, char: string): string {
  const spaces = span.replace(/[^\n]/g, ' ');
  return char === "'" || char === '"' ? char + spaces.slice(2) + char : spaces;
}

function endOr(index: number, otherwise: number): number {
  return index === -1 ? otherwise : index;
}

/** Offset after the closing quote, or after the line for an unclosed one. */
function quoteEnd(source: string, start: number, quote: string): number {
  let at = start;
  while (at < source.length && source.charAt(at) !== quote && source.charAt(at) !== '\n') {
    at += source.charAt(at) === '\\' ? 2 : 1;
  }
  return Math.min(at + 1, source.length);
}

/** Offset after the closing back-tick or after the next `${`. */
function templateEnd(source: string, start: number): number {
  let at = start;
  while (at < source.length && source.charAt(at) !== '`' && !source.startsWith('${', at)) {
    at += source.charAt(at) === '\\' ? 2 : 1;
  }
  return Math.min(at + (source.charAt(at) === '$' ? 2 : 1), source.length);
}

/** Offset after the closing slash of a regular expression; a slash inside `[...]` does not close it. */
function regexEnd(source: string, start: number): number {
  let inClass = false;
  let at = start;
  while (at < source.length && source.charAt(at) !== '\n') {
    const char = source.charAt(at);
    if (char === '/' && !inClass) return at + 1;
    if (char === '[') inClass = true;
    if (char === ']') inClass = false;
    at += char === '\\' ? 2 : 1;
  }
  return at;
}
