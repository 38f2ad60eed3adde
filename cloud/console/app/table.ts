import { make, write } from './dom.ts';

export interface Column<Item> {
  readonly title: string;
  readonly text: (item: Item) => string;
  /** A class of its cells; what is for administrators is hidden from others. */
  readonly align?: 'right' | 'long' | 'for-admins';
  /** An element in place of a text, made once for each row. */
  readonly make?: (item: Item) => HTMLElement;
}

export interface TableOptions<Item> {
  /** The section that it fills. */
  readonly section: HTMLElement;
  readonly title: string;
  readonly columns: readonly Column<Item>[];
  readonly keyOf: (item: Item) => string;
  /** Said in place of the table while there is nothing in it. */
  readonly none: string;
}

interface Row {
  readonly element: HTMLTableRowElement;
  readonly cells: readonly HTMLElement[];
}

/** A table whose rows stay the same elements while their texts change, so that focus and reading place are kept. */
export class LiveTable<Item> {
  readonly #options: TableOptions<Item>;
  readonly #body = make('tbody');
  readonly #note = make('p');
  readonly #none: HTMLElement;
  readonly #scroll: HTMLElement;
  readonly #rows = new Map<string, Row>();

  constructor(options: TableOptions<Item>) {
    this.#options = options;
    const { section, title, columns, none } = options;
    const id = `${section.id}-title`;
    const heads = columns.map((column) => make('th', { scope: 'col', ...classOf(column) }, column.title));
    const table = make(
      'table',
      { 'aria-labelledby': id },
      make('thead', {}, make('tr', {}, ...heads)),
      this.#body,
    );
    // Reachable by keyboard, since it scrolls.
    this.#scroll = make(
      'div',
      { class: 'scroll', role: 'region', tabindex: '0', 'aria-labelledby': id },
      table,
    );
    this.#none = make('p', { class: 'none' }, none);
    section.append(
      make('div', { class: 'heading' }, make('h2', { id }, title), this.#note),
      this.#none,
      this.#scroll,
    );
  }

  /** @param note what stands beside the title. */
  show(items: readonly Item[], note = ''): void {
    const { keyOf } = this.#options;
    const keys = new Set(items.map(keyOf));
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    for (const [place, item] of items.entries()) this.#place(place, this.#written(item));
    write(this.#note, note);
    this.#none.hidden = items.length > 0;
    this.#scroll.hidden = items.length === 0;
  }

  #place(place: number, row: HTMLTableRowElement): void {
    const there = this.#body.children[place] ?? null;
    if (there === row) return;
    // A row that is moved loses its focus.
    const focused = document.activeElement;
    this.#body.insertBefore(row, there);
    if (focused instanceof HTMLElement && row.contains(focused)) focused.focus();
  }

  #written(item: Item): HTMLTableRowElement {
    const { columns, keyOf } = this.#options;
    const key = keyOf(item);
    const row = this.#rows.get(key) ?? this.#made(item);
    this.#rows.set(key, row);
    for (const [index, column] of columns.entries()) {
      const cell = row.cells[index];
      if (cell !== undefined && column.make === undefined) write(cell, column.text(item));
    }
    return row.element;
  }

  #made(item: Item): Row {
    const cells = this.#options.columns.map((column, index) => {
      const cell = make(index === 0 ? 'th' : 'td', {
        ...(index === 0 && { scope: 'row' }),
        ...classOf(column),
      });
      if (column.make !== undefined) cell.append(column.make(item));
      return cell;
    });
    return { element: make('tr', {}, ...cells), cells };
  }
}

function classOf({ align }: { readonly align?: string }): Record<string, string> {
  return align === undefined ? {} : { class: align };
}
