/** Callers of every kind at once on real inference threads: each gets exactly its own rows, or nothing after it has gone. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { schedulerNamed, schedulerNames, serveBundle } from '../../cloud/index.ts';
import { within } from '../protocol/expect.ts';
import {
  drawnImage,
  furthest,
  openRealBundle,
  runAlone,
  segmentGraphs,
  startPool,
  withThreshold,
} from '../runtime/real-bundle.ts';
import { makeEngine, type Submitted, submit } from './engine-source.ts';

const bundle = await openRealBundle();
const { length: classes } = bundle.manifest.classes;
const images = Array.from({ length: 40 }, (_, index) => drawnImage(index * 13));
const another = { ...bundle, ...withThreshold(bundle, 0), manifest: { ...bundle.manifest, id: 'other' } };
const bundles = [serveBundle(bundle), serveBundle(another)] as const;
const pool = await startPool([...segmentGraphs(bundle), ...bundles[1].graphs], { workers: 2 });
const alone = await runAlone(pool, bundle, images);
const streams = alone.map(({ codes }) => bundle.codec(1).encode(codes));

const caller = fc.record({
  bundle: fc.constantFrom(0, 1),
  cut: fc.constantFrom(0, 1),
  priority: fc.integer({ min: 0, max: 4 }),
  client: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  picks: fc.array(fc.nat({ max: images.length - 1 }), { minLength: 1, maxLength: 9 }),
  /** When it goes without waiting for its answer. */
  leaves: fc.constantFrom('never', 'never', 'never', 'at once', 'soon', 'late'),
  comesAfterMs: fc.constantFrom(0, 0, 0, 1, 3),
});
type Caller = typeof caller extends fc.Arbitrary<infer C> ? C : never;

const leavesAfterMs = { 'at once': 0, soon: 1, late: 6 };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const Crowd = suite('a crowd of callers');

Crowd.after(() => pool.close());

for (const name of schedulerNames) {
  Crowd(`each gets its own rows and no others, whoever comes, goes or is put first: ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(caller, { minLength: 1, maxLength: 40 }), async (callers) => {
        const { engine } = makeEngine(pool, {
          scheduler: schedulerNamed(name, 2),
          batching: Object.fromEntries(
            bundles.map(({ id }) => [
              id,
              { dynamic_batching: { priority_levels: 3, default_priority_level: 2 } },
            ]),
          ),
        });
        await Promise.all(callers.map((one) => play(engine, one)));
        await within(20_000, idle(engine));
        assert.equal(engine.load, { queuedRows: 0, runningRows: 0 });
      }),
      { numRuns: 12 },
    );
  });
}

Crowd.run();

async function play(engine: Parameters<typeof submit>[0], one: Caller): Promise<void> {
  await pause(one.comesAfterMs);
  const served = bundles[one.bundle] ?? bundles[0];
  const rows = one.picks.map((pick) => (one.cut === 0 ? images : streams)[pick] ?? new Uint8Array(0));
  const { cut, client, priority } = one;
  const sent = submit(engine, { served, cut, rows, client, ...(priority > 0 && { priority }) });
  if (one.leaves === 'never') {
    await within(20_000, sent.answered);
    isOwn(sent, one);
    return;
  }
  await pause(leavesAfterMs[one.leaves]);
  const before = sent.results.length;
  sent.drop();
  sent.drop();
  await pause(10);
  assert.is(sent.errors.length, 0, sent.errors[0]?.message);
  // What runs when its caller goes is still computed, and a session drops it; it must be its own all the same.
  assert.ok(sent.results.length - before <= 1);
  if (sent.results.length > 0) isOwn(sent, one);
}

function isOwn({ results, errors }: Submitted, { picks, cut, bundle: index }: Caller): void {
  assert.is(errors.length, 0, errors[0]?.message);
  assert.is(results.length, 1);
  const [result] = results;
  assert.is(result?.logits.length, picks.length * classes);
  const served = bundles[index] ?? bundles[0];
  for (const [row, pick] of picks.entries()) {
    const expected = alone[pick];
    if (expected === undefined) throw new Error(`no image ${pick}`);
    const leavesFirst = cut === 0 && expected.entropy < (served.bundle.exit(0).threshold ?? 0);
    assert.is(result?.exits[row], leavesFirst ? 0 : 1, `row ${row}`);
    const logits = result?.logits.subarray(row * classes, (row + 1) * classes) ?? [];
    const off = furthest(logits, expected.logits[leavesFirst ? 0 : 1] ?? []);
    assert.ok(off < 1e-5, `row ${row} is another's: off by ${off}`);
  }
}

async function idle(engine: Parameters<typeof submit>[0]): Promise<void> {
  while (!engine.idle) await pause(2);
}
