/** Text that is HTML already. Only {@link html} and {@link drawn} make it, so that words from a file cannot pass for it. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Markup | string | number | readonly Markup[];

/** HTML of a template: what is put in is escaped unless it is HTML itself; in attributes too, which must have double quotes. */
export function html(pieces: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const text = pieces.map((piece, index) => piece + partText(parts[index] ?? ''));
  return new Markup(text.join(''));
}

/** A chart that `renderPageChart` drew: it escapes by itself. */
export function drawn(svg: string): Markup {
  return new Markup(svg);
}

function partText(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(({ text }) => text).join('\n');
  return escaped(String(part));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(words: string): string {
  return words.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** `a, b and c`. */
export function inOneList(parts: readonly Markup[]): Markup {
  return html`${parts.map((part, at) => {
    const after = at === parts.length - 1 ? '' : at === parts.length - 2 ? ' and' : ',';
    return html`${part}${after}`;
  })}`;
}

/** Characters that a page cannot hold, or that turn the reading direction of what follows them, as visible ones. */
export function withoutHidden(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu, '\ufffd');
}
