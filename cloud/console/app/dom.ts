/** Small things to do with elements. */

/** @throws TypeError when the page has no such element, which is an error of ours. */
export function byId<E extends HTMLElement>(id: string, kind: new () => E): E {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new TypeError(`the page has no ${kind.name} #${id}`);
}

/** Makes an element with text or other elements in it. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Writes a text, and only when it is another: what does not change is not laid out or read out again. */
export function write(element: Node, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** One pair of a description list, made once and written to afterwards. */
export class Pairs {
  readonly #list: HTMLElement;
  readonly #values = new Map<string, readonly HTMLElement[]>();

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  /** @param more a second line. */
  set(name: string, value: string, more?: string): void {
    const lines = this.#values.get(name) ?? this.#add(name, more === undefined ? 1 : 2);
    for (const [index, text] of [value, more ?? ''].entries()) {
      const line = lines[index];
      if (line !== undefined) write(line, text);
    }
  }

  #add(name: string, count: number): readonly HTMLElement[] {
    const lines = ['value', 'more'].slice(0, count).map((kind) => make('dd', { class: kind }));
    this.#list.append(make('div', {}, make('dt', {}, name), ...lines));
    this.#values.set(name, lines);
    return lines;
  }
}
