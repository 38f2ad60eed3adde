import { readFileSync } from 'node:fs';

/** A link in one direction: messages leave one after the other. */
export interface LinkModel {
  /** When the last byte of a message of `bytes` that is handed over at `atMs` has left; calls in the order of time. */
  send(atMs: number, bytes: number): number;
}

const opportunityBytes = 1500;

/** A mahimahi trace: one line per packet that could leave, milliseconds; begins again at its end. Unused places are lost. */
export function packetLink(opportunitiesMs: readonly number[]): LinkModel {
  const lengthMs = opportunitiesMs.at(-1) ?? 1;
  let next = 0;
  let roomMs = 0;
  let room = 0;
  const timeOf = (index: number) =>
    Math.floor(index / opportunitiesMs.length) * lengthMs +
    (opportunitiesMs[index % opportunitiesMs.length] ?? 0);
  return {
    send(atMs, bytes) {
      if (roomMs < atMs) room = 0;
      let left = bytes;
      while (left > 0) {
        while (room === 0) {
          roomMs = timeOf(next++);
          if (roomMs >= atMs) room = opportunityBytes;
        }
        const taken = Math.min(room, left);
        room -= taken;
        left -= taken;
      }
      return Math.max(atMs, roomMs);
    },
  };
}

/** A link whose rate, bits per second, is a function of the time. */
export function fluidLink(bitsPerSecond: (atMs: number) => number, stepMs = 5): LinkModel {
  let freeMs = 0;
  return {
    send(atMs, bytes) {
      let nowMs = Math.max(atMs, freeMs);
      let bits = bytes * 8;
      for (;;) {
        const perMs = bitsPerSecond(nowMs) / 1000;
        const untilMs = (Math.floor(nowMs / stepMs + 1e-9) + 1) * stepMs;
        const possible = perMs * (untilMs - nowMs);
        if (possible >= bits) {
          freeMs = nowMs + bits / perMs;
          return freeMs;
        }
        bits -= possible;
        nowMs = untilMs;
      }
    },
  };
}

export function readPacketTrace(file: string): LinkModel {
  return packetLink(readFileSync(file, 'utf8').trim().split('\n').map(Number));
}

/** Two columns, seconds and Mbit/s; begins again at its end. */
export function readRateTrace(file: string): LinkModel {
  const rows = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).map(Number));
  const lengthS = rows.at(-1)?.[0] ?? 1;
  return fluidLink((atMs) => {
    const s = (atMs / 1000) % lengthS;
    const row = rows.find(([endS = 0]) => endS > s) ?? rows.at(-1);
    return Math.max(1e3, (row?.[1] ?? 0) * 1e6);
  }, 50);
}

/** Numbers in [0, 1) that are the same every time (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Traffic {
  readonly everyMs: number;
  readonly forMs: number;
  readonly bytes: (index: number) => number;
  /** Propagation there and back. */
  readonly rttMs: number;
}

export interface Trip {
  readonly sentAtMs: number;
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Sends at fixed intervals and tells of everything in the order of time: `onSend` before a message leaves, `onAnswer` when its
 * answer is there.
 */
export function drive(
  link: LinkModel,
  { everyMs, forMs, bytes, rttMs }: Traffic,
  onSend: (trip: Trip) => void,
  onAnswer: (trip: Trip) => void,
): void {
  const underWay: Trip[] = [];
  const arriveUntil = (nowMs: number) => {
    underWay.sort((one, other) => one.sentAtMs + one.ms - other.sentAtMs - other.ms);
    for (let first = underWay[0]; first !== undefined; first = underWay[0]) {
      if (first.sentAtMs + first.ms > nowMs) return;
      underWay.shift();
      onAnswer(first);
    }
  };
  for (let index = 0; index * everyMs < forMs; index++) {
    const sentAtMs = index * everyMs;
    arriveUntil(sentAtMs);
    const size = bytes(index);
    const trip = { sentAtMs, bytes: size, ms: link.send(sentAtMs, size) + rttMs - sentAtMs };
    onSend(trip);
    underWay.push(trip);
  }
}
