/** The element of an id. @throws Error when the page lacks it, or it is another kind of element: script and page do not fit. */
export function element<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`The page has no ${kind.name} '${id}'`);
}

export function setText(id: string, text: string): void {
  const found = element(id, Element);
  // A live region is read again when its text is set, even to the same.
  if (found.textContent !== text) found.textContent = text;
}

/** A new element with text in it. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className = '',
  text = '',
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  made.textContent = text;
  return made;
}

/** @param share of its parent's width, 0 to 1. */
export function setWidth(of: HTMLElement, share: number): void {
  of.style.width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;
}
