import { OfframpError } from '../web/index.ts';
import { element, setText } from './dom.ts';
import { faultWords } from './words.ts';

/** The one place where the page says that something went wrong; it goes on all the same. */
export class Notice {
  readonly #place = element('notice', HTMLElement);
  readonly #retry = element('notice-retry', HTMLButtonElement);

  constructor() {
    element('notice-close', HTMLButtonElement).onclick = () => this.hide();
  }

  /** @param retry offered as a button. */
  show(words: string, retry?: () => unknown): void {
    this.#place.hidden = false;
    setText('notice-words', words);
    this.#retry.hidden = retry === undefined;
    this.#retry.onclick = () => {
      this.hide();
      retry?.();
    };
  }

  /** Says in words what was thrown. */
  fault(thrown: unknown, retry?: () => unknown): void {
    const { code, message } = OfframpError.from(thrown);
    // Whoever has begun another start knows.
    if (code === 'RUNTIME_STOPPED') return;
    this.show(faultWords(code, message), retry);
  }

  hide(): void {
    this.#place.hidden = true;
  }
}
