/** A start tag as it was written. */
export interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface ReadMarkup {
  readonly tags: readonly Tag[];
  /** Words between tags, with what stood for characters put back; without those of style sheets. */
  readonly text: string;
}

/** Elements that have no end. */
const voids = new Set(['meta', '!doctype']);
const tagPattern = /<(\/?)([A-Za-z!][A-Za-z0-9]*)((?:\s+[A-Za-z][A-Za-z0-9:-]*(?:="[^"<>]*")?)*)\s*(\/?)>/y;
const attributePattern = /\s+([A-Za-z][A-Za-z0-9:-]*)(?:="([^"<>]*)")?/g;
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/**
 * Reads a document more strictly than a browser does: every tag is whole and closed in its turn, every attribute has double quotes,
 * and every `&` begins one of five entities.
 * @throws Error saying what is wrong, and where.
 */
export function readMarkup(document: string): ReadMarkup {
  const tags: Tag[] = [];
  const open: string[] = [];
  const words: string[] = [];
  let at = 0;
  for (let next = document.indexOf('<'); next !== -1; next = document.indexOf('<', at)) {
    words.push(decoded(document.slice(at, next)));
    const { end, isEnd, isClosed, ...tag } = tagAt(document, next);
    at = end;
    if (isEnd) {
      close(tag.name, open, document.slice(next, next + 60));
      continue;
    }
    tags.push(tag);
    if (tag.name === 'style') at = document.indexOf('</style>', at);
    if (!isClosed && !voids.has(tag.name)) open.push(tag.name);
  }
  words.push(decoded(document.slice(at)));
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`);
  return { tags, text: words.join(' ') };
}

function tagAt(document: string, place: number): Tag & { end: number; isEnd: boolean; isClosed: boolean } {
  tagPattern.lastIndex = place;
  const match = tagPattern.exec(document);
  if (match === null) throw new Error(`no tag at '${document.slice(place, place + 60)}'`);
  const [whole, slash, name = '', attributes = '', closing] = match;
  const ends = { end: place + whole.length, isEnd: slash === '/', isClosed: closing === '/' };
  return { name, attributes: attributesOf(attributes), ...ends };
}

function close(name: string, open: string[], place: string): void {
  const last = open.pop();
  if (last !== name) throw new Error(`</${name}> closes <${last}> at '${place}'`);
}

function attributesOf(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(attributePattern)].map(([, name = '', value = '']) => [name, decoded(value)]),
  );
}

function decoded(words: string): string {
  return words.replace(/&([^;\s]{0,6};)?/g, (whole, name = '') => {
    const character = entities[name.slice(0, -1)];
    if (character === undefined) throw new Error(`'${whole}' stands for nothing in '${words.slice(0, 60)}'`);
    return character;
  });
}
