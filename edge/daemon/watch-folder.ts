import { watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import type { Answer } from '../agent/index.ts';
import { answerJson, errorWords } from './answer-json.ts';
import { type FoundFile, NewFiles } from './new-files.ts';
import { readPicture } from './read-picture.ts';
import { Slots } from './slots.ts';

export interface WatchConfig {
  readonly folder: string;
  /** Files that are there at the start: answered too, or passed over. */
  readonly existing: 'answered' | 'passed over';
  /** Takes what is to be said of a file: `file`, its path, and the answer's fields or `error`. */
  readonly deliver: (name: string, said: Record<string, unknown>) => Promise<void>;
  /** How long a file has to stay as it is to count as complete. */
  readonly settleMs?: number;
}

export interface WatchFolderOptions extends WatchConfig {
  readonly classify: (picture: Uint8Array) => Promise<Answer>;
  readonly onAnswer: (answer: Answer) => void;
  readonly onError: (error: OfframpError) => void;
  readonly maxInFlight: number;
  readonly logger: FastifyBaseLogger;
}

const defaultSettleMs = 500;
/** Where nothing tells of changes, as on network drives, the folder is looked at this often. */
const lookAnywayMs = 2000;
const stattedAtOnce = 64;

/**
 * Answers pictures as they appear in a folder. What waits, waits in the folder: no more than `maxInFlight` are under way, and no list
 * grows. Files that begin with a dot and `.json` files are passed over, folders too.
 */
export class FolderWatch {
  readonly #options: WatchFolderOptions;
  readonly #files: NewFiles;
  readonly #slots: Slots;
  readonly #stop = new AbortController();
  readonly #settleMs: number;
  #wake = () => {};
  #problem = '';
  #ended: Promise<void> = Promise.resolve();

  private constructor(options: WatchFolderOptions, old: readonly FoundFile[]) {
    this.#options = options;
    this.#settleMs = options.settleMs ?? defaultSettleMs;
    this.#files = new NewFiles(this.#settleMs, old);
    this.#slots = new Slots(options.maxInFlight);
  }

  /** @throws OfframpError CONFIG_INVALID where the folder cannot be read. */
  static async start(options: WatchFolderOptions): Promise<FolderWatch> {
    const there = await filesIn(options.folder).catch((thrown: unknown) => {
      const message = `Cannot watch the folder ${options.folder}: ${reasonOf(thrown)}`;
      throw new OfframpError('CONFIG_INVALID', message, { cause: thrown });
    });
    const watching = new FolderWatch(options, options.existing === 'passed over' ? there : []);
    watching.#ended = watching.#run();
    return watching;
  }

  /** Looks no more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const stopListening = this.#listen();
    while (!this.#stop.signal.aborted) {
      const changed = this.#untilWoken();
      await this.#look();
      await changed(this.#files.areSettling ? this.#settleMs / 2 : lookAnywayMs);
    }
    stopListening();
    await this.#slots.drained();
  }

  async #look(): Promise<void> {
    const { folder, logger } = this.#options;
    try {
      const found = await filesIn(folder);
      this.#problem = '';
      for (const file of this.#files.look(found, performance.now())) {
        await this.#slots.take();
        if (this.#stop.signal.aborted) return this.#slots.give();
        this.#files.take(file);
        void this.#answer(file).finally(() => this.#slots.give());
      }
    } catch (thrown) {
      // Said once, not at every look; the folder may come back.
      const problem = reasonOf(thrown);
      if (problem !== this.#problem)
        logger.warn({ folder }, `Cannot look into the watched folder: ${problem}`);
      this.#problem = problem;
    }
  }

  async #answer(file: FoundFile): Promise<void> {
    const { folder, classify, deliver, onAnswer, onError, logger } = this.#options;
    const path = join(folder, file.name);
    let said: Record<string, unknown>;
    try {
      const answer = await classify(await readPicture(path));
      onAnswer(answer);
      said = { file: path, ...answerJson(answer) };
    } catch (thrown) {
      const error = OfframpError.from(thrown);
      // Callers of the HTTP API have taken all there is; the file stays where it is.
      if (error.code === 'BUSY') return this.#tryLater(file);
      onError(error);
      said = { file: path, error: errorWords(error) };
    }
    await deliver(file.name, said).catch((thrown: unknown) => {
      logger.error({ file: path }, `Cannot deliver an answer: ${reasonOf(thrown)}`);
    });
  }

  async #tryLater(file: FoundFile): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#settleMs / 2));
    this.#files.giveBack(file);
    this.#wake();
  }

  /** Has changes wake the loop, where the file system tells of them. */
  #listen(): () => void {
    try {
      const watcher = watch(this.#options.folder, () => this.#wake());
      watcher.on('error', () => watcher.close());
      return () => watcher.close();
    } catch {
      return () => {};
    }
  }

  /** What changes from now on is not missed; the function waits for it, or for so long. */
  #untilWoken(): (longestMs: number) => Promise<void> {
    const { promise, resolve } = withResolver();
    this.#wake = resolve;
    return async (longestMs) => {
      const timer = setTimeout(resolve, longestMs);
      // Many changes at once are one.
      await Promise.all([promise, new Promise((done) => setTimeout(done, this.#pauseMs))]);
      clearTimeout(timer);
    };
  }

  get #pauseMs(): number {
    return this.#stop.signal.aborted ? 0 : Math.min(50, this.#settleMs / 4);
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function filesIn(folder: string): Promise<FoundFile[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.') && !name.endsWith('.json'));
  const found: FoundFile[] = [];
  for (let at = 0; at < names.length; at += stattedAtOnce) {
    const some = await Promise.all(names.slice(at, at + stattedAtOnce).map((name) => fileAt(folder, name)));
    found.push(...some.flatMap((file) => file ?? []));
  }
  return found;
}

async function fileAt(folder: string, name: string): Promise<FoundFile | undefined> {
  try {
    const found = await stat(join(folder, name));
    if (!found.isFile()) return undefined;
    return { name, bytes: found.size, writtenMs: found.mtimeMs, inode: found.ino };
  } catch {
    // It has gone since it was listed.
    return undefined;
  }
}
