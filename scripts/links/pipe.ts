import type { Socket } from 'node:net';
import type { Parcel, Sender, Way } from './way.ts';

/** Read from a socket and not yet sent; beyond it the socket is not read. */
const mostPendingBytes = 64 * 1024;
/** On its way at most, for one connection and direction: what Linux's TCP lets a receiver offer by default. */
const windowBytes = 6 * 1024 * 1024;

/** One direction of one connection: what is read from one socket is written to the other, by way of the link. */
export class Pipe implements Sender {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #way: Way;
  #open = false;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #onItsWayBytes = 0;
  #ended = false;
  #broken = false;
  /** What of the end has been sent. */
  #said: 'nothing' | 'end' | 'break' = 'nothing';
  #corked = false;

  constructor(from: Socket, to: Socket, way: Way) {
    this.#from = from;
    this.#to = to;
    this.#way = way;
  }

  /** Begins to read; before, bytes wait where they are. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#from.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#from.on('end', () => {
      this.#ended = true;
      this.#way.offer(this);
    });
    this.#to.on('drain', () => this.#way.offer(this));
    this.#to.on('close', () => this.#way.offer(this));
    this.#from.resume();
  }

  /** The connection broke at the side that is read: passed on behind what was read. */
  break(): void {
    this.#broken = true;
    this.#way.offer(this);
  }

  next(mostBytes: number): Parcel | undefined {
    if (this.#pending.length === 0) return this.#end();
    if (this.#to.writableNeedDrain && !this.#to.destroyed) return undefined;
    if (this.#onItsWayBytes >= windowBytes) return undefined;
    const piece = this.#cut(mostBytes);
    this.#onItsWayBytes += piece.length;
    return { bytes: piece.length, arrive: () => this.#write(piece) };
  }

  #take(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= mostPendingBytes) this.#from.pause();
    this.#way.offer(this);
  }

  #cut(mostBytes: number): Buffer {
    const [first = Buffer.alloc(0)] = this.#pending;
    const piece = first.subarray(0, mostBytes);
    if (piece.length === first.length) this.#pending.shift();
    else this.#pending[0] = first.subarray(mostBytes);
    this.#pendingBytes -= piece.length;
    if (this.#pendingBytes < mostPendingBytes) this.#from.resume();
    return piece;
  }

  #write(piece: Buffer): void {
    this.#onItsWayBytes -= piece.length;
    this.#way.offer(this);
    if (!this.#to.writable) return;
    if (!this.#corked) {
      // What arrives at once is one write.
      this.#corked = true;
      this.#to.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#to.uncork();
      });
    }
    this.#to.write(piece);
  }

  #end(): Parcel | undefined {
    if (this.#broken && this.#said !== 'break') {
      this.#said = 'break';
      return { bytes: 0, arrive: () => this.#to.resetAndDestroy() };
    }
    if (this.#ended && this.#said === 'nothing') {
      this.#said = 'end';
      return { bytes: 0, arrive: () => this.#to.end() };
    }
    return undefined;
  }
}
