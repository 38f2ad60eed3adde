/** A file as it was found. */
export interface FoundFile {
  readonly name: string;
  readonly bytes: number;
  /** When it was last written, milliseconds since 1970, by the clock of whoever has it. */
  readonly writtenMs: number;
  /** Of the file system: another file under the same name has another one. */
  readonly inode: number;
}

interface Known {
  readonly file: FoundFile;
  /** When it was first seen as it is, by our clock. */
  readonly sinceMs: number;
  isTaken: boolean;
}

/** What is empty is about to be written, more often than not. */
const emptyFactor = 4;

/**
 * Tells which files of a folder are new and complete. That a writer has finished nobody tells, so a file counts as complete when it has
 * not changed for a while. One that is written anew is new. Knows no more files than the folder has.
 */
export class NewFiles {
  readonly #settleMs: number;
  readonly #known = new Map<string, Known>();

  /**
   * @param settleMs how long a file has to stay as it is.
   * @param old files that are not new, as they were found.
   */
  constructor(settleMs: number, old: readonly FoundFile[] = []) {
    this.#settleMs = settleMs;
    for (const file of old) this.#known.set(file.name, { file, sinceMs: 0, isTaken: true });
  }

  /** Whether a file may become complete by the mere passing of time. */
  get areSettling(): boolean {
    for (const { isTaken } of this.#known.values()) if (!isTaken) return true;
    return false;
  }

  /**
   * Looks at all files of the folder.
   * @returns those that are new, complete and not taken, the oldest first.
   */
  look(found: readonly FoundFile[], nowMs: number): FoundFile[] {
    const names = new Set(found.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    const complete: FoundFile[] = [];
    for (const file of found) {
      const known = this.#knownAs(file) ?? { file, sinceMs: nowMs, isTaken: false };
      this.#known.set(file.name, known);
      const settleMs = file.bytes === 0 ? this.#settleMs * emptyFactor : this.#settleMs;
      if (!known.isTaken && nowMs - known.sinceMs >= settleMs) complete.push(file);
    }
    return complete.sort((a, b) => a.writtenMs - b.writtenMs || a.name.localeCompare(b.name));
  }

  /** The file is being answered, or has been. */
  take(file: FoundFile): void {
    const known = this.#knownAs(file);
    if (known !== undefined) known.isTaken = true;
  }

  /** It could not be answered for now. */
  giveBack(file: FoundFile): void {
    const known = this.#knownAs(file);
    if (known !== undefined) known.isTaken = false;
  }

  #knownAs({ name, bytes, writtenMs, inode }: FoundFile): Known | undefined {
    const known = this.#known.get(name);
    const isSame =
      known?.file.bytes === bytes && known.file.writtenMs === writtenMs && known.file.inode === inode;
    return isSame ? known : undefined;
  }
}
