import { OfframpError } from '../../shared/errors.ts';
import { Backlog } from './backlog.ts';
import { type Bottleneck, bottleneckOf } from './bottleneck.ts';
import type { Direction, Outage } from './link.ts';

/** Payload of a TCP segment in an Ethernet frame: 1500 bytes less the headers. */
export const packetPayloadBytes = 1448;
/** IPv4 (20) and TCP with timestamps (32). */
export const packetHeaderBytes = 52;

/** Linux's least retransmission timeout on top of the round trip. */
const leastTimeoutMs = 200;
/** So many packets behind a lost one tell the sender of it at once (RFC 5681 section 3.2); fewer might just have overtaken it. */
const tellingPackets = 3;
/** Of the round trip: how long the sender waits for one that may only be late (RACK's reordering window, RFC 8985 section 6.2). */
const reorderingShare = 0.25;
const mostDoublings = 6;
/** Delays so far apart have little to do with each other any more. */
const jitterMemoryMs = 50;

/**
 * One direction of a link on any clock: a bottleneck that takes bytes in order, and the delay behind it.
 *
 * It is a model of the stream, not of packets:
 * - A message is as many packets as it takes at 1448 bytes each, with 52 bytes of headers on every one.
 * - The delay is normal around `delayMs`, never below 0. It drifts: moments much less than 50 ms apart have nearly the same
 *   delay, so that a message sent in pieces takes as long as one sent whole. Nothing overtakes.
 *   The last byte is there when the slower of its first and its last packet is.
 * - A lost packet comes again as Linux has it by RACK and TLP (RFC 8985): after a round trip (taken as twice `delayMs`) when three
 *   packets of its message follow it, and a quarter more when one or two do. The last of several comes after two round trips, when a
 *   probe is sent for it, and the only one after a retransmission timeout, a round trip and 200 ms. No probe comes later than that
 *   timeout, which comes next and doubles when what is sent again is lost as well. Everything behind waits. What it takes to send
 *   again is not counted, losses do not come in bursts, and there is no slow start: TCP's window never is the limit.
 * - An outage holds at the bottleneck. What had left it arrives.
 */
export class OneWay {
  readonly #bottleneck: Bottleneck;
  readonly #direction: Direction;
  readonly #random: () => number;
  readonly #backlog = new Backlog();
  #leftMs: number;
  #arrivedMs: number;
  /** The delay's deviation when the last message left, in standard deviations. */
  #deviation = 0;
  #deviationMs = Number.NEGATIVE_INFINITY;
  #packetsToLoss: number;

  /**
   * @param random uniform in [0, 1), of this direction alone if runs are to be repeated
   * @param fromMs link time before which nothing leaves
   * @throws OfframpError CONFIG_INVALID for a direction that never lets a byte leave.
   */
  constructor(direction: Direction, outages: readonly Outage[], random: () => number, fromMs = 0) {
    const { lossShare } = direction;
    if (!(lossShare >= 0 && lossShare < 1)) {
      throw new OfframpError('CONFIG_INVALID', `A link loses a share of ${lossShare}, expected 0 to below 1`);
    }
    this.#bottleneck = bottleneckOf(direction.rate, outages);
    this.#direction = direction;
    this.#random = random;
    this.#leftMs = fromMs;
    this.#arrivedMs = fromMs;
    this.#packetsToLoss = this.#drawPacketsToLoss();
  }

  /**
   * Sends a message; of 0 bytes, a packet without payload.
   * @param nowMs link time, never before that of an earlier call
   * @returns when its last byte arrives at the other side, link time; never before that of an earlier message
   */
  send(bytes: number, nowMs: number): number {
    if (!(bytes >= 0 && nowMs > Number.NEGATIVE_INFINITY)) {
      throw new OfframpError('INTERNAL', `Got ${bytes} bytes to send at ${nowMs} ms, expected two numbers`);
    }
    const packets = bytes > packetPayloadBytes ? Math.ceil(bytes / packetPayloadBytes) : 1;
    const wireBytes = bytes + packets * packetHeaderBytes;
    const beganMs = Math.max(nowMs, this.#leftMs);
    const leftMs = this.#bottleneck.leave(wireBytes, beganMs);
    this.#leftMs = leftMs;
    this.#backlog.bytesAt(nowMs);
    this.#backlog.push(leftMs, wireBytes);
    const completeMs =
      this.#packetsToLoss >= packets
        ? this.#passed(packets, leftMs)
        : this.#recovered(packets, beganMs, leftMs);
    if (packets > 1) this.#arrive(beganMs + (leftMs - beganMs) / packets, 0);
    this.#arrive(leftMs, completeMs - leftMs);
    return this.#arrivedMs;
  }

  /** When a message's last byte would arrive were it sent at `nowMs`, with the usual delay and nothing of it lost. Changes nothing. */
  peek(bytes: number, nowMs: number): number {
    const packets = bytes > packetPayloadBytes ? Math.ceil(bytes / packetPayloadBytes) : 1;
    const leftMs = this.#bottleneck.peek(bytes + packets * packetHeaderBytes, Math.max(nowMs, this.#leftMs));
    return Math.max(this.#arrivedMs, leftMs + this.#direction.delayMs);
  }

  /** Bytes with headers that have not left the bottleneck at `nowMs`; a message counts until its last byte has left. */
  waitingBytes(nowMs: number): number {
    return this.#backlog.bytesAt(nowMs);
  }

  /** When no more than `queueBytes` of what has been sent will wait, so that the sender may go on; -Infinity when no more do. */
  readyMs(): number {
    return this.#backlog.downToMs(this.#direction.queueBytes);
  }

  /** Notes that a packet comes, which left the bottleneck at `leftMs` and was held up by a loss for so long. */
  #arrive(leftMs: number, heldMs: number): void {
    const arrivesMs = leftMs + heldMs + this.#delayMs(leftMs);
    if (arrivesMs > this.#arrivedMs) this.#arrivedMs = arrivesMs;
  }

  /** Notes packets that were not lost. */
  #passed(packets: number, leftMs: number): number {
    this.#packetsToLoss -= packets;
    return leftMs;
  }

  /** When the message would have left had it left in one piece with what was lost of it. */
  #recovered(packets: number, beganMs: number, leftMs: number): number {
    let completeMs = leftMs;
    let lost = this.#packetsToLoss;
    while (lost < packets) {
      const lostMs = beganMs + ((leftMs - beganMs) * (lost + 1)) / packets;
      completeMs = Math.max(completeMs, lostMs + this.#recoveryMs(packets - 1 - lost, packets));
      lost += 1 + this.#drawPacketsToLoss();
    }
    this.#packetsToLoss = lost - packets;
    return completeMs;
  }

  #recoveryMs(packetsBehind: number, packets: number): number {
    const { delayMs, lossShare } = this.#direction;
    const timeoutMs = 2 * delayMs + leastTimeoutMs;
    const isTimeout = packets === 1;
    let recoveryMs = isTimeout ? timeoutMs : Math.min(timeoutMs, noticedMs(packetsBehind, 2 * delayMs));
    for (let again = 0; again < mostDoublings && this.#random() < lossShare; again++) {
      recoveryMs += timeoutMs * 2 ** (isTimeout ? again + 1 : again);
    }
    return recoveryMs;
  }

  /** How many packets pass before the next one is lost: geometric, so that only losses cost a random number. */
  #drawPacketsToLoss(): number {
    const { lossShare } = this.#direction;
    if (lossShare === 0) return Number.POSITIVE_INFINITY;
    return Math.floor(Math.log(1 - this.#random()) / Math.log1p(-lossShare));
  }

  /** An Ornstein-Uhlenbeck process: normal at each moment, and slow to change. */
  #delayMs(atMs: number): number {
    const { delayMs, jitterMs } = this.#direction;
    if (jitterMs === 0) return delayMs;
    if (atMs > this.#deviationMs) {
      const kept = Math.exp((this.#deviationMs - atMs) / jitterMemoryMs);
      this.#deviation = kept * this.#deviation + Math.sqrt(1 - kept * kept) * this.#normal();
      this.#deviationMs = atMs;
    }
    const delay = delayMs + jitterMs * this.#deviation;
    return Math.max(delay, 0);
  }

  /** Box and Muller's way; the second number that it gives is not worth keeping. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
  }
}

/** How long after a packet of several what is sent in its place follows, where that is not lost. */
function noticedMs(packetsBehind: number, roundTripMs: number): number {
  if (packetsBehind >= tellingPackets) return roundTripMs;
  return packetsBehind > 0 ? (1 + reorderingShare) * roundTripMs : 2 * roundTripMs;
}
