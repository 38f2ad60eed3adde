import { OfframpError } from '../../shared/errors.ts';
import type { Outage, Rate, RateStep } from './link.ts';
import { OutageTimes } from './outages.ts';
import { opportunityBytes } from './rates.ts';

/** Where bytes leave a direction of a link one after the other. */
export interface Bottleneck {
  /**
   * Takes bytes at `fromMs`, a moment that never goes back from call to call, and returns when the last of them has left.
   * @throws OfframpError CONFIG_INVALID when outages never let them leave.
   */
  leave(wireBytes: number, fromMs: number): number;
  /** What {@link leave} would say, without taking anything. */
  peek(wireBytes: number, fromMs: number): number;
}

/**
 * The bottleneck of a rate; nothing leaves during an outage.
 * @throws OfframpError CONFIG_INVALID for a rate that never lets a byte leave, or a trace that is out of order.
 */
export function bottleneckOf(rate: Rate, outages: readonly Outage[]): Bottleneck {
  const times = new OutageTimes(outages);
  switch (rate.kind) {
    case 'constant':
      return new ConstantBottleneck(rate.bitsPerSecond, times);
    case 'steps':
      return new StepBottleneck(rate.steps, rate.lengthMs, times);
    case 'opportunities':
      return new OpportunityBottleneck(rate.atMs, rate.lengthMs, times);
  }
}

class ConstantBottleneck implements Bottleneck {
  readonly #bitsPerMs: number;
  readonly #outages: OutageTimes;
  /** Between the end of one outage and the beginning of the next, where the last bytes left. */
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(bitsPerSecond: number, outages: OutageTimes) {
    expectUseful(bitsPerSecond > 0, `a rate of ${bitsPerSecond} bit/s`);
    this.#bitsPerMs = bitsPerSecond / 1000;
    this.#outages = outages;
  }

  leave(wireBytes: number, fromMs: number): number {
    let bits = wireBytes * 8;
    let atMs = fromMs;
    for (;;) {
      if (atMs >= this.#untilMs) {
        atMs = this.#outages.endMs(atMs);
        this.#untilMs = this.#outages.nextMs(atMs);
      }
      const leftMs = atMs + bits / this.#bitsPerMs;
      if (leftMs <= this.#untilMs) return leftMs;
      bits -= (this.#untilMs - atMs) * this.#bitsPerMs;
      atMs = this.#untilMs;
    }
  }

  peek(wireBytes: number, fromMs: number): number {
    const untilMs = this.#untilMs;
    const leftMs = this.leave(wireBytes, fromMs);
    this.#untilMs = untilMs;
    return leftMs;
  }
}

/** So many steps or opportunities in a row, all of them in outages, are taken for all there are. */
const mostInVain = 10_000_000;

class StepBottleneck implements Bottleneck {
  readonly #cycle: Cycle;
  readonly #bitsPerMs: Float64Array;
  readonly #outages: OutageTimes;

  constructor(steps: readonly RateStep[], lengthMs: number, outages: OutageTimes) {
    const ends = Float64Array.from(steps, (_, index) => steps[index + 1]?.fromMs ?? lengthMs);
    expectAscending(ends, lengthMs);
    expectUseful(steps[0]?.fromMs === 0, 'steps that do not begin at 0 ms');
    expectUseful(
      steps.some(({ bitsPerSecond }) => bitsPerSecond > 0),
      'steps that are all 0 bit/s',
    );
    this.#cycle = new Cycle(ends, lengthMs);
    this.#bitsPerMs = Float64Array.from(steps, ({ bitsPerSecond }) => bitsPerSecond / 1000);
    this.#outages = outages;
  }

  leave(wireBytes: number, fromMs: number): number {
    let bits = wireBytes * 8;
    let atMs = this.#outages.endMs(fromMs);
    let nextOutageMs = this.#outages.nextMs(atMs);
    for (let inVain = 0; inVain < mostInVain; inVain++) {
      // The end of a step belongs to the next one.
      this.#cycle.seekAfter(atMs);
      const bitsPerMs = this.#bitsPerMs[this.#cycle.index] ?? 0;
      const untilMs = Math.min(this.#cycle.atMs, nextOutageMs);
      const leftMs = bitsPerMs === 0 ? Number.POSITIVE_INFINITY : atMs + bits / bitsPerMs;
      if (leftMs <= untilMs) return leftMs;
      const taken = (untilMs - atMs) * bitsPerMs;
      if (taken > 0) inVain = 0;
      bits -= taken;
      atMs = untilMs;
      if (atMs < nextOutageMs) continue;
      atMs = this.#outages.endMs(atMs);
      nextOutageMs = this.#outages.nextMs(atMs);
    }
    throw neverUp(fromMs);
  }

  peek(wireBytes: number, fromMs: number): number {
    const comeBack = this.#cycle.mark();
    const leftMs = this.leave(wireBytes, fromMs);
    comeBack();
    return leftMs;
  }
}

class OpportunityBottleneck implements Bottleneck {
  readonly #cycle: Cycle;
  readonly #outages: OutageTimes;
  /** What the opportunity at the cursor can still take. */
  #leftBytes = opportunityBytes;

  constructor(atMs: Float64Array, lengthMs: number, outages: OutageTimes) {
    expectAscending(atMs, lengthMs);
    this.#cycle = new Cycle(atMs, lengthMs);
    this.#outages = outages;
  }

  leave(wireBytes: number, fromMs: number): number {
    const cycle = this.#cycle;
    let bytes = wireBytes;
    const upFromMs = this.#outages.endMs(fromMs);
    let nextOutageMs = this.#outages.nextMs(upFromMs);
    this.#wasteUntil(upFromMs);
    for (let inVain = 0; inVain < mostInVain; inVain++) {
      const atMs = cycle.atMs;
      if (atMs >= nextOutageMs) {
        const upMs = this.#outages.endMs(atMs);
        nextOutageMs = this.#outages.nextMs(upMs);
        this.#wasteUntil(upMs);
        continue;
      }
      if (bytes <= this.#leftBytes) {
        this.#leftBytes -= bytes;
        return atMs;
      }
      bytes -= this.#leftBytes;
      inVain = 0;
      cycle.next();
      this.#leftBytes = opportunityBytes;
    }
    throw neverUp(fromMs);
  }

  peek(wireBytes: number, fromMs: number): number {
    const comeBack = this.#cycle.mark();
    const leftBytes = this.#leftBytes;
    const leftMs = this.leave(wireBytes, fromMs);
    comeBack();
    this.#leftBytes = leftBytes;
    return leftMs;
  }

  /** An opportunity before `fromMs` has passed with nothing waiting, or in an outage. */
  #wasteUntil(fromMs: number): void {
    if (this.#cycle.atMs >= fromMs) return;
    this.#cycle.seek(fromMs);
    this.#leftBytes = opportunityBytes;
  }
}

/** Moves that are tried one by one before the rest is halved. */
const singleMoves = 8;

/** A cursor on a list of moments that begins again at `lengthMs`, for ever; it only moves on. */
class Cycle {
  readonly #moments: Float64Array;
  readonly #lengthMs: number;
  #turn = 0;
  #startMs = 0;
  /** Of the moment at the cursor. */
  index = 0;
  /** The moment at the cursor, on the link's time. */
  atMs: number;

  constructor(moments: Float64Array, lengthMs: number) {
    this.#moments = moments;
    this.#lengthMs = lengthMs;
    this.atMs = moments[0] ?? lengthMs;
  }

  /** Remembers where the cursor is; the returned function puts it back there. */
  mark(): () => void {
    const [turn, startMs, index, atMs] = [this.#turn, this.#startMs, this.index, this.atMs];
    return () => {
      this.#turn = turn;
      this.#startMs = startMs;
      this.index = index;
      this.atMs = atMs;
    };
  }

  next(): void {
    this.index++;
    if (this.index === this.#moments.length) this.#begin(this.#turn + 1);
    this.atMs = this.#startMs + (this.#moments[this.index] ?? 0);
  }

  /** Moves on to the first moment at or after `fromMs`. */
  seek(fromMs: number): void {
    this.#skipTurns(fromMs);
    for (let moves = 0; this.atMs < fromMs; moves++) {
      if (moves === singleMoves) this.#halve(fromMs);
      else this.next();
    }
  }

  /** Moves on to the first moment after `beforeMs`. */
  seekAfter(beforeMs: number): void {
    if (this.atMs > beforeMs) return;
    this.seek(beforeMs);
    while (this.atMs <= beforeMs) this.next();
  }

  #begin(turn: number): void {
    this.#turn = turn;
    this.#startMs = turn * this.#lengthMs;
    this.index = 0;
  }

  #skipTurns(toMs: number): void {
    if (toMs < this.#startMs + 2 * this.#lengthMs) return;
    // One turn early: rounding may have put the end of a turn into the next.
    this.#begin(Math.floor(toMs / this.#lengthMs) - 1);
    this.atMs = this.#startMs + (this.#moments[0] ?? 0);
  }

  /** To the first moment of this turn at or after `fromMs`, else to its last one. */
  #halve(fromMs: number): void {
    let low = this.index;
    let high = this.#moments.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#startMs + (this.#moments[middle] ?? 0) < fromMs) low = middle + 1;
      else high = middle;
    }
    this.index = low;
    this.atMs = this.#startMs + (this.#moments[low] ?? 0);
  }
}

function expectAscending(moments: Float64Array, lengthMs: number): void {
  expectUseful(moments.length > 0 && lengthMs > 0 && Number.isFinite(lengthMs), 'an empty trace');
  let before = 0;
  for (const moment of moments) {
    expectUseful(moment >= before && moment <= lengthMs, `${moment} ms after ${before} ms in a trace`);
    before = moment;
  }
}

function expectUseful(holds: boolean, got: string): void {
  if (holds) return;
  throw new OfframpError(
    'CONFIG_INVALID',
    `Got ${got}, expected a link that takes bytes, its times in ascending order`,
  );
}

function neverUp(fromMs: number): OfframpError {
  return new OfframpError(
    'CONFIG_INVALID',
    `The link takes nothing from ${fromMs} ms on, expected its outages to leave some of its rate`,
  );
}
