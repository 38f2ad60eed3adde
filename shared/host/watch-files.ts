import { stat } from 'node:fs/promises';

const settleMs = 200;

/**
 * Notices when one of some files is another than before, by time, size or inode: written over, replaced by renaming, or reached
 * through a link that now points elsewhere, as mounted secrets are. It asks every few seconds, since the system's own notices miss the
 * last two and some file systems send none.
 */
export class FileWatch {
  readonly #files: readonly string[];
  #seen: string;
  #onChange: () => Promise<void> | void = () => {};
  #queue: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  private constructor(files: readonly string[], seen: string) {
    this.#files = files;
    this.#seen = seen;
  }

  /** Remembers how the files are now. Call it before they are read, so that no change falls between. */
  static async of(files: readonly string[]): Promise<FileWatch> {
    return new FileWatch(files, await fingerprint(files));
  }

  /** Calls `onChange`, which must not throw, after every change; never twice at the same time. */
  start(everyMs: number, onChange: () => Promise<void> | void): void {
    this.#onChange = onChange;
    this.#timer = setInterval(() => void this.look(), everyMs);
    this.#timer.unref();
  }

  /** Looks now; after a change `onChange` has run when it resolves. */
  look(): Promise<void> {
    return this.#inTurn(async () => {
      const seen = await settled(this.#files, this.#seen);
      if (seen === this.#seen) return;
      this.#seen = seen;
      await this.#onChange();
    });
  }

  /** Runs `onChange` whether or not anything has changed. */
  force(): Promise<void> {
    return this.#inTurn(async () => {
      this.#seen = await fingerprint(this.#files);
      await this.#onChange();
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(work);
    return this.#queue;
  }
}

/** How the files are once nobody writes to them: a half-written file may well make sense. */
async function settled(files: readonly string[], seen: string): Promise<string> {
  let now = await fingerprint(files);
  for (let last = seen; now !== last; now = await fingerprint(files)) {
    last = now;
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }
  return now;
}

async function fingerprint(files: readonly string[]): Promise<string> {
  const marks = files.map((file) =>
    stat(file, { bigint: true }).then(
      ({ mtimeNs, size, ino }) => `${mtimeNs}:${size}:${ino}`,
      () => 'missing',
    ),
  );
  return (await Promise.all(marks)).join(' ');
}
