import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ServedBundle, serveBundle } from '../../cloud/index.ts';
import { argmax, decideExit } from '../../shared/exits/index.ts';
import { rejectsCode, throwsCode, within } from '../protocol/expect.ts';
import {
  type Alone,
  drawnImage,
  furthest,
  openRealBundle,
  runAlone,
  segmentGraphs,
  startPool,
  withThreshold,
} from '../runtime/real-bundle.ts';
import { makeEngine, type Outcome, type Submitted, submit } from './engine-source.ts';

const bundle = await openRealBundle();
const { length: classes } = bundle.manifest.classes;
const images = Array.from({ length: 60 }, (_, index) => drawnImage(index * 10));
const renamed = { ...withThreshold(bundle, 0), manifest: { ...bundle.manifest, id: 'other' } };
const pool = await startPool([...segmentGraphs(bundle), ...serveBundle(renamed).graphs], { workers: 2 });
const alone = await runAlone(pool, bundle, images);
const streams = alone.map(({ codes }) => bundle.codec(1).encode(codes));
// Half of the images leave at the first exit and half go on, whatever the bundle was trained to.
const entropies = alone.map(({ entropy }) => entropy).sort((a, b) => a - b);
const median = ((entropies[29] ?? 0) + (entropies[30] ?? 0)) / 2;
const halves = serveBundle(withThreshold(bundle, median));
const neverEarly = serveBundle(withThreshold(bundle, 0));
const other = serveBundle(renamed);

function expectedExit({ entropy }: Alone, served: ServedBundle, cut: number): number {
  return cut === 0 && entropy < (served.bundle.exit(0).threshold ?? 0) ? 0 : 1;
}

/** Asserts that an outcome is one result, and row for row what each image gives alone. */
function isOwn(outcome: Outcome, picks: readonly number[], served: ServedBundle, cut: number): void {
  assert.is(outcome.errors.length, 0, outcome.errors[0]?.message);
  assert.is(outcome.results.length, 1);
  const [result] = outcome.results;
  assert.is(result?.exits.length, picks.length);
  assert.is(result?.logits.length, picks.length * classes);
  for (const [row, pick] of picks.entries()) {
    const one = alone[pick];
    if (one === undefined) throw new Error(`no image ${pick}`);
    const exit = expectedExit(one, served, cut);
    assert.is(result?.exits[row], exit, `image ${pick} left at another exit`);
    const logits = result?.logits.subarray(row * classes, (row + 1) * classes) ?? [];
    const expected = one.logits[exit] ?? [];
    assert.ok(furthest(logits, expected) < 1e-5, `image ${pick}: off by ${furthest(logits, expected)}`);
    assert.is(argmax(logits), argmax(expected));
  }
}

/** Its outcome, in time: the threads of the pool would keep a test that waits for ever alive. */
const answer = ({ answered }: Submitted): Promise<Outcome> => within(20_000, answered);

const rowsOf = (picks: readonly number[], cut: number) =>
  picks.map((pick) => (cut === 0 ? images : streams)[pick] ?? new Uint8Array(0));

const Rows = suite('each caller gets its own rows');

Rows('one row at each cut', async () => {
  const { engine } = makeEngine(pool);
  for (const cut of [0, 1]) {
    const outcome = await answer(submit(engine, { served: halves, cut, rows: rowsOf([7], cut) }));
    isOwn(outcome, [7], halves, cut);
  }
});

Rows('many callers at once, any rows, both cuts', async () => {
  const request = fc.record({
    cut: fc.constantFrom(0, 1),
    picks: fc.array(fc.nat({ max: images.length - 1 }), { minLength: 1, maxLength: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 40 }), async (requests) => {
      const { engine, tally } = makeEngine(pool);
      const outcomes = await Promise.all(
        requests.map(({ cut, picks }) =>
          within(20_000, submit(engine, { served: halves, cut, rows: rowsOf(picks, cut) }).answered),
        ),
      );
      for (const [index, { cut, picks }] of requests.entries()) {
        isOwn(outcomes[index] ?? { results: [], errors: [] }, picks, halves, cut);
      }
      const rows = requests.reduce((sum, { picks }) => sum + picks.length, 0);
      assert.is(tally.exits.length, rows);
      assert.is(tally.queued, requests.length);
      assert.is(
        tally.batches.reduce((sum, batch) => sum + batch.rows, 0),
        rows,
      );
      assert.ok(tally.batches.every((batch) => batch.rows <= 16));
      assert.equal(engine.load, { queuedRows: 0, runningRows: 0 });
    }),
    { numRuns: 25 },
  );
});

Rows('what comes while the threads are busy shares batches', async () => {
  const { engine, tally } = makeEngine(pool);
  const picks = Array.from({ length: 48 }, (_, index) => index);
  const all = picks.map((pick) => submit(engine, { served: halves, cut: 1, rows: rowsOf([pick], 1) }));
  for (const [index, { answered }] of all.entries())
    isOwn(await within(20_000, answered), [index], halves, 1);
  assert.ok(tally.batches.length < 20, `${tally.batches.length} batches for 48 requests`);
  assert.ok(tally.batches.some((batch) => batch.rows === 16));
});

Rows("two bundles on one engine never share a batch, nor each other's exit rule", async () => {
  const { engine, tally } = makeEngine(pool);
  const early = alone.findIndex(({ entropy }) => entropy < median);
  const waits = Array.from({ length: 20 }, (_, index) => {
    const served = index % 2 === 0 ? halves : other;
    return { served, sent: submit(engine, { served, cut: 0, rows: rowsOf([early], 0) }) };
  });
  for (const { served, sent } of waits) isOwn(await answer(sent), [early], served, 0);
  assert.is(tally.exits.filter((exit) => exit === 0).length, 10);
});

Rows.run();

const Exits = suite('exits on the way');

Exits('at cut 0 the confident rows leave first, the others go on to the end', async () => {
  const { engine, tally } = makeEngine(pool, { limits: { maxBatchRows: 60, maxQueuedRows: 60 } });
  const picks = images.map((_, index) => index);
  const outcome = await answer(submit(engine, { served: halves, cut: 0, rows: rowsOf(picks, 0) }));
  isOwn(outcome, picks, halves, 0);
  assert.is(tally.exits.filter((exit) => exit === 0).length, 30);
  assert.is(tally.exits.filter((exit) => exit === 1).length, 30);
});

Exits('with a threshold of 0 nothing leaves on the way', async () => {
  const { engine, tally } = makeEngine(pool);
  const outcome = await answer(submit(engine, { served: neverEarly, cut: 0, rows: rowsOf([1, 2, 3], 0) }));
  isOwn(outcome, [1, 2, 3], neverEarly, 0);
  assert.equal(tally.exits, [1, 1, 1]);
});

Exits('the cut changes neither label nor, but for rounding, logits', async () => {
  const { engine } = makeEngine(pool);
  for (const pick of [0, 5, 33]) {
    const [image, codes] = await Promise.all(
      [0, 1].map((cut) => answer(submit(engine, { served: neverEarly, cut, rows: rowsOf([pick], cut) }))),
    );
    const [a, b] = [image?.results[0]?.logits ?? [], codes?.results[0]?.logits ?? []];
    assert.ok(furthest(a, b) < 1e-5);
    assert.is(
      decideExit({ ...bundle.exit(1), logits: a }).label,
      decideExit({ ...bundle.exit(1), logits: b }).label,
    );
  }
});

Exits('times and batch size of a result are those of its batch', async () => {
  const { engine } = makeEngine(pool);
  const { results } = await answer(submit(engine, { served: neverEarly, cut: 0, rows: rowsOf([1, 2], 0) }));
  const [result] = results;
  assert.is(result?.batchRows, 2);
  assert.is(result?.queuedRows, 0);
  assert.ok((result?.runMicros ?? 0) > 0);
  assert.ok((result?.queueMicros ?? -1) >= 0);
});

Exits.run();

const Refusals = suite('requests that are refused at once');
Refusals.after(() => pool.close());
const good = streams[0] ?? new Uint8Array(0);

function refuses(request: Parameters<typeof submit>[1], code: Parameters<typeof throwsCode>[1]): void {
  const { engine } = makeEngine(pool);
  let sent: Submitted | undefined;
  throwsCode(() => {
    sent = submit(engine, request);
  }, code);
  assert.is(sent, undefined);
  assert.ok(engine.idle, 'something was queued all the same');
}

Refusals('a budget of 0 or less is BUDGET_SPENT', () => {
  refuses({ served: halves, cut: 1, rows: [good], budgetMs: 0 }, 'BUDGET_SPENT');
  refuses({ served: halves, cut: 1, rows: [good], budgetMs: -1 }, 'BUDGET_SPENT');
});

Refusals('a cut the bundle does not have is CUT_UNSUPPORTED', () => {
  for (const cut of [2, 3, 64]) refuses({ served: halves, cut, rows: [good] }, 'CUT_UNSUPPORTED');
});

Refusals('a broken stream is CODES_CORRUPT, an image of another length TENSOR_INVALID', () => {
  const flipped = good.map((byte, index) => (index === 0 ? byte ^ 0x10 : byte));
  refuses({ served: halves, cut: 1, rows: [flipped] }, 'CODES_CORRUPT');
  refuses({ served: halves, cut: 1, rows: [good, new Uint8Array(0)] }, 'CODES_CORRUPT');
  refuses({ served: halves, cut: 1, rows: [new Uint8Array(5000)] }, 'CODES_CORRUPT');
  refuses({ served: halves, cut: 0, rows: [new Uint8Array(783)] }, 'TENSOR_INVALID');
});

Refusals('more rows than a batch holds is TENSOR_INVALID', () => {
  refuses({ served: halves, cut: 1, rows: Array.from({ length: 17 }, () => good) }, 'TENSOR_INVALID');
});

Refusals('the pool goes away at the end', async () => {
  await pool.close();
  await rejectsCode(pool.run('x', new Uint8Array(1), 1), 'RUNTIME_STOPPED');
});

Refusals.run();
