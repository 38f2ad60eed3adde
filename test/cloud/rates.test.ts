/** The server finishes codes of which only the first channels were sent. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serveBundle } from '../../cloud/index.ts';
import { argmax } from '../../shared/exits/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import { throwsCode, within } from '../protocol/expect.ts';
import { filled, openRatedBundle, openUnratedBundle, rates } from '../runtime/rated-bundle.ts';
import { drawnImage, furthest, runAlone, segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { makeEngine, type Request, submit } from './engine-source.ts';

const bundle = await openRatedBundle();
const served = serveBundle(bundle);
const pool = await startPool(segmentGraphs(bundle));
const images = Array.from({ length: 12 }, (_, index) => drawnImage(index * 50));
const alone = await runAlone(pool, bundle, images);
const none = new Uint8Array(0);

/** The stream of an image at a rate, as a device would send it. */
function streamOf(image: number, channels: number): Uint8Array {
  const codec = bundle.codec(1, channels);
  return codec.encode((alone[image]?.codes ?? none).subarray(0, codec.count));
}

/** Final logits of an image of which `channels` channels are known, with nothing of ours but the runner. */
async function expected(image: number, channels: number): Promise<Float32Array> {
  const codes = filled(alone[image]?.codes ?? none, channels, bundle);
  const { outputs } = await pool.run(segmentKey(bundle.manifest.id, 1), codes, 1);
  const [logits] = outputs;
  if (!(logits instanceof Float32Array)) throw new Error('s1 gave no logits');
  return logits;
}

async function logitsOf(request: Omit<Request, 'served' | 'cut'>): Promise<Float32Array> {
  const { engine } = makeEngine(pool);
  const { results, errors } = await within(20_000, submit(engine, { served, cut: 1, ...request }).answered);
  assert.is(errors.length, 0, errors[0]?.message);
  return results[0]?.logits ?? new Float32Array(0);
}

const Rows = suite('rows of a rate');

for (const channels of rates) {
  Rows(`of ${channels} channels are finished with the others at the middle level`, async () => {
    for (const image of images.keys()) {
      const logits = await logitsOf({ channels, rows: [streamOf(image, channels)] });
      const wanted = await expected(image, channels);
      assert.ok(furthest(logits, wanted) < 1e-5, `image ${image}: off by ${furthest(logits, wanted)}`);
      assert.is(argmax(logits), argmax(wanted));
    }
  });
}

Rows('of few channels do not get the logits of all, so that the tests above can tell', async () => {
  const [few, all] = await Promise.all([expected(0, 2), expected(0, 6)]);
  assert.ok(furthest(few, all) > 0.1);
});

Rows('of all channels get what rows without a rate get, bit for bit', async () => {
  for (const image of images.keys()) {
    const rows = [streamOf(image, 6)];
    assert.equal(await logitsOf({ rows }), await logitsOf({ channels: 6, rows }));
  }
});

Rows('of one request are filled row by row', async () => {
  const picks = [3, 1, 2];
  const logits = await logitsOf({ channels: 2, rows: picks.map((pick) => streamOf(pick, 2)) });
  for (const [row, pick] of picks.entries()) {
    const own = logits.subarray(row * served.classes, (row + 1) * served.classes);
    assert.ok(furthest(own, await expected(pick, 2)) < 1e-5, `row ${row}`);
  }
});

Rows('of different rates share a batch, and each gets its own', async () => {
  const { engine, tally } = makeEngine(pool);
  const wanted = await Promise.all([expected(1, 2), expected(2, 4), expected(3, 6), expected(4, 6)]);
  // The first one takes the thread; what comes meanwhile waits together.
  const first = submit(engine, { served, cut: 1, rows: [streamOf(0, 6)] });
  const requests = [
    { channels: 2, rows: [streamOf(1, 2)] },
    { channels: 4, rows: [streamOf(2, 4)] },
    { channels: 6, rows: [streamOf(3, 6)] },
    { rows: [streamOf(4, 6)] },
  ].map((request) => submit(engine, { served, cut: 1, ...request }));
  await within(20_000, first.answered);
  for (const [index, { answered }] of requests.entries()) {
    const { results } = await within(20_000, answered);
    assert.is(results[0]?.batchRows, 4);
    assert.ok(furthest(results[0]?.logits ?? [], wanted[index] ?? []) < 1e-5, `request ${index}`);
  }
  assert.equal(tally.batches, [
    { cut: 1, rows: 1 },
    { cut: 1, rows: 4 },
  ]);
});

Rows.run();

const Refusals = suite('rates that are refused');
Refusals.after(() => pool.close());

function refuses(request: Request, code: Parameters<typeof throwsCode>[1], part = ''): void {
  const { engine } = makeEngine(pool);
  throwsCode(() => submit(engine, request), code, part);
  assert.ok(engine.idle, 'something was queued all the same');
}

Refusals('one that the cut does not list is RATE_UNSUPPORTED and names those it lists', () => {
  for (const channels of [1, 3, 5, 7, 4096]) {
    const words = `a rate of ${channels} channels at cut 1, expected one of: 2, 4, 6`;
    refuses({ served, cut: 1, channels, rows: [streamOf(0, 2)] }, 'RATE_UNSUPPORTED', words);
  }
});

Refusals('any but all channels is RATE_UNSUPPORTED where the bundle lists none', async () => {
  const plain = serveBundle(await openUnratedBundle());
  refuses({ served: plain, cut: 1, channels: 2, rows: [streamOf(0, 2)] }, 'RATE_UNSUPPORTED', 'one of: 6');
});

Refusals('a cut that is none stays CUT_UNSUPPORTED', () => {
  refuses({ served, cut: 2, channels: 2, rows: [none] }, 'CUT_UNSUPPORTED');
});

Refusals(
  'a row longer than the longest of its rate is CODES_CORRUPT, though another rate may have it',
  () => {
    const row = new Uint8Array(bundle.codec(1).maxBytes);
    assert.ok(row.length > bundle.codec(1, 2).maxBytes);
    refuses(
      { served, cut: 1, channels: 2, rows: [row] },
      'CODES_CORRUPT',
      `at most ${bundle.codec(1, 2).maxBytes}`,
    );
  },
);

Refusals('the largest row of the server is the same with and without rates', async () => {
  assert.is(served.maxRowBytes, serveBundle(await openUnratedBundle()).maxRowBytes);
});

Refusals.run();
