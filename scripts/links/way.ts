import type { Clock } from '../../shared/clock.ts';
import type { Direction } from './link.ts';
import { type OneWay, packetPayloadBytes } from './one-way.ts';
import { meanBitsPerSecond } from './rates.ts';
import type { Timing } from './timing.ts';

/** Something that travels: bytes of a connection, or 0 of them for a packet without payload. */
export interface Parcel {
  readonly bytes: number;
  /** Called when it has come to the other side. */
  arrive(): void;
}

/** A connection's part in a direction. */
export interface Sender {
  /** The next parcel of at most so many bytes; `undefined` when there is none, or none may be sent for now. */
  next(mostBytes: number): Parcel | undefined;
}

interface OnItsWay {
  readonly dueMs: number;
  readonly parcel: Parcel;
}

/** Pieces for about a millisecond of a direction's rate: small enough to share it fairly, large enough to be cheap. */
const pieceMs = 1;
const mostPiecePackets = 44;

/** Packets that are put through one at a time, as bytes of payload. */
export function pieceBytesOf({ rate }: Direction): number {
  const packets = Math.round((meanBitsPerSecond(rate) / 8000) * (pieceMs / packetPayloadBytes));
  return packetPayloadBytes * Math.min(mostPiecePackets, Math.max(1, packets));
}

/**
 * One direction of an emulated link, shared by all connections: takes a piece from each in turn while the bottleneck holds
 * less than its queue, and hands over what arrives, in order.
 */
export class Way {
  readonly #clock: Clock;
  readonly #earlyMs: number;
  readonly #queueBytes: number;
  readonly #pieceBytes: number;
  #model: OneWay;
  /** The clock's time when the link's was 0. */
  #originMs: number;
  /** Those that may have something to send, the next one first. */
  readonly #willing = new Set<Sender>();
  /** Ascending by `dueMs`; the first of them at `#first`. */
  #line: OnItsWay[] = [];
  #first = 0;
  #lastDueMs = Number.NEGATIVE_INFINITY;
  #cancelArrival: (() => void) | undefined;
  #cancelReady: (() => void) | undefined;

  constructor({ clock, earlyMs }: Timing, direction: Direction, model: OneWay, originMs: number) {
    this.#clock = clock;
    this.#earlyMs = earlyMs;
    this.#queueBytes = direction.queueBytes;
    this.#pieceBytes = pieceBytesOf(direction);
    this.#model = model;
    this.#originMs = originMs;
  }

  /** Goes on with another model and time. What is on its way keeps its time, and nothing new overtakes it. */
  restart(model: OneWay, originMs: number): void {
    this.#model = model;
    this.#originMs = originMs;
    this.#cancelReady?.();
    this.#cancelReady = undefined;
    this.#pump();
  }

  /** Sends a parcel at once, whatever waits; for the few packets that set a connection up. */
  carry(parcel: Parcel): void {
    const nowMs = this.#clock.now();
    const arrivesMs = this.#originMs + this.#model.send(parcel.bytes, nowMs - this.#originMs);
    this.#lastDueMs = Math.max(arrivesMs, this.#lastDueMs);
    this.#line.push({ dueMs: this.#lastDueMs, parcel });
    this.#cancelArrival ??= this.#deliverIn(this.#lastDueMs - nowMs);
  }

  /** Says that a sender may have something to send; it is asked until it has nothing more. */
  offer(sender: Sender): void {
    this.#willing.add(sender);
    this.#pump();
  }

  /** Forgets everything that waits and travels. */
  close(): void {
    this.#willing.clear();
    this.#line = [];
    this.#first = 0;
    this.#cancelArrival?.();
    this.#cancelReady?.();
    this.#cancelArrival = undefined;
    this.#cancelReady = undefined;
  }

  #pump(): void {
    if (this.#cancelReady !== undefined) return;
    for (const sender of this.#willing) {
      const nowMs = this.#clock.now() - this.#originMs;
      if (this.#model.waitingBytes(nowMs) > this.#queueBytes) {
        this.#pumpLater(this.#model.readyMs() - nowMs);
        return;
      }
      // To the end of the row; a set is walked in the order of its additions, so it comes round again.
      this.#willing.delete(sender);
      const parcel = sender.next(this.#pieceBytes);
      if (parcel === undefined) continue;
      this.#willing.add(sender);
      this.carry(parcel);
    }
  }

  #pumpLater(delayMs: number): void {
    this.#cancelReady = this.#clock.schedule(Math.max(0, delayMs), () => {
      this.#cancelReady = undefined;
      this.#pump();
    });
  }

  #deliverIn(delayMs: number): () => void {
    return this.#clock.schedule(Math.max(0, delayMs - this.#earlyMs), () => this.#deliver());
  }

  #deliver(): void {
    for (let next = this.#line[this.#first]; next !== undefined; next = this.#line[this.#first]) {
      const leftMs = next.dueMs - this.#clock.now();
      if (leftMs > this.#earlyMs) {
        this.#cancelArrival = this.#deliverIn(leftMs);
        this.#forgetDelivered();
        return;
      }
      this.#first++;
      // May add to the line; `#cancelArrival` stays set meanwhile, so that no second timer is.
      next.parcel.arrive();
    }
    this.#cancelArrival = undefined;
    this.#forgetDelivered();
  }

  #forgetDelivered(): void {
    if (this.#first <= this.#line.length / 2) return;
    this.#line = this.#line.slice(this.#first);
    this.#first = 0;
  }
}
