import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serveBundle } from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { within } from '../protocol/expect.ts';
import { openRealBundle } from '../runtime/real-bundle.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';
import { HeldRunner, makeEngine, submit, sureLogits } from './engine-source.ts';

const served = serveBundle(await openRealBundle());
const image = new Uint8Array(served.bundle.manifest.input.shape.reduce((a, b) => a * b, 1));
const request = (rows = 1, budgetMs = 1000) => ({
  served,
  cut: 0,
  rows: Array.from({ length: rows }, () => image),
  budgetMs,
});

/** Runs of either segment: a millisecond a row. */
const warmRuns = served.graphs.flatMap(({ key }) =>
  [1, 4, 16].map((rows) => ({ key, rows, runMicros: rows * 1000 })),
);

/** Ends the run at `index` with confident rows. */
function finish(runner: HeldRunner, index: number): void {
  const run = runner.runs[index];
  if (run === undefined) throw new Error(`no run ${index} of ${runner.runs.length}`);
  run.finish(sureLogits(served, run.rows));
}

const Trouble = suite('the engine in trouble');

Trouble('a run that fails answers every request of its batch, and the engine goes on', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const first = submit(engine, request());
  const shared = [submit(engine, request(2)), submit(engine, request(3))];
  finish(runner, 0);
  await first.answered;
  await settled();
  assert.is(runner.runs[1]?.rows, 5);
  runner.runs[1]?.fail(new OfframpError('RUNTIME_FAILED', 'out of memory'));
  for (const { answered } of shared) {
    const { results, errors } = await answered;
    assert.equal([results.length, errors.map(({ code }) => code)], [0, ['RUNTIME_FAILED']]);
  }
  await settled();
  assert.ok(engine.idle);
  const next = submit(engine, request());
  finish(runner, 2);
  assert.is((await next.answered).results.length, 1);
});

Trouble('a run that fails with no error of ours is RUNTIME_FAILED', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const sent = submit(engine, request());
  runner.runs[0]?.fail('words');
  assert.equal(
    (await sent.answered).errors.map(({ code }) => code),
    ['RUNTIME_FAILED'],
  );
});

Trouble('a segment without logits is RUNTIME_FAILED', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const sent = submit(engine, request());
  runner.runs[0]?.finish({ outputs: [], runMicros: 1 });
  assert.equal(
    (await sent.answered).errors.map(({ code }) => code),
    ['RUNTIME_FAILED'],
  );
  await settled();
  assert.ok(engine.idle);
});

Trouble('logits that are not finite are an error for all, not an answer', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const sent = submit(engine, request());
  const logits = new Float32Array(served.classes).fill(Number.NaN);
  const codes = new Uint8Array(96);
  runner.runs[0]?.finish({ outputs: [logits, codes], runMicros: 1 });
  const { results, errors } = await sent.answered;
  assert.equal([results.length, errors.length], [0, 1]);
});

Trouble('what is cancelled before its run is never run and never answered', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const running = submit(engine, request());
  const gone = submit(engine, request(4));
  const stays = submit(engine, request(2));
  assert.equal(engine.load, { queuedRows: 6, runningRows: 1 });
  gone.drop();
  gone.drop();
  assert.equal(engine.load, { queuedRows: 2, runningRows: 1 });
  finish(runner, 0);
  await running.answered;
  await settled();
  assert.is(runner.runs[1]?.rows, 2);
  finish(runner, 1);
  await stays.answered;
  await settled();
  assert.is(runner.runs.length, 2);
  assert.equal([gone.results.length, gone.errors.length], [0, 0]);
  assert.ok(engine.idle);
});

Trouble('cancelling what runs already changes nothing for the others', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const running = submit(engine, request());
  running.drop();
  assert.equal(engine.load, { queuedRows: 0, runningRows: 1 });
  finish(runner, 0);
  await settled();
  assert.ok(engine.idle);
});

Trouble('a budget that ends in the queue is BUDGET_SPENT and costs no run', async () => {
  const runner = new HeldRunner();
  const clock = new VirtualClock();
  const { engine } = makeEngine(runner, { clock });
  submit(engine, request(16, 1000));
  const late = submit(engine, request(1, 10));
  const alive = submit(engine, request(1, 100));
  clock.advance(10);
  finish(runner, 0);
  const { errors } = await late.answered;
  assert.equal(
    errors.map(({ code }) => code),
    ['BUDGET_SPENT'],
  );
  assert.ok(errors[0]?.message.includes('10 ms'), errors[0]?.message);
  await settled();
  finish(runner, 1);
  const [result] = (await alive.answered).results;
  assert.is(result?.queueMicros, 10_000);
  assert.is(runner.runs.length, 2);
});

Trouble('a full queue is BUSY with a time to come back that grows with the queue', () => {
  const { engine } = makeEngine(new HeldRunner(), { limits: { maxBatchRows: 4, maxQueuedRows: 4 } });
  submit(engine, request(4));
  submit(engine, request(4));
  try {
    submit(engine, request(1));
    assert.unreachable();
  } catch (thrown) {
    const error = OfframpError.from(thrown);
    assert.is(error.code, 'BUSY');
    assert.is(error.retryAfterMs, 8);
  }
});

Trouble('the time to come back follows the queue, the measured time per row and the threads', async () => {
  const retryAfterMs = (engine: ReturnType<typeof makeEngine>['engine']) => {
    try {
      submit(engine, request(4));
    } catch (thrown) {
      return OfframpError.from(thrown).retryAfterMs ?? 0;
    }
    return 0;
  };
  const clock = new VirtualClock();
  const full = (parallel: number, maxQueuedRows: number) => {
    const runner = new HeldRunner();
    runner.parallel = parallel;
    const { engine } = makeEngine(runner, { clock, limits: { maxBatchRows: 4, maxQueuedRows } });
    for (let rows = 0; rows < maxQueuedRows + 4 * parallel; rows += 4) submit(engine, request(4));
    return { runner, engine };
  };
  const [short, long, wide] = [full(1, 4), full(1, 20), full(2, 4)];
  // Before the first batch a row is taken to need a millisecond.
  assert.equal(
    [short, long, wide].map(({ engine }) => retryAfterMs(engine)),
    [8, 24, 6],
  );
  const { runner, engine } = short;
  for (let index = 0; index < 60; index++) {
    clock.advance(80);
    runner.runs[index]?.finish({ ...sureLogits(served, 4), runMicros: 80_000 });
    await settled();
    submit(engine, request(4));
  }
  // 8 rows under way or waiting, at 20 ms each.
  const slowMs = retryAfterMs(engine);
  assert.ok(Math.abs(slowMs - 160) < 5, `${slowMs} ms`);
});

Trouble('one that expires while a batch is taken may make its caller drop the others', async () => {
  const runner = new HeldRunner();
  const clock = new VirtualClock();
  const { engine } = makeEngine(runner, { clock });
  submit(engine, request(16));
  // A session whose peer is gone drops all it has as soon as it is told of one.
  const taken = submit(engine, request(2, 1000));
  let told = 0;
  engine.submit({
    ...request(3, 10),
    client: 'one',
    onResult: () => assert.unreachable(),
    onError: () => {
      told++;
      taken.drop();
    },
  });
  clock.advance(20);
  finish(runner, 0);
  await settled();
  assert.is(told, 1);
  assert.is(engine.load.queuedRows, 0, 'rows were taken off the queue twice');
  for (let index = 1; index < runner.runs.length; index++) finish(runner, index);
  await settled();
  assert.ok(engine.idle, `${JSON.stringify(engine.load)} is left over`);
});

Trouble('with every inference thread gone a request is refused, not kept for ever', async () => {
  const runner = new HeldRunner();
  runner.parallel = 0;
  const { engine } = makeEngine(runner);
  let code = '';
  try {
    const sent = submit(engine, request());
    code = (await within(500, sent.answered)).errors[0]?.code ?? 'none';
  } catch (thrown) {
    code = OfframpError.from(thrown).code;
  }
  assert.is(code, 'RUNTIME_STOPPED');
});

Trouble('threads that die under a queue leave nobody without an answer', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const running = submit(engine, request());
  const waiting = submit(engine, request());
  runner.parallel = 0;
  runner.runs[0]?.fail(new OfframpError('RUNTIME_FAILED', 'An inference thread ended unexpectedly'));
  assert.is((await running.answered).errors[0]?.code, 'RUNTIME_FAILED');
  const { errors } = await within(500, waiting.answered);
  assert.is(errors.length, 1);
  assert.ok(engine.idle);
});

Trouble('never more batches at once than the runner can take, and one ahead of each', async () => {
  const runner = new HeldRunner();
  runner.parallel = 2;
  const clock = new VirtualClock();
  const { engine } = makeEngine(runner, { clock, limits: { maxBatchRows: 1, maxQueuedRows: 100 } });
  engine.introduce(served, warmRuns);
  const all = Array.from({ length: 9 }, () => submit(engine, request(1, 1e9)));
  assert.is(runner.runs.length, 2);
  for (let index = 0; index < 9; index++) {
    clock.advance(10_000);
    if (index === 0) assert.is(runner.runs.length, 4);
    assert.ok(runner.runs.length <= index + 4, `${runner.runs.length} runs, ${index} of them done`);
    finish(runner, index);
    await settled();
  }
  for (const { answered } of all) assert.is((await answered).results.length, 1);
});

Trouble(
  'shortly before a batch should be done the next one is handed over, one ahead of each executor',
  async () => {
    const runner = new HeldRunner();
    const clock = new VirtualClock();
    const { engine } = makeEngine(runner, { clock });
    engine.introduce(served, warmRuns);
    // 30 ms through both segments.
    const running = submit(engine, request(15));
    const waiting = [submit(engine, request(10)), submit(engine, request(10))];
    clock.advance(26);
    assert.is(runner.runs.length, 1);
    clock.advance(2);
    assert.is(runner.runs.length, 2);
    clock.advance(100);
    assert.is(runner.runs.length, 2, 'more than one batch ahead');
    finish(runner, 0);
    await running.answered;
    await settled();
    assert.is(runner.runs.length, 2, 'the one after it before its time');
    clock.advance(11);
    finish(runner, 1);
    const [first] = (await (waiting[0] as (typeof waiting)[0]).answered).results;
    // Its wait ends when the executor was free, not when it was handed over.
    assert.is(first?.queueMicros, 128_000);
    await settled();
    finish(runner, 2);
    await Promise.all(waiting.map(({ answered }) => answered));
    assert.ok(engine.idle);
  },
);

Trouble(
  'a request that would wait past its budget is refused at once, with the time after which it would not',
  () => {
    const runner = new HeldRunner();
    const { engine } = makeEngine(runner);
    engine.introduce(served, warmRuns);
    for (let index = 0; index < 10; index++) submit(engine, request(16, 60_000));
    // 144 rows wait, a millisecond each to the first exit, and a quarter of every budget is not for waiting.
    submit(engine, request(1, 200));
    try {
      submit(engine, request(1, 100));
      assert.unreachable();
    } catch (thrown) {
      const { code, retryAfterMs = 0, message } = OfframpError.from(thrown);
      assert.is(code, 'BUSY');
      assert.ok(Math.abs(retryAfterMs - (145 - 75)) < 3, `${retryAfterMs} ms`);
      assert.ok(/would wait 14\d ms/.test(message), message);
    }
  },
);

Trouble('on a guess nothing is handed over ahead, and nothing refused', () => {
  const runner = new HeldRunner();
  const clock = new VirtualClock();
  const { engine } = makeEngine(runner, { clock });
  for (let index = 0; index < 10; index++) submit(engine, request(16, 1000));
  submit(engine, request(1, 1));
  clock.advance(900);
  assert.is(runner.runs.length, 1);
});

Trouble('what other clients have waiting counts only as far as it would be served before', () => {
  const { engine } = makeEngine(new HeldRunner());
  engine.introduce(served, warmRuns);
  for (let index = 0; index < 10; index++) submit(engine, request(16, 60_000));
  const modest = { ...request(1, 100), client: 'another' };
  assert.not.throws(() => submit(engine, modest));
});

Trouble.run();
