export type Attributes = Readonly<Record<string, string | number>>;

/** One element as text, its children on lines of their own. Attribute values are escaped; children are markup already. */
export function element(name: string, attributes: Attributes, children: readonly string[] = []): string {
  const opening = `${name}${attributeText(attributes)}`;
  const inner = children.filter((child) => child !== '');
  return inner.length === 0 ? `<${opening}/>` : `<${opening}>\n${inner.join('\n')}\n</${name}>`;
}

/** A `text` element. */
export function textElement(words: string, attributes: Attributes): string {
  return wordsElement('text', words, attributes);
}

/** An element that holds words and nothing else; no line break is put around them, as it would be shown. */
export function wordsElement(name: string, words: string, attributes: Attributes = {}): string {
  return `<${name}${attributeText(attributes)}>${escaped(words)}</${name}>`;
}

/** A number of pixels as text: two decimals are a hundredth of a pixel, and the same on every machine. */
export function pixels(value: number): string {
  return String(Number(value.toFixed(2)) + 0);
}

/** The whole document; title and description are what a screen reader says of it. */
export function document(
  names: { readonly id: string; readonly title: string; readonly description: string },
  root: { readonly width: number; readonly height: number; readonly attributes: Attributes },
  children: readonly string[],
): string {
  const { id, title, description } = names;
  const { width, height, attributes } = root;
  const own = {
    xmlns: 'http://www.w3.org/2000/svg',
    id,
    ...attributes,
    width,
    height,
    viewBox: `0 0 ${pixels(width)} ${pixels(height)}`,
    role: 'img',
    'aria-labelledby': `${id}-title`,
    'aria-describedby': `${id}-description`,
  };
  const words = [
    wordsElement('title', title, { id: `${id}-title` }),
    wordsElement('desc', description, { id: `${id}-description` }),
  ];
  return `${element('svg', own, [...words, ...children])}\n`;
}

function attributeText(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escaped(typeof value === 'number' ? pixels(value) : value)}"`)
    .join('');
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escaped(words: string): string {
  // XML 1.0 has no way to write most control characters, not even escaped.
  return words.replace(/\p{Cc}/gu, ' ').replace(/[&<>"]/g, (character) => entities[character] ?? '');
}
