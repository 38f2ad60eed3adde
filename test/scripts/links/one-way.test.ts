import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../../scripts/calibrate/random.ts';
import { type Direction, OneWay, type Outage, type Rate } from '../../../scripts/links/index.ts';
import { OfframpError } from '../../../shared/errors.ts';

/** A direction of nothing but a rate. */
function direction(rate: Rate, change: Partial<Direction> = {}): Direction {
  return { rate, delayMs: 0, jitterMs: 0, lossShare: 0, queueBytes: 100_000, ...change };
}

function constant(bitsPerSecond: number): Rate {
  return { kind: 'constant', bitsPerSecond };
}

const unlimited = constant(Number.POSITIVE_INFINITY);
/** Steps of a second: 1000, 0 and 500 bytes per second. */
const stepped: Rate = {
  kind: 'steps',
  steps: [
    { fromMs: 0, bitsPerSecond: 8000 },
    { fromMs: 1000, bitsPerSecond: 0 },
    { fromMs: 2000, bitsPerSecond: 4000 },
  ],
  lengthMs: 3000,
};
const traced: Rate = { kind: 'opportunities', atMs: Float64Array.of(10, 10, 50, 100), lengthMs: 100 };

function never(): number {
  throw new Error('asked for a random number');
}

function oneWay(rate: Rate, change: Partial<Direction> = {}, outages: readonly Outage[] = []): OneWay {
  return new OneWay(direction(rate, change), outages, never);
}

function near(got: number, expected: number): void {
  assert.ok(Math.abs(got - expected) < 1e-6, `${got}, expected ${expected}`);
}

const Rates = suite('one way');

Rates('takes no time without a delay and a limit', () => {
  const way = oneWay(unlimited);
  assert.is(way.send(1e6, 5), 5);
  assert.is(way.send(0, 7.5), 7.5);
});

Rates('takes bytes, headers and all, at its rate, and then the delay', () => {
  // 948 + 52 bytes at 1000 bytes a second.
  near(oneWay(constant(8000), { delayMs: 30 }).send(948, 0), 1030);
  // 3000 bytes are three packets.
  near(oneWay(constant(8e6)).send(3000, 0), (3000 + 3 * 52) / 1000);
  // And so is nothing at all one.
  near(oneWay(constant(8e6)).send(0, 0), 0.052);
});

Rates('lets a message wait for those before it, and no longer', () => {
  const way = oneWay(constant(8000), { delayMs: 10 });
  near(way.send(948, 0), 1010);
  near(way.send(448, 200), 1510);
  near(way.send(448, 5000), 5510);
});

Rates('sends over the boundaries of steps, and begins them again', () => {
  near(oneWay(stepped).send(948, 500), 500 + 500 + 1000 + 1000);
  const way = oneWay(stepped);
  near(way.send(448, 500), 1000);
  near(way.send(448, 1000), 3000);
  near(way.send(448, 3000), 3500);
  // 1500 bytes a round: 15 rounds and 500 bytes later.
  near(way.send(500 + 15 * 1500 - 16 * 52, 300_000), 300_000 + 45_000 + 500);
});

Rates('uses opportunities from its time on, with what is left of each, and begins them again', () => {
  const way = oneWay(traced);
  // 1000 of 1500 bytes, then 500 of the rest and 500 of the second one at 10 ms.
  assert.is(way.send(948, 0), 10);
  assert.is(way.send(948, 0), 10);
  assert.is(way.send(948, 10), 10);
  // That one is full.
  assert.is(way.send(0, 10), 50);
  // What nobody has used is gone.
  assert.is(way.send(948, 60), 100);
  assert.is(way.send(948, 101), 110);
  // 1 at 200, 2 at 210, 1 at 250, 1 at 300, 2 at 310.
  assert.is(way.send(4 * 1448, 195), 250);
  assert.is(way.send(1448, 250), 300);
  assert.is(way.send(1448, 1_000_020), 1_000_050);
});

Rates('finds its place in a long trace wherever it is asked', () => {
  const atMs = Float64Array.from({ length: 5000 }, (_, index) => index * 2 + (index % 3));
  const rate: Rate = { kind: 'opportunities', atMs, lengthMs: 10_001 };
  const random = seededRandom(3);
  const way = oneWay(rate);
  for (let nowMs = 0; nowMs < 2e6; nowMs += 1 + Math.floor(random() ** 4 * 60_000)) {
    const turnMs = Math.floor(nowMs / 10_001) * 10_001;
    const here = atMs.find((ms) => turnMs + ms >= nowMs);
    const expected = here === undefined ? turnMs + 10_001 : turnMs + here;
    // A cursor that has come a long way, and one that has just begun. An opportunity takes 28 such packets.
    assert.is(way.send(0, nowMs), expected);
    assert.is(oneWay(rate).send(0, nowMs), expected);
  }
});

Rates('begins no sooner than it is told', () => {
  const way = new OneWay(direction(constant(8e6)), [], never, 500);
  near(way.send(948, 0), 501);
});

Rates.run();

const Outages = suite('an outage');

const hole: Outage = { atMs: 1000, lastsMs: 500 };
const holes: Outage = { atMs: 1000, lastsMs: 500, everyMs: 2000 };

Outages('holds what is sent in it, and interrupts what is being sent', () => {
  near(oneWay(unlimited, {}, [hole]).send(10, 1000), 1500);
  near(oneWay(unlimited, {}, [hole]).send(10, 1499), 1500);
  assert.is(oneWay(unlimited, {}, [hole]).send(10, 999), 999);
  assert.is(oneWay(unlimited, {}, [hole]).send(10, 1500), 1500);
  near(oneWay(constant(8000), {}, [hole]).send(948, 600), 2100);
  near(
    oneWay(constant(8000), {}, [holes]).send(2 * 1448 - 52, 600),
    600 + (3 * 52 - 52 + 2 * 1448 - 52) + 2 * 500,
  );
});

Outages('comes again, or does not', () => {
  near(oneWay(unlimited, {}, [holes]).send(10, 3100), 3500);
  near(oneWay(unlimited, {}, [holes]).send(10, 2_000_001_001), 2_000_001_500);
  assert.is(oneWay(unlimited, {}, [hole]).send(10, 3100), 3100);
});

Outages('takes steps and opportunities away', () => {
  // The first 1000 ms give 1000 bytes, of which 500 are taken away; the next 500 come at 2 s.
  near(oneWay(stepped, {}, [{ atMs: 500, lastsMs: 500 }]).send(948, 0), 3000);
  assert.is(oneWay(traced, {}, [{ atMs: 0, lastsMs: 20 }]).send(948, 0), 50);
  assert.is(oneWay(traced, {}, [{ atMs: 5, lastsMs: 20, everyMs: 100 }]).send(3 * 1448, 0), 150);
});

Outages('may touch others, and hold in a row', () => {
  const row = [hole, { atMs: 1500, lastsMs: 10 }, { atMs: 900, lastsMs: 200 }];
  near(oneWay(unlimited, {}, row).send(10, 950), 1510);
});

Outages('that never end are an error, not a wait for ever', () => {
  const invalid = (thrown: Error) => thrown instanceof OfframpError && thrown.code === 'CONFIG_INVALID';
  const closed = [
    { atMs: 0, lastsMs: 10, everyMs: 20 },
    { atMs: 10, lastsMs: 10, everyMs: 20 },
  ];
  for (const rate of [unlimited, constant(8000), stepped, traced]) {
    assert.throws(() => oneWay(rate, {}, closed).send(10, 0), invalid);
  }
  // Gaps, but never while the trace lets anything leave.
  const beside = [{ atMs: 5, lastsMs: 98, everyMs: 100 }];
  const once: Rate = { kind: 'opportunities', atMs: Float64Array.of(50, 100), lengthMs: 100 };
  assert.throws(() => oneWay(once, {}, beside).send(10, 0), invalid);
});

Outages('leave what they leave, however many there are', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1000 }),
      fc.integer({ min: 1, max: 99 }),
      fc.integer({ min: 0, max: 1_000_000 }),
      fc.integer({ min: 1, max: 100_000 }),
      (atMs, lastsMs, nowMs, bytes) => {
        const outage = { atMs, lastsMs, everyMs: 100 };
        // A byte a millisecond, where nothing is in the way.
        const way = oneWay(constant(8000), {}, [outage]);
        const arrivesMs = way.send(bytes, nowMs);
        const wire = bytes + 52 * Math.ceil(bytes / 1448);
        near(upMs(outage, arrivesMs) - upMs(outage, nowMs), wire);
      },
    ),
  );
});

/** Milliseconds from 0 to `untilMs` that are in no outage of a period of 100 ms. */
function upMs({ atMs, lastsMs }: Outage, untilMs: number): number {
  const since = Math.max(0, untilMs - atMs);
  const whole = Math.floor(since / 100);
  return untilMs - whole * lastsMs - Math.min(lastsMs, since - whole * 100);
}

Outages.run();

const Chance = suite('jitter and loss');

const rough: Partial<Direction> = { delayMs: 20, jitterMs: 15, lossShare: 0.05 };

Chance('never let a message overtake, nor arrive before it has been sent', () => {
  const sends = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.double({ min: 0, max: 50, noNaN: true })),
  );
  const rates = fc.constantFrom(unlimited, constant(1e6), stepped, traced);
  fc.assert(
    fc.property(sends, rates, fc.integer(), (messages, rate, seed) => {
      const way = new OneWay(direction(rate, rough), [holes], seededRandom(seed));
      let nowMs = 0;
      let lastMs = 0;
      for (const [bytes, gapMs] of messages) {
        nowMs += gapMs;
        const arrivesMs = way.send(bytes, nowMs);
        assert.ok(arrivesMs >= nowMs && arrivesMs >= lastMs && Number.isFinite(arrivesMs));
        lastMs = arrivesMs;
      }
    }),
  );
});

Chance('are the same for the same seed, and others for another', () => {
  const times = (seed: number) => {
    const way = new OneWay(direction(constant(1e7), rough), [], seededRandom(seed));
    return Array.from({ length: 100 }, (_, index) => way.send(200, index * 10));
  };
  assert.equal(times(1), times(1));
  assert.not.equal(times(1), times(2));
});

Chance('give delays with the mean and the deviation that were asked for', () => {
  const way = new OneWay(direction(unlimited, { delayMs: 50, jitterMs: 10 }), [], seededRandom(5));
  const delays = Array.from({ length: 20_000 }, (_, index) => way.send(100, index * 1000) - index * 1000);
  const mean = delays.reduce((sum, ms) => sum + ms, 0) / delays.length;
  const variance = delays.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / delays.length;
  // Three standard errors and more: 10 / sqrt(20000) and 10 / sqrt(40000).
  assert.ok(Math.abs(mean - 50) < 0.3, `${mean}`);
  assert.ok(Math.abs(Math.sqrt(variance) - 10) < 0.2, `${Math.sqrt(variance)}`);
});

Chance('delay a message in pieces like one sent whole', () => {
  const mean = (pieces: number) => {
    const way = new OneWay(direction(constant(1e7), { delayMs: 50, jitterMs: 10 }), [], seededRandom(6));
    let sum = 0;
    for (let message = 0; message < 2000; message++) {
      let arrivesMs = 0;
      for (let piece = 0; piece < pieces; piece++) arrivesMs = way.send((10 * 1448) / pieces, message * 1000);
      sum += arrivesMs - message * 1000;
    }
    return sum / 2000;
  };
  const difference = mean(10) - mean(1);
  // With a delay drawn for each it would be 1.5 deviations, 15 ms.
  assert.ok(Math.abs(difference) < 2.5, `${difference} ms`);
});

Chance('lose the share that was asked for, and a lone packet costs a timeout', () => {
  const way = new OneWay(direction(unlimited, { delayMs: 20, lossShare: 0.1 }), [], seededRandom(7));
  const delays = Array.from(
    { length: 20_000 },
    (_, index) => way.send(100, index * 100_000) - index * 100_000,
  );
  const late = delays.filter((ms) => ms > 20);
  assert.ok(Math.abs(late.length / delays.length - 0.1) < 0.01, `${late.length}`);
  near(Math.min(...late), 20 + 40 + 200);
  // Twice lost: a second timeout, twice as long.
  const twice = late.filter((ms) => ms > 261);
  assert.ok(Math.abs(twice.length / late.length - 0.1) < 0.03, `${twice.length} of ${late.length}`);
  near(Math.min(...twice), 20 + 240 + 480);
});

/** A message of so many packets of which one is lost, and nothing else; the round trip is 40 ms. */
function arrivalWithout(lostPacket: number, packets: number): number {
  // Which packet is lost first is drawn by the inverse of a geometric distribution: its middle is well inside.
  const draws = [1 - 0.99 ** (lostPacket + 0.5), 0.999_999, 0.999_999];
  const lossy = direction(unlimited, { delayMs: 20, lossShare: 0.01 });
  const way = new OneWay(lossy, [], () => draws.shift() ?? 0.9999);
  return way.send(packets * 1448, 0);
}

Chance('cost a long message a round trip for what three packets follow', () => {
  near(arrivalWithout(0, 10), 20 + 40);
  near(arrivalWithout(6, 10), 20 + 40);
});

Chance('cost a quarter of a round trip more for what one or two packets follow', () => {
  near(arrivalWithout(7, 10), 20 + 50);
  near(arrivalWithout(0, 2), 20 + 50);
});

Chance('cost two round trips for the last of several packets', () => {
  near(arrivalWithout(9, 10), 20 + 80);
  near(arrivalWithout(1, 2), 20 + 80);
});

Chance('never cost more than a timeout where what is sent again arrives', () => {
  const draws = [1 - 0.99 ** 1.5, 0.999_999, 0.999_999];
  const far = direction(unlimited, { delayMs: 300, lossShare: 0.01 });
  const way = new OneWay(far, [], () => draws.shift() ?? 0.9999);
  near(way.send(2 * 1448, 0), 300 + 600 + 200);
});

Chance('hold a message back for the slower of its first and its last packet', () => {
  // 12 ms for each packet, half of what it takes for delays to have little in common.
  const mean = (packets: number) => {
    const way = new OneWay(direction(constant(1e6), { delayMs: 100, jitterMs: 20 }), [], seededRandom(6));
    let sum = 0;
    for (let at = 0; at < 4000; at++) sum += way.send(packets * 1448, at * 1000) - at * 1000;
    return sum / 4000 - 12 * packets - 100;
  };
  assert.ok(Math.abs(mean(1)) < 1.2, `${mean(1)} ms`);
  // Of two normal delays with the correlation exp(-12/50) the one that began 12 ms earlier is now and then the longer.
  const apart = 20 * Math.sqrt(2 * (1 - Math.exp(-12 / 50)));
  const z = 12 / apart;
  const density = Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI);
  const expected = apart * density - 12 * (1 - normalShare(z));
  assert.ok(Math.abs(mean(2) - expected) < 1.2, `${mean(2)} ms, expected ${expected}`);
});

/** Of a standard normal distribution below `z`, by its series; enough for |z| below 3. */
function normalShare(z: number): number {
  let [term, sum] = [z, z];
  for (let at = 1; at < 60; at++) {
    term *= z ** 2 / (2 * at + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-(z ** 2) / 2)) / Math.sqrt(2 * Math.PI);
}

Chance.run();

const Queue = suite('a bottleneck');

Queue('says what waits, and when the sender may go on', () => {
  // A packet of 1000 bytes every second.
  const way = oneWay(constant(8000), { queueBytes: 2000, delayMs: 7 });
  assert.is(way.waitingBytes(0), 0);
  assert.is(way.readyMs(), Number.NEGATIVE_INFINITY);
  for (let packet = 0; packet < 5; packet++) way.send(948, 0);
  assert.is(way.waitingBytes(0), 5000);
  assert.is(way.readyMs(), 3000);
  assert.is(way.waitingBytes(1500), 4000);
  assert.is(way.waitingBytes(3000), 2000);
  assert.is(way.readyMs(), Number.NEGATIVE_INFINITY);
  assert.is(way.waitingBytes(5000), 0);
});

Queue('keeps count of very many', () => {
  const way = oneWay(constant(8000), { queueBytes: 1000 });
  for (let packet = 0; packet < 1000; packet++) way.send(948, 0);
  assert.is(way.waitingBytes(500), 1_000_000);
  for (let second = 1; second <= 900; second++)
    assert.is(way.waitingBytes(second * 1000), 1_000_000 - second * 1000);
  for (let packet = 0; packet < 1000; packet++) way.send(948, 900_000);
  assert.is(way.waitingBytes(900_000), 1_100_000);
  assert.is(way.readyMs(), 1_999_000);
});

Queue('refuses what is no number, and rates that let nothing leave', () => {
  const way = oneWay(constant(8000));
  for (const [bytes, nowMs] of [
    [Number.NaN, 0],
    [-1, 0],
    [1, Number.NaN],
  ] as const) {
    assert.throws(() => way.send(bytes, nowMs), /expected two numbers/);
  }
  const useless: Rate[] = [
    constant(0),
    constant(Number.NaN),
    { kind: 'steps', steps: [{ fromMs: 0, bitsPerSecond: 0 }], lengthMs: 1000 },
    { kind: 'steps', steps: [{ fromMs: 5, bitsPerSecond: 9 }], lengthMs: 1000 },
    { kind: 'opportunities', atMs: new Float64Array(0), lengthMs: 10 },
    { kind: 'opportunities', atMs: Float64Array.of(5, 4), lengthMs: 10 },
    { kind: 'opportunities', atMs: Float64Array.of(5, 14), lengthMs: 10 },
  ];
  for (const rate of useless) assert.throws(() => oneWay(rate), /expected a link that takes bytes/);
  assert.throws(() => oneWay(unlimited, { lossShare: 1 }), /a share of 1/);
});

Queue.run();
