import type { ServedBundle } from './config.ts';
import { element, setText } from './dom.ts';
import type { AgentHost } from './host.ts';
import type { BundleImages } from './images.ts';
import type { Notice } from './notice.ts';
import { runImages } from './run.ts';
import { RunView, sayRun } from './run-view.ts';

export interface RunControlParts {
  readonly host: AgentHost;
  readonly images: BundleImages;
  readonly notice: Notice;
  /** Before the first image, so that nothing else is looked at meanwhile. */
  readonly onBegin: () => void;
}

/** The button that runs many images in a row, and stops them. */
export class RunControl {
  readonly #parts: RunControlParts;
  readonly #view = new RunView();
  readonly #button = element('run', HTMLButtonElement);
  #count = 0;
  #run: AbortController | undefined;

  constructor(parts: RunControlParts) {
    this.#parts = parts;
    this.#button.addEventListener('click', () => this.#toggle());
  }

  /** What there is to run of a network. */
  offer({ images }: ServedBundle): void {
    this.#count = images?.count ?? 0;
    this.#button.hidden = images === undefined;
    if (this.#run === undefined) this.#sayCount();
    setText('run-source', images === undefined ? '' : `Images: ${images.source}.`);
  }

  stop(): void {
    this.#run?.abort();
  }

  #sayCount(): void {
    this.#button.textContent = `Run ${this.#count} images`;
  }

  async #toggle(): Promise<void> {
    if (this.#run !== undefined) return this.#run.abort();
    const run = new AbortController();
    this.#run = run;
    this.#parts.onBegin();
    this.#button.textContent = 'Stop';
    try {
      sayRun(await this.#through(run.signal));
    } catch (thrown) {
      sayRun('The run ended early.');
      this.#parts.notice.fault(thrown);
    } finally {
      this.#run = undefined;
      this.#sayCount();
    }
  }

  /** Runs them, and says what became of it. */
  async #through(signal: AbortSignal): Promise<string> {
    const { host } = this.#parts;
    const images = await this.#parts.images.row();
    sayRun(`Running ${images.count} images.`);
    await this.#view.begin(images.count);
    const beganMs = performance.now();
    const figures = await runImages({
      images,
      classify: (image) => host.classify(image),
      onFigures: (now) => this.#view.add(now),
      signal,
    });
    this.#view.end(figures);
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
    return `${signal.aborted ? 'Stopped after' : 'Ran'} ${figures.images} images in ${seconds} s.`;
  }
}
