import { byId, make, write } from './dom.ts';
import type { Server } from './server.ts';

interface Question {
  readonly title: string;
  readonly what: string;
  /** Has to be typed. */
  readonly word: string;
  readonly yes: string;
  readonly act: () => Promise<void>;
}

/** What administrators may have changed. Nothing is asked of the server before its word has been typed. */
export class Actions {
  readonly #server: Server;
  readonly #told = byId('told', HTMLElement);
  readonly #drain = byId('drain', HTMLElement);
  readonly #dialog = byId('confirm', HTMLDialogElement);
  readonly #word = byId('confirm-word', HTMLInputElement);
  readonly #go = byId('confirm-go', HTMLButtonElement);
  readonly #load = make('form', { class: 'line', hidden: '' });
  readonly #choice = make('select', { id: 'load-choice' });
  readonly #loadButton = make('button', { type: 'submit', class: 'main' }, 'Load');
  #question: Question | undefined;

  constructor(server: Server) {
    this.#server = server;
    const label = make('label', { for: 'load-choice' }, 'From the repository');
    this.#load.append(label, this.#choice, this.#loadButton);
    this.#load.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#loadChosen();
    });
    byId('drain-button', HTMLButtonElement).addEventListener('click', () => this.#askToDrain());
    this.#listen();
  }

  /** Puts its form under the table of bundles, which has to be there. */
  place(): void {
    byId('bundles', HTMLElement).append(this.#load);
  }

  /** @param mayChange whether this caller is an administrator. */
  show(mayChange: boolean): void {
    this.#drain.hidden = !mayChange;
    for (const button of document.querySelectorAll<HTMLElement>('.for-admins')) button.hidden = !mayChange;
  }

  /** @param repository names of what could be loaded; null where nothing can be. */
  showRepository(repository: readonly string[] | null): void {
    this.#load.hidden = repository === null || repository.length === 0;
    const names = repository ?? [];
    const shown = [...this.#choice.options].map(({ value }) => value);
    if (names.join('\n') === shown.join('\n')) return;
    this.#choice.replaceChildren(...names.map((name) => make('option', { value: name }, name)));
  }

  unload(id: string, digest: string): void {
    const path = `v2/repository/models/${encodeURIComponent(id)}/unload`;
    this.#ask({
      title: `Unload ${id}`,
      what: `New work for the version ${digest.slice(0, 12)} is refused at once, what waits is still answered, and its devices are told to go elsewhere.`,
      word: id,
      yes: 'Unload',
      act: () => this.#change(`Unloading ${id}`, path, { digest }, `${id} is unloaded.`),
    });
  }

  #askToDrain(): void {
    this.#ask({
      title: 'Drain this server',
      what: 'Its process ends when everything in flight is answered. Whether it starts again is up to the machine.',
      word: 'drain',
      yes: 'Drain',
      act: () => this.#change('Asking the server to drain', 'v1/drain', {}, 'The server drains and ends.'),
    });
  }

  async #loadChosen(): Promise<void> {
    const id = this.#choice.value;
    const path = `v2/repository/models/${encodeURIComponent(id)}/load`;
    this.#loadButton.disabled = true;
    await this.#change(`Loading ${id}`, path, {}, `${id} is loaded.`);
    this.#loadButton.disabled = false;
  }

  async #change(
    doing: string,
    path: string,
    parameters: Readonly<Record<string, string>>,
    done: string,
  ): Promise<void> {
    this.#tell(`${doing} …`, '');
    const problem = await this.#server.change(path, parameters);
    if (problem === undefined) this.#tell(done, '');
    else this.#tell(`${doing} failed. ${problem}`, 'failed');
  }

  #tell(text: string, kind: '' | 'failed'): void {
    this.#told.classList.toggle('failed', kind === 'failed');
    write(this.#told, text);
  }

  #ask(question: Question): void {
    this.#question = question;
    const { title, what, word, yes } = question;
    write(byId('confirm-title', HTMLElement), title);
    write(byId('confirm-what', HTMLElement), what);
    write(byId('confirm-label', HTMLElement), `Type ${word} to confirm`);
    write(this.#go, yes);
    this.#word.value = '';
    this.#go.disabled = true;
    this.#dialog.showModal();
    this.#word.focus();
  }

  #listen(): void {
    this.#word.addEventListener('input', () => {
      this.#go.disabled = this.#word.value !== this.#question?.word;
    });
    byId('confirm-no', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    byId('confirm-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      const question = this.#question;
      if (question === undefined || this.#word.value !== question.word) return;
      this.#dialog.close();
      void question.act();
    });
  }
}
