import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import { type PictureFormat, pictureFormatOf } from '../shared/protocol/index.ts';
import type { Engine } from './engine.ts';
import type { Work } from './work.ts';

/** A request as a session hands it over: rows that the engine takes as they are, or picture files. */
export interface SentWork extends Work {
  /** The rows are files of this format; absent: they are what the engine takes. */
  readonly format?: PictureFormat;
}

export interface DecoderLimits {
  /** Bytes of the largest picture file; 0 takes none. */
  readonly maxImageBytes: number;
  /** Pictures decoded at the same time. */
  readonly maxDecodes: number;
  /** Rows of one request. */
  readonly maxBatchRows: number;
  /** Rows and bytes of pictures that are not decoded yet; beyond either requests are refused with BUSY. */
  readonly maxQueuedRows: number;
  readonly maxUndecodedBytes: number;
}

/** Makes uint8 pixels of a file for an input of this shape, off the calling thread. */
export type Decode = (file: Uint8Array, shape: readonly number[]) => Promise<Uint8Array>;

export interface DecoderObserver {
  /** One picture was decoded, or turned out to be none. */
  onDecoded(seconds: number): void;
}

interface Job {
  readonly work: SentWork;
  readonly bytes: number;
  readonly arrivedAtMs: number;
  readonly deadlineMs: number;
  /** Pixels of the first rows, as far as they are decoded. */
  readonly decoded: Uint8Array[];
  /** Time spent on them. */
  decodeMs: number;
  dropped: boolean;
  /** Takes the decoded rows out of the engine's queue. */
  dropQueued: () => void;
}

const firstGuessMsPerPicture = 1;
/** Weight of the newest picture in the running mean of time per picture. */
const pictureTimeWeight = 0.1;

/**
 * Stands before the engine and makes rows of picture files, a few at a time. Clients take turns picture by picture, so that
 * none waits for all that another has sent. Decodes nothing itself: the function it is given does.
 */
export class PictureDecoder {
  readonly #engine: Pick<Engine, 'submit'>;
  readonly #decode: Decode;
  readonly #clock: Clock;
  readonly #limits: DecoderLimits;
  readonly #observer: DecoderObserver;
  /** Requests that wait, by client; the first client is the next. */
  readonly #waiting = new Map<string, Job[]>();
  #decoding = 0;
  #undecodedRows = 0;
  #undecodedBytes = 0;
  #msPerPicture = firstGuessMsPerPicture;

  constructor(
    engine: Pick<Engine, 'submit'>,
    decode: Decode,
    clock: Clock,
    limits: DecoderLimits,
    observer: DecoderObserver,
  ) {
    this.#engine = engine;
    this.#decode = decode;
    this.#clock = clock;
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Rows of requests that are waiting to be decoded or being decoded. */
  get undecodedRows(): number {
    return this.#undecodedRows;
  }

  /**
   * Takes a request; returns what to call when its caller has gone before the answer. The budget counts from now on, the
   * decoding with it.
   * @throws OfframpError IMAGE_INVALID, IMAGE_TOO_LARGE, TENSOR_INVALID, BUSY, BUDGET_SPENT, or what {@link Engine.submit}
   * throws for rows that are no pictures: nothing was queued. What decoding finds wrong goes to `onError`.
   */
  submit(work: SentWork): () => void {
    const { format, rows, budgetMs } = work;
    if (format === undefined) return this.#engine.submit(work);
    if (budgetMs <= 0) throw new OfframpError('BUDGET_SPENT', 'The request arrived with no budget left');
    const bytes = this.#check(format, rows);
    const now = this.#clock.now();
    const job: Job = {
      ...{ work, bytes, arrivedAtMs: now, deadlineMs: now + budgetMs },
      ...{ decoded: [], decodeMs: 0, dropped: false, dropQueued: () => {} },
    };
    this.#admit(job);
    const own = this.#waiting.get(work.client);
    if (own === undefined) this.#waiting.set(work.client, [job]);
    else own.push(job);
    this.#dispatch();
    return () => this.#drop(job);
  }

  /** Bytes of all rows. */
  #check(format: PictureFormat, rows: readonly Uint8Array[]): number {
    const { maxBatchRows, maxImageBytes } = this.#limits;
    if (rows.length > maxBatchRows) {
      const message = `A request of ${rows.length} rows, at most ${maxBatchRows} are taken`;
      throw new OfframpError('TENSOR_INVALID', message);
    }
    let bytes = 0;
    for (const [index, { length }] of rows.entries()) {
      if (length > maxImageBytes) {
        const message = `Row ${index}: a picture of ${length} bytes, at most ${maxImageBytes} are taken`;
        throw new OfframpError('IMAGE_TOO_LARGE', message);
      }
      bytes += length;
    }
    for (const [index, row] of rows.entries()) {
      const got = pictureFormatOf(row) ?? 'no picture of a known format';
      if (got === format) continue;
      throw new OfframpError(
        'IMAGE_INVALID',
        `Row ${index}: got ${got}, expected ${format} as the frame says`,
      );
    }
    return bytes;
  }

  #admit({ work: { rows }, bytes }: Job): void {
    const { maxQueuedRows, maxUndecodedBytes, maxDecodes } = this.#limits;
    const full = this.#undecodedRows + rows.length > maxQueuedRows;
    if (full || this.#undecodedBytes + bytes > maxUndecodedBytes) {
      const waiting = `${this.#undecodedRows} pictures of ${this.#undecodedBytes} bytes`;
      const message = `${waiting} wait to be decoded, at most ${maxQueuedRows} of ${maxUndecodedBytes} may`;
      const retryAfterMs = Math.max(1, (this.#undecodedRows * this.#msPerPicture) / maxDecodes);
      throw new OfframpError('BUSY', message, { retryAfterMs });
    }
    this.#undecodedRows += rows.length;
    this.#undecodedBytes += bytes;
  }

  /** Puts a request with pictures left before the others of its client, and that client last. */
  #queueRest(job: Job): void {
    const { client } = job.work;
    const others = this.#waiting.get(client) ?? [];
    this.#waiting.delete(client);
    this.#waiting.set(client, [job, ...others]);
  }

  #dispatch(): void {
    while (this.#decoding < this.#limits.maxDecodes) {
      const job = this.#next();
      if (job === undefined) return;
      this.#decoding++;
      void this.#run(job);
    }
  }

  /** Takes the oldest request of the client whose turn it is, and puts that client last. */
  #next(): Job | undefined {
    for (const [client, own] of this.#waiting) {
      this.#waiting.delete(client);
      const job = own.shift();
      if (own.length > 0) this.#waiting.set(client, own);
      if (job !== undefined) return job;
    }
    return undefined;
  }

  /** Decodes the next picture of a request. */
  async #run(job: Job): Promise<void> {
    const { work, decoded } = job;
    try {
      decoded.push(await this.#row(job));
      if (!job.dropped && decoded.length === work.rows.length) this.#handOver(job);
    } catch (thrown) {
      if (!job.dropped) work.onError(OfframpError.from(thrown));
      job.dropped = true;
    }
    this.#decoding--;
    if (job.dropped || decoded.length === work.rows.length) this.#forget(job);
    else this.#queueRest(job);
    this.#dispatch();
  }

  async #row(job: Job): Promise<Uint8Array> {
    const { work, decoded, arrivedAtMs, deadlineMs } = job;
    const index = decoded.length;
    const startedAtMs = this.#clock.now();
    if (startedAtMs >= deadlineMs) {
      const waitedMs = Math.round(startedAtMs - arrivedAtMs);
      const message = `The budget ran out after ${waitedMs} ms, ${index} of ${work.rows.length} pictures decoded`;
      throw new OfframpError('BUDGET_SPENT', message);
    }
    try {
      const file = work.rows[index] ?? new Uint8Array(0);
      return await this.#decode(file, work.served.bundle.manifest.input.shape);
    } catch (thrown) {
      const { code, message, cause } = OfframpError.from(thrown);
      throw new OfframpError(code, `Row ${index}: ${message}`, { cause });
    } finally {
      const tookMs = this.#clock.now() - startedAtMs;
      job.decodeMs += tookMs;
      this.#msPerPicture += pictureTimeWeight * (tookMs - this.#msPerPicture);
      this.#observer.onDecoded(tookMs / 1000);
    }
  }

  /** Waiting for a turn counts as queueing and decoding as computing, so that both add up to the time spent here. */
  #handOver(job: Job): void {
    const { work, decoded, arrivedAtMs, deadlineMs, decodeMs } = job;
    const now = this.#clock.now();
    const waitMs = now - arrivedAtMs - decodeMs;
    job.dropQueued = this.#engine.submit({
      ...work,
      rows: decoded,
      budgetMs: deadlineMs - now,
      onResult: (result) =>
        work.onResult({
          ...result,
          queueMicros: result.queueMicros + waitMs * 1000,
          runMicros: result.runMicros + decodeMs * 1000,
        }),
    });
  }

  #drop(job: Job): void {
    job.dropped = true;
    job.dropQueued();
    const { client } = job.work;
    const own = this.#waiting.get(client);
    const place = own?.indexOf(job) ?? -1;
    if (own === undefined || place === -1) return;
    own.splice(place, 1);
    if (own.length === 0) this.#waiting.delete(client);
    this.#forget(job);
  }

  #forget({ work, bytes }: Job): void {
    this.#undecodedRows -= work.rows.length;
    this.#undecodedBytes -= bytes;
  }
}
