import type { ConsoleSnapshot } from '../snapshot-schema.ts';

/** What came of asking the server. */
export type Reply =
  | { readonly kind: 'snapshot'; readonly snapshot: ConsoleSnapshot }
  /** It answers, but not to this token. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'away'; readonly reason: string };

export interface PollOptions {
  readonly ask: () => Promise<Reply>;
  readonly onReply: (reply: Reply) => void;
  /** Calls after a time; returns what takes it back. */
  readonly schedule: (delayMs: number, action: () => void) => () => void;
}

const everyMs = 1000;
const mostMs = 10_000;

/** Asks once a second; less and less often while nobody answers, and not at all once it is paused. */
export class Poll {
  readonly #options: PollOptions;
  #failures = 0;
  /** Counts starts, so that an answer to a question of before a pause does not lead to a second round of questions. */
  #round = 0;
  #cancel = () => {};

  constructor(options: PollOptions) {
    this.#options = options;
  }

  /** Asks now, and goes on. */
  start(): void {
    this.pause();
    void this.#ask(this.#round);
  }

  pause(): void {
    this.#round++;
    this.#cancel();
  }

  async #ask(round: number): Promise<void> {
    const { ask, onReply, schedule } = this.#options;
    const reply = await ask();
    if (round !== this.#round) return;
    this.#failures = reply.kind === 'away' ? this.#failures + 1 : 0;
    // First, so that whoever hears of the reply may still pause.
    this.#cancel = schedule(pauseMs(this.#failures), () => void this.#ask(round));
    onReply(reply);
  }
}

/** Time to the next question after so many in a row without an answer. */
export function pauseMs(failures: number): number {
  return Math.min(mostMs, everyMs * 2 ** Math.max(0, failures - 1));
}
