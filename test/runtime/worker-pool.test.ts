import type { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { OfframpError } from '../../shared/errors.ts';
import { argmax } from '../../shared/exits/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import { rejectsCode, until, within } from '../protocol/expect.ts';
import {
  drawnImage,
  furthest,
  openRealBundle,
  runAlone,
  segmentGraphs,
  stack,
  startPool,
  wholeGraph,
} from './real-bundle.ts';

const bundle = await openRealBundle();
const { id, classes, segments } = bundle.manifest;
const graphs = segmentGraphs(bundle);
const [s0, s1] = [segmentKey(id, 0), segmentKey(id, 1)];
const codesPerImage = segments[0]?.codes?.shape.reduce((product, size) => product * size, 1) ?? 0;

const Runs = suite('runs');

Runs('a segment gives its logits and its codes, and says how long it took', async () => {
  const pool = await startPool(graphs);
  assert.is(pool.provider, 'cpu');
  assert.is(pool.parallel, 1);
  const { outputs, runMicros } = await pool.run(s0, drawnImage(0), 1);
  const [logits, codes] = outputs;
  assert.instance(logits, Float32Array);
  assert.is(logits?.length, classes.length);
  assert.ok(Array.from(logits ?? []).every(Number.isFinite));
  assert.instance(codes, Uint8Array);
  assert.is(codes?.length, codesPerImage);
  assert.is(logits?.buffer.byteLength, classes.length * 4, 'an output shares memory');
  assert.ok(runMicros > 0);
  const last = await pool.run(s1, new Uint8Array(codesPerImage), 1);
  assert.is(last.outputs.length, 1);
  await pool.close();
});

Runs('the memory of the input moves away', async () => {
  const pool = await startPool(graphs);
  const image = drawnImage(0);
  const run = pool.run(s0, image, 1);
  assert.is(image.byteLength, 0);
  await run;
  await pool.close();
});

Runs('an input whose memory has already moved away is refused by one of our codes', async () => {
  const pool = await startPool(graphs);
  const image = drawnImage(0);
  await pool.run(s0, image, 1);
  try {
    await rejectsCode(within(2000, pool.run(s0, image, 1)), 'RUNTIME_FAILED');
    await within(2000, pool.run(s0, drawnImage(0), 1));
  } finally {
    await pool.close();
  }
});

Runs('a batch gives each row what it gets alone, in order', async () => {
  const pool = await startPool(graphs);
  const images = Array.from({ length: 9 }, (_, index) => drawnImage(index * 37));
  const alone = await runAlone(pool, bundle, images);
  const { outputs } = await pool.run(s0, stack(images), images.length);
  const [logits, codes] = outputs;
  for (const [row, one] of alone.entries()) {
    const own = logits?.subarray(row * classes.length, (row + 1) * classes.length) ?? [];
    assert.ok(furthest(own, one.logits[0] ?? []) < 1e-5, `row ${row}`);
    assert.equal(codes?.slice(row * codesPerImage, (row + 1) * codesPerImage), one.codes, `row ${row}`);
  }
  await pool.close();
});

Runs('the segments one after the other equal the whole network', async () => {
  const pool = await startPool([...graphs, await wholeGraph(bundle, 'whole')]);
  const images = Array.from({ length: 12 }, (_, index) => drawnImage(index * 50));
  const alone = await runAlone(pool, bundle, images);
  const { outputs } = await pool.run('whole', stack(images), images.length);
  for (const [row, one] of alone.entries()) {
    for (const [exit, logits] of one.logits.entries()) {
      const whole = outputs[exit]?.subarray(row * classes.length, (row + 1) * classes.length) ?? [];
      assert.ok(furthest(whole, logits) < 1e-4, `image ${row}, exit ${exit}: ${furthest(whole, logits)}`);
      assert.is(argmax(whole), argmax(logits));
    }
  }
  await pool.close();
});

Runs('many runs at once on two threads each get their own answer', async () => {
  const pool = await startPool(graphs, { workers: 2, maxQueuedRuns: 100 });
  assert.is(pool.parallel, 2);
  const images = Array.from({ length: 40 }, (_, index) => drawnImage(index * 13));
  const alone = await runAlone(pool, bundle, images);
  const runs = await Promise.all(images.map((image) => pool.run(s0, new Uint8Array(image), 1)));
  for (const [index, { outputs }] of runs.entries()) {
    assert.ok(furthest(outputs[0] ?? [], alone[index]?.logits[0] ?? []) < 1e-5, `run ${index}`);
  }
  await pool.close();
});

Runs('what waits is served first come, first served', async () => {
  const pool = await startPool(graphs);
  const order: number[] = [];
  const runs = Array.from({ length: 8 }, async (_, index) => {
    await pool.run(s0, drawnImage(index), 1);
    order.push(index);
  });
  await Promise.all(runs);
  assert.equal(order, [0, 1, 2, 3, 4, 5, 6, 7]);
  await pool.close();
});

Runs.run();

const Refusals = suite('refusals of a run');

Refusals('beyond the queue a run is BUSY, and those that wait are not harmed', async () => {
  const pool = await startPool(graphs, { maxQueuedRuns: 2 });
  const taken = [0, 1, 2].map((index) => pool.run(s0, drawnImage(index), 1));
  assert.is(pool.queued, 2);
  await rejectsCode(pool.run(s0, drawnImage(3), 1), 'BUSY', '2 runs');
  await Promise.all(taken);
  assert.is(pool.queued, 0);
  await pool.run(s0, drawnImage(4), 1);
  await pool.close();
});

Refusals(
  'an unknown graph, or rows that do not fit the input, is RUNTIME_FAILED and nothing breaks',
  async () => {
    const pool = await startPool(graphs);
    await rejectsCode(pool.run('nobody/s0', drawnImage(0), 1), 'RUNTIME_FAILED', 'nobody/s0');
    await rejectsCode(pool.run(s0, drawnImage(0), 2), 'RUNTIME_FAILED');
    await rejectsCode(pool.run(s0, new Uint8Array(3), 1), 'RUNTIME_FAILED');
    await pool.run(s0, drawnImage(0), 1);
    await pool.close();
  },
);

Refusals.run();

const Deaths = suite('threads that end by themselves');

/** A pool of two, the means to end each of its threads, and what the pool told of it. */
async function mortalPool() {
  const threads: Worker[] = [];
  const note = (thread: Worker) => threads.push(thread);
  process.on('worker', note);
  const deaths: OfframpError[] = [];
  const onWorkerDeath = (error: OfframpError) => deaths.push(error);
  const pool = await startPool(graphs, { workers: 2, onWorkerDeath }).finally(() =>
    process.off('worker', note),
  );
  assert.is(threads.length, 2);
  // The one way to end a thread that cannot take the process with it.
  const end = (index: number) => threads[index]?.postMessage({ kind: 'stop' });
  return { pool, deaths, end };
}

for (const index of [0, 1]) {
  Deaths(`thread ${index} of two is told of and not given work again`, async () => {
    const { pool, deaths, end } = await mortalPool();
    try {
      end(index);
      await until(() => deaths.length === 1);
      assert.is(deaths[0]?.code, 'RUNTIME_FAILED');
      assert.is(pool.parallel, 1);
      const runs = [0, 1, 2].map((image) => pool.run(s0, drawnImage(image), 1));
      const { queued } = pool;
      await within(5000, Promise.all(runs));
      assert.is(queued, 2);
    } finally {
      await pool.close();
    }
  });
}

Deaths('one that ends under a run fails that run alone, and is not given work again', async () => {
  const { pool, deaths, end } = await mortalPool();
  try {
    end(0);
    // Whichever thread the pool takes first, one of the two runs is on this one.
    const runs = [0, 1].map((image) => pool.run(s0, drawnImage(image), 1));
    const outcomes = await within(5000, Promise.allSettled(runs));
    assert.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    await until(() => deaths.length === 1);
    assert.is(pool.parallel, 1);
    for (let image = 0; image < 4; image++) await within(5000, pool.run(s0, drawnImage(image), 1));
  } finally {
    await pool.close();
  }
});

Deaths('when all have ended nothing waits for ever and nothing more is taken', async () => {
  const { pool, deaths, end } = await mortalPool();
  try {
    for (const index of [0, 1]) end(index);
    const runs = [0, 1, 2, 3].map((image) => pool.run(s0, drawnImage(image), 1));
    const outcomes = await within(5000, Promise.allSettled(runs));
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    assert.is(deaths.length, 2);
    assert.equal([pool.parallel, pool.queued], [0, 0]);
    await rejectsCode(pool.run(s0, drawnImage(0), 1), 'RUNTIME_STOPPED');
  } finally {
    await pool.close();
  }
});

Deaths.run();

const Closing = suite('close');

Closing('lets what runs finish, refuses what waits and all new work', async () => {
  const pool = await startPool(graphs);
  const running = pool.run(s0, stack(Array.from({ length: 200 }, (_, index) => drawnImage(index))), 200);
  const handedOver = pool.run(s0, drawnImage(0), 1);
  const waiting = pool.run(s0, drawnImage(0), 1);
  const closed = pool.close();
  await rejectsCode(pool.run(s0, drawnImage(1), 1), 'RUNTIME_STOPPED');
  await rejectsCode(waiting, 'RUNTIME_STOPPED');
  const { outputs } = await running;
  assert.is(outputs[0]?.length, 200 * classes.length);
  assert.is((await handedOver).outputs[0]?.length, classes.length);
  await closed;
});

Closing('is complete when it says so, however often it is called', async () => {
  const pool = await startPool(graphs);
  const running = pool.run(s0, stack(Array.from({ length: 300 }, (_, index) => drawnImage(index))), 300);
  let finished = false;
  const noted = running.then(
    () => {
      finished = true;
    },
    () => {},
  );
  const first = pool.close();
  await pool.close();
  const finishedBefore = finished;
  await Promise.all([first, noted]);
  assert.ok(finished, 'the running work was lost');
  assert.ok(finishedBefore, 'the second close did not wait for the running work');
});

Closing.run();
