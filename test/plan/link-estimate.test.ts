import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LinkEstimate } from '../../shared/plan/index.ts';
import { dataFolder, skip } from '../support/data.ts';
import { drive, type LinkModel, readPacketTrace, readRateTrace, seeded, type Trip } from './link-model.ts';

const everyMs = 100;

/** An estimate that lives on a link of constant rate and round trip; times jitter by 5 % either way. */
class Steady {
  readonly link = new LinkEstimate();
  readonly #random = seeded(3);
  atMs = 0;
  rttMs: number;
  bitsPerSecond: number;

  constructor(rttMs: number, bitsPerSecond: number) {
    this.rttMs = rttMs;
    this.bitsPerSecond = bitsPerSecond;
  }

  trueMs(bytes: number): number {
    return this.rttMs + (8000 * bytes) / this.bitsPerSecond;
  }

  send(bytes: number, times = 1, factor = 1): void {
    for (let time = 0; time < times; time++) {
      this.atMs += everyMs;
      const roundTripMs = this.trueMs(bytes) * factor * (0.95 + 0.1 * this.#random());
      this.link.observe({ sentBytes: bytes, roundTripMs, atMs: this.atMs });
    }
  }

  medianMs(bytes: number): number {
    return this.link.at(this.atMs).quantileMs(bytes, 0.5);
  }

  /** By which factor the median is off. */
  off(bytes: number): number {
    const ratio = this.medianMs(bytes) / this.trueMs(bytes);
    return Math.max(ratio, 1 / ratio);
  }
}

function settledOn(rttMs: number, bitsPerSecond: number): Steady {
  const steady = new Steady(rttMs, bitsPerSecond);
  for (let round = 0; round < 20; round++) {
    steady.send(150);
    steady.send(4000);
  }
  return steady;
}

const Link = suite('the link estimate');

Link('finds round trip and rate from the traffic, on links of three decades', () => {
  for (const [rttMs, bitsPerSecond] of [
    [2, 50e6],
    [20, 18.88e6],
    [40, 5.85e6],
    [60, 1.1e6],
    [100, 0.13e6],
  ] as const) {
    const { link, atMs } = settledOn(rttMs, bitsPerSecond);
    const figures = link.figures(atMs);
    assert.ok(
      Math.abs(Math.log(figures.rttMs.median / rttMs)) < 0.15,
      `rtt ${figures.rttMs.median} of ${rttMs}`,
    );
    const rate = figures.uplinkBitsPerSecond;
    assert.ok(Math.abs(Math.log(rate.median / bitsPerSecond)) < 0.4, `${rate.median} of ${bitsPerSecond}`);
    assert.ok(rate.low < bitsPerSecond && bitsPerSecond < rate.high);
  }
});

Link('foresees sizes that were not sent', () => {
  const steady = settledOn(60, 1.1e6);
  for (const bytes of [30, 500, 2000, 20_000]) assert.ok(steady.off(bytes) < 1.25, `${bytes} bytes`);
});

Link('small messages measure the round trip and leave the rate as uncertain as it was', () => {
  const steady = new Steady(50, 10e6);
  const before = steady.link.figures(0).uplinkBitsPerSecond;
  steady.send(60, 200);
  const { rttMs, uplinkBitsPerSecond: after } = steady.link.figures(steady.atMs);
  assert.ok(rttMs.high / rttMs.low < 1.6, `round trip ${rttMs.low} to ${rttMs.high}`);
  assert.ok(after.high / after.low > 0.5 * (before.high / before.low), `rate ${after.low} to ${after.high}`);
  steady.send(4000, 3);
  const told = steady.link.figures(steady.atMs).uplinkBitsPerSecond;
  assert.ok(told.high / told.low < 0.3 * (after.high / after.low), `rate ${told.low} to ${told.high}`);
});

Link('a collapse of the rate by ten is known after two observations', () => {
  const steady = settledOn(40, 5.85e6);
  steady.bitsPerSecond /= 10;
  steady.send(4000, 2);
  assert.ok(steady.off(4000) < 1.25, `off by ${steady.off(4000)}`);
});

Link('a round trip of ten times as long is known after two observations, whatever their size', () => {
  for (const bytes of [100, 4000]) {
    const steady = settledOn(40, 5.85e6);
    steady.rttMs *= 10;
    steady.send(bytes, 2);
    assert.ok(steady.off(bytes) < 1.25, `${bytes} bytes: off by ${steady.off(bytes)}`);
  }
});

Link('a recovery is known after two observations', () => {
  const steady = settledOn(40, 5.85e6);
  steady.bitsPerSecond /= 20;
  steady.send(4000, 10);
  steady.bitsPerSecond *= 20;
  steady.send(4000, 2);
  assert.ok(steady.off(4000) < 1.25, `off by ${steady.off(4000)}`);
});

Link('several that waited for the same lost packet count as one outlier', () => {
  const steady = settledOn(20, 10e6);
  const before = steady.medianMs(1500);
  const sentAtMs = steady.atMs + 10;
  // All were on their way when the packet was lost, and came when it had been sent again.
  for (const [later, cameMs] of [
    [0, 230],
    [30, 232],
    [70, 240],
  ] as const) {
    const atMs = sentAtMs + cameMs;
    steady.link.observe({ sentBytes: 1500, roundTripMs: cameMs - later, atMs });
    steady.atMs = atMs;
  }
  assert.ok(steady.medianMs(1500) < 1.4 * before, `${steady.medianMs(1500)} after ${before}`);
});

Link('two slow ones of which the second was sent after the first had come are a change', () => {
  const steady = settledOn(20, 10e6);
  for (let time = 0; time < 2; time++) {
    steady.atMs += 300;
    steady.link.observe({ sentBytes: 1500, roundTripMs: 240, atMs: steady.atMs });
  }
  assert.ok(steady.medianMs(1500) > 120, `${steady.medianMs(1500)}`);
});

Link('one outlier moves the median by less than a quarter and is gone four observations later', () => {
  for (const factor of [20, 1 / 20]) {
    const steady = settledOn(40, 5.85e6);
    steady.send(1000, 1, factor);
    assert.ok(steady.off(1000) < 1.25, `factor ${factor}: off by ${steady.off(1000)}`);
    steady.send(1000, 4);
    assert.ok(steady.off(1000) < 1.1, `factor ${factor}: off by ${steady.off(1000)} later`);
  }
});

Link('two requests in vain make a message unlikely to be answered in time', () => {
  const steady = settledOn(40, 5.85e6);
  assert.ok(steady.link.at(steady.atMs).shareWithin(150, 200) > 0.95);
  for (const later of [1, 2]) {
    steady.link.observeUnanswered({ sentBytes: 150, waitedMs: 200, atMs: steady.atMs + later * everyMs });
  }
  assert.ok(steady.link.at(steady.atMs + 2 * everyMs).shareWithin(150, 200) < 0.3);
});

Link('a wait that was shorter than foreseen says nothing', () => {
  const steady = settledOn(40, 5.85e6);
  const before = steady.medianMs(150);
  for (let time = 0; time < 50; time++) {
    steady.link.observeUnanswered({ sentBytes: 150, waitedMs: 5, atMs: steady.atMs });
  }
  assert.is(steady.medianMs(150), before);
});

Link('a request that waits already makes the next one late, and leaves nothing behind', () => {
  const steady = settledOn(40, 5.85e6);
  const { link, atMs } = steady;
  const view = link.at(atMs, { sentBytes: 150, waitedMs: 2000, atMs });
  assert.ok(view.quantileMs(150, 0.5) > 1500, `${view.quantileMs(150, 0.5)} ms`);
  assert.ok(steady.off(150) < 1.1);
});

Link('without traffic the spread of what it foresees grows', () => {
  const { link, atMs } = settledOn(40, 5.85e6);
  const widths = [0, 1000, 5000, 20_000, 60_000].map((ageMs) => {
    const view = link.at(atMs + ageMs);
    return view.quantileMs(4000, 0.95) / view.quantileMs(4000, 0.05);
  });
  assert.ok(
    widths.every((width, at) => width > (widths[at - 1] ?? 0)),
    widths.join(' '),
  );
});

Link('without traffic a collapse is forgotten', () => {
  const steady = settledOn(40, 5.85e6);
  const usualMs = steady.medianMs(4000);
  steady.bitsPerSecond /= 100;
  steady.send(4000, 5);
  assert.ok(steady.medianMs(4000) > 10 * usualMs, `${steady.medianMs(4000)} ms, usually ${usualMs}`);
  const laterMs = steady.link.at(steady.atMs + 60_000).quantileMs(4000, 0.5);
  assert.ok(laterMs < 3 * usualMs, `${laterMs} ms, usually ${usualMs}`);
});

const hostile = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_VALUE, 1e-300, 1, 50, 3000),
);

Link('whatever is observed, everything it says is finite and above 0, and quantiles are in order', () => {
  const observations = fc.array(
    fc.record({ bytes: hostile, ms: hostile, atMs: hostile, isAnswered: fc.boolean() }),
    {
      maxLength: 60,
    },
  );
  fc.assert(
    fc.property(observations, fc.double(), fc.double(), (list, nowMs, size) => {
      const link = new LinkEstimate();
      for (const { bytes, ms, atMs, isAnswered } of list) {
        const isTaken = isAnswered
          ? link.observe({ sentBytes: bytes, roundTripMs: ms, atMs })
          : link.observeUnanswered({ sentBytes: bytes, waitedMs: ms, atMs });
        assert.is(isTaken, [bytes, ms, atMs].every(Number.isFinite) && bytes >= 0 && ms >= 0);
      }
      const { rttMs, uplinkBitsPerSecond, jitter } = link.figures(nowMs);
      for (const { low, median, high } of [rttMs, uplinkBitsPerSecond]) {
        assert.ok(
          low > 0 && low <= median && median <= high && Number.isFinite(high),
          `${low} ${median} ${high}`,
        );
      }
      assert.ok(jitter > 0 && Number.isFinite(jitter));
      const view = link.at(nowMs, { sentBytes: size, waitedMs: size, atMs: nowMs });
      const { ms } = view.predictMs(size);
      assert.ok(ms.every((value, at) => value > 0 && Number.isFinite(value) && value >= (ms[at - 1] ?? 0)));
      const share = view.shareWithin(size, 100);
      assert.ok(share >= 0 && share <= 1);
    }),
    { numRuns: 300 },
  );
});

Link('says the share of messages in time that its quantiles say', () => {
  const { link, atMs } = settledOn(60, 1.1e6);
  const view = link.at(atMs);
  for (const level of [0.1, 0.5, 0.9, 0.95, 0.99]) {
    assert.ok(Math.abs(view.shareWithin(500, view.quantileMs(500, level)) - level) < 0.002, `${level}`);
  }
});

interface Recorded {
  readonly file: string;
  readonly read: (file: string) => LinkModel;
  readonly forMs: number;
  /** Least share of messages that the 95th percentile foreseen holds for. */
  readonly covered: number;
}

const recorded: readonly Recorded[] = [
  { file: 'mahimahi/ATT-LTE-driving-2016.up', read: readPacketTrace, forMs: 120_000, covered: 0.88 },
  { file: 'mahimahi/Verizon-LTE-short.up', read: readPacketTrace, forMs: 140_000, covered: 0.92 },
  { file: 'mahimahi/TMobile-LTE-short.up', read: readPacketTrace, forMs: 140_000, covered: 0.92 },
  { file: 'mahimahi/TMobile-UMTS-driving.up', read: readPacketTrace, forMs: 300_000, covered: 0.84 },
  { file: 'hsdpa-no/norway_tram_10', read: readRateTrace, forMs: 300_000, covered: 0.93 },
];

/** What retransmission timers use: a smoothed round trip and four times its deviation (RFC 6298), sizes not looked at. */
class SmoothedRoundTrip {
  #meanMs = 0;
  #deviationMs = 0;

  observe(ms: number): void {
    if (this.#meanMs === 0) [this.#meanMs, this.#deviationMs] = [ms, ms / 2];
    this.#deviationMs += (Math.abs(this.#meanMs - ms) - this.#deviationMs) / 4;
    this.#meanMs += (ms - this.#meanMs) / 8;
  }

  get meanMs(): number {
    return this.#meanMs;
  }

  get highMs(): number {
    return this.#meanMs + 4 * this.#deviationMs;
  }
}

/** The pinball loss of a 95th percentile, times over a second counted as a second. */
function pinball(foreseenMs: number, ms: number): number {
  const off = Math.min(1000, ms) - Math.min(1000, foreseenMs);
  return off > 0 ? 0.95 * off : -0.05 * off;
}

for (const { file, read, forMs, covered } of recorded) {
  Link(`on ${file} it foresees better than a smoothed round trip`, () => {
    const folder = dataFolder();
    if (folder === undefined) return skip('OFFRAMP_DATA is not set: no recorded links');
    const link = new LinkEstimate();
    const smoothed = new SmoothedRoundTrip();
    const waiting: Trip[] = [];
    let [messages, held, off, smoothedOff, loss, smoothedLoss] = [0, 0, 0, 0, 0, 0];
    const traffic = {
      everyMs,
      forMs,
      bytes: (index: number) => [170, 170, 3104, 240][index % 4] ?? 0,
      rttMs: 40,
    };
    drive(
      read(join(folder, 'traces', file)),
      traffic,
      (trip) => {
        const atMs = trip.sentAtMs;
        const [oldest] = waiting;
        const view = link.at(
          atMs,
          oldest && { sentBytes: oldest.bytes, waitedMs: atMs - oldest.sentAtMs, atMs },
        );
        waiting.push(trip);
        if (link.figures(atMs).observations < 5) return;
        const highMs = view.quantileMs(trip.bytes, 0.95);
        messages++;
        if (trip.ms <= highMs) held++;
        off += Math.abs(Math.log(view.quantileMs(trip.bytes, 0.5) / trip.ms));
        smoothedOff += Math.abs(Math.log(smoothed.meanMs / trip.ms));
        loss += pinball(highMs, trip.ms);
        smoothedLoss += pinball(smoothed.highMs, trip.ms);
      },
      (trip) => {
        waiting.splice(waiting.indexOf(trip), 1);
        link.observe({ sentBytes: trip.bytes, roundTripMs: trip.ms, atMs: trip.sentAtMs + trip.ms });
        smoothed.observe(trip.ms);
      },
    );
    assert.ok(messages > 1000);
    assert.ok(off < smoothedOff, `median off by ${off / messages}, smoothed ${smoothedOff / messages}`);
    assert.ok(loss < smoothedLoss, `p95 loses ${loss / messages} ms, smoothed ${smoothedLoss / messages}`);
    assert.ok(held / messages > covered, `${held / messages} within the 95th percentile`);
  });
}

Link.run();
