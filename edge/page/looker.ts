import type { AnswerView } from './answer-view.ts';
import type { AgentHost } from './host.ts';
import type { Notice } from './notice.ts';
import type { PictureInput } from './picture-input.ts';
import { pictureCost } from './pictures.ts';

export interface LookerParts {
  readonly host: AgentHost;
  readonly input: PictureInput;
  readonly answer: AnswerView;
  readonly notice: Notice;
}

/** Has the agent look at what is on the pad, and shows what it says. */
export class Looker {
  readonly #parts: LookerParts;
  #isBusy = false;
  /** Whether there is something newer to look at. */
  #isDue = false;

  constructor(parts: LookerParts) {
    this.#parts = parts;
  }

  /** While one answer is waited for, only the newest picture waits behind it. */
  async look(): Promise<void> {
    this.#isDue = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (this.#isDue) {
        this.#isDue = false;
        await this.#lookOnce();
      }
    } catch (thrown) {
      this.#parts.notice.fault(thrown);
    } finally {
      this.#isBusy = false;
    }
  }

  async #lookOnce(): Promise<void> {
    const { host, input, answer: view } = this.#parts;
    const beganMs = performance.now();
    const { shape, file } = input;
    const seen = input.pad.pixels(shape);
    if (seen === undefined) return;
    const prepareMs = performance.now() - beganMs;
    const answer = await host.classify(seen.pixels, (device) => view.onDevice(device));
    const totalMs = performance.now() - beganMs;
    if (input.pad.isEmpty) return;
    view.onAnswer(answer, { prepareMs, totalMs });
    view.setCost(answer, await pictureCost(seen.canvas, shape[2] ?? 0, file));
  }
}
