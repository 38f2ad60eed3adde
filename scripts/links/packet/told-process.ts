import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type ErrorCode, OfframpError } from '../../../shared/errors.ts';

const hearDeadlineMs = 15_000;
const keptErrorChars = 2000;
/** What its exit status means when it says nothing more; anything else is INTERNAL. */
const refusals: ReadonlyMap<number | null, ErrorCode> = new Map([
  // What it was given is wrong.
  [2, 'CONFIG_INVALID'],
  // The machine lacks something.
  [3, 'NOT_SUPPORTED'],
]);

/** A process that answers what it is told by a line of JSON each time, and that ends when its stdin does. */
export class ToldProcess {
  /** Resolves once it has ended and all that it said was read. */
  readonly ended: Promise<void>;
  readonly #name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #trouble = '';
  #cannotStart = false;

  /** @param name what it is, at the beginning of errors */
  constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    // A session of its own keeps a Ctrl-C meant for us from it.
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    const { stdin, stdout, stderr } = this.#child;
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#trouble = (this.#trouble + text).slice(-keptErrorChars);
    });
    // Broken where it has ended already, which `hear` tells.
    stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.#child.once('error', ({ message }) => {
        this.#cannotStart = true;
        this.#trouble = `${this.#name}: ${message}, expected it to be installed`;
        resolve();
      });
      this.#child.once('close', () => resolve());
    });
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /**
   * The next line that it says.
   * @throws OfframpError with its last words when it has ended: CONFIG_INVALID when it refuses what it was given, NOT_SUPPORTED
   * when the machine lacks something; INTERNAL when it has ended otherwise, or hangs.
   */
  async hear<T>(): Promise<T> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      // Not SIGKILL: it has things to put away.
      this.#child.kill('SIGTERM');
    }, hearDeadlineMs);
    const { done, value } = await this.#lines.next();
    clearTimeout(timer);
    if (late) {
      throw new OfframpError('INTERNAL', `${this.#name} said nothing for ${hearDeadlineMs / 1000} s`);
    }
    if (done !== true) return JSON.parse(value);
    await this.ended;
    const { exitCode, signalCode } = this.#child;
    const message = this.#trouble.trim() || `${this.#name} ended with ${exitCode ?? signalCode}`;
    const code = this.#cannotStart ? 'NOT_SUPPORTED' : (refusals.get(exitCode) ?? 'INTERNAL');
    throw new OfframpError(code, message);
  }
}
