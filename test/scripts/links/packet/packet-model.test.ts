/** The model of packets, which is Python: its own tests, and that both models of a link mean the same by it. Needs no root. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Link,
  linkJson,
  OneWay,
  packetHeaderBytes,
  type Rate,
} from '../../../../scripts/links/index.ts';
import { skip } from '../../../support/data.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const replay = fileURLToPath(new URL('replay.py', import.meta.url));
const hasPython =
  spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;
const lacking = 'there is no python3 of version 3.9 or later';

const Model = suite('the packet-level model');

Model('passes its own tests', () => {
  if (!hasPython) return skip(lacking);
  const { status, stderr } = spawnSync('python3', ['-B', '-m', 'unittest', 'discover', '-s', folder], {
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
  assert.match(stderr, /^Ran \d{2} tests/m);
});

/** Packets at moments that do not go back, as [ms, bytes with headers]. */
type Offer = readonly [number, number];

const rates: fc.Arbitrary<Rate> = fc.oneof(
  fc.record({
    kind: fc.constant('constant' as const),
    bitsPerSecond: fc.double({ min: 1e4, max: 1e8, noNaN: true }),
  }),
  fc.constant({ kind: 'constant' as const, bitsPerSecond: Number.POSITIVE_INFINITY }),
  fc
    .array(
      fc.record({
        lastsMs: fc.integer({ min: 1, max: 300 }),
        bitsPerSecond: fc.constantFrom(0, 1e5, 3e6, 2e7),
      }),
      {
        minLength: 1,
        maxLength: 8,
      },
    )
    .map((parts): Rate => {
      let lengthMs = 0;
      const steps = [...parts, { lastsMs: 7, bitsPerSecond: 1e6 }].map(({ lastsMs, bitsPerSecond }) => {
        const fromMs = lengthMs;
        lengthMs += lastsMs;
        return { fromMs, bitsPerSecond };
      });
      return { kind: 'steps', steps, lengthMs };
    }),
  fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 60 }).map((moments): Rate => {
    const atMs = Float64Array.from(moments).sort();
    return { kind: 'opportunities', atMs, lengthMs: (atMs.at(-1) ?? 0) + 1 };
  }),
);

const outages = fc.array(
  fc.record(
    {
      atMs: fc.integer({ max: 2000, min: 0 }),
      lastsMs: fc.integer({ min: 0, max: 500 }),
      everyMs: fc.constant(1301),
    },
    { requiredKeys: ['atMs', 'lastsMs'] },
  ),
  { maxLength: 2 },
);

const offers = fc
  .array(fc.tuple(fc.double({ min: 0, max: 60, noNaN: true }), fc.integer({ min: 52, max: 1500 })), {
    minLength: 1,
    maxLength: 60,
  })
  .map((gaps): Offer[] => {
    let atMs = 0;
    return gaps.map(([gapMs, bytes]) => {
      atMs += gapMs;
      return [atMs, bytes];
    });
  });

const cases = fc.record({ rate: rates, outages, offers }).map(({ rate, outages: holes, offers: sent }) => {
  const direction = { rate, delayMs: 12.5, jitterMs: 0, lossShare: 0, queueBytes: 1e9 };
  const link: Link = { name: 'drawn', source: 'test', up: direction, down: direction, outages: holes };
  return { link, sent };
});

Model('has packets arrive when the model of streams does, whatever the rate and the outages', () => {
  if (!hasPython) return skip(lacking);
  const drawn = fc.sample(cases, 400);
  const input = drawn
    .map(({ link, sent }) => JSON.stringify({ link: linkJson(link), offers: sent }))
    .join('\n');
  const { stdout, stderr } = spawnSync('python3', ['-B', replay], {
    encoding: 'utf8',
    input,
    maxBuffer: 2 ** 26,
  });
  const replayed = stdout.trim().split('\n');
  assert.is(replayed.length, drawn.length, stderr);
  for (const [index, { link, sent }] of drawn.entries()) {
    const way = new OneWay(link.up, link.outages, Math.random);
    const arrivals: number[] = JSON.parse(replayed[index] ?? '[]');
    assert.is(arrivals.length, sent.length);
    for (const [packet, [atMs, bytes]] of sent.entries()) {
      const expected = way.send(bytes - packetHeaderBytes, atMs);
      const offMs = Math.abs((arrivals[packet] ?? Number.NaN) - expected);
      assert.ok(offMs < 1e-6, `packet ${packet} by ${offMs} ms: ${JSON.stringify(linkJson(link))} ${sent}`);
    }
  }
});

Model.run();
