import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Scheduler, serveBundle, type TensorResult } from '../../cloud/index.ts';
import type { OfframpError } from '../../shared/errors.ts';
import { throwsCode } from '../protocol/expect.ts';
import { openRealBundle, withThreshold } from '../runtime/real-bundle.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';
import { HeldRunner, makeEngine, submit, sureLogits } from './engine-source.ts';

const bundle = await openRealBundle();
const served = serveBundle(withThreshold(bundle, 0.5));
const imageSize = served.graphs[0]?.input.shape.reduce((product, size) => product * size, 1) ?? 0;
const codeSize = served.graphs[1]?.input.shape.reduce((product, size) => product * size, 1) ?? 0;
const image = new Uint8Array(imageSize);
const request = (rows = 1) => ({ served, cut: 0, rows: Array.from({ length: rows }, () => image) });

/** Runs the oldest lane, to the exit given. */
const upTo = (exit: number): Scheduler => ({
  choose: ([lane]) => lane && { lane: lane.lane, exit, rows: lane.maxBatchRows },
});

/** Logits of rows that are sure of nothing, and codes. */
function unsure(rows: number) {
  const codes = new Uint8Array(rows * codeSize).fill(1);
  return { outputs: [new Float32Array(rows * served.classes), codes], runMicros: 1000 };
}

const Depth = suite('the depth that a scheduler allows');

Depth('rows leave at the deepest exit allowed, and the result names those that were not sure', async () => {
  const runner = new HeldRunner();
  const { engine, tally } = makeEngine(runner, { scheduler: upTo(0) });
  const sent = submit(engine, request(2));
  runner.runs[0]?.finish(unsure(2));
  const { results } = await sent.answered;
  assert.equal(
    [results[0]?.exits, results[0]?.depthCut],
    [
      [0, 0],
      [0, 1],
    ],
  );
  assert.equal([tally.depthCutRows, runner.runs.length], [2, 1]);
});

Depth('at the final exit nothing counts as cut', async () => {
  const runner = new HeldRunner();
  const { engine, tally } = makeEngine(runner, { scheduler: upTo(1) });
  const sent = submit(engine, request());
  runner.runs[0]?.finish(unsure(1));
  await settled();
  runner.runs[1]?.finish({ outputs: [new Float32Array(served.classes)], runMicros: 1 });
  const { results } = await sent.answered;
  assert.equal([results[0]?.exits, results[0]?.depthCut, tally.depthCutRows], [[1], undefined, 0]);
});

Depth('what a scheduler gives up ends with BUDGET_SPENT before its time, and the rest runs', async () => {
  const runner = new HeldRunner();
  const clock = new VirtualClock();
  const scheduler: Scheduler = {
    choose: ([lane], _costs, nowMs) =>
      lane && { lane: lane.lane, exit: 1, rows: 16, giveUpUntilMs: nowMs + 50 },
  };
  const { engine } = makeEngine(runner, { clock, scheduler });
  const first = submit(engine, { ...request(), budgetMs: 1000 });
  const hopeless = submit(engine, { ...request(), budgetMs: 40 });
  const hopeful = submit(engine, { ...request(3), budgetMs: 60 });
  runner.runs[0]?.finish(sureLogits(served, 1));
  await first.answered;
  await settled();
  assert.equal(
    (await hopeless.answered).errors.map(({ code }) => code),
    ['BUDGET_SPENT'],
  );
  assert.is(runner.runs[1]?.rows, 3);
  runner.runs[1]?.finish(sureLogits(served, 3));
  assert.is((await hopeful.answered).results.length, 1);
  assert.ok(engine.idle);
});

Depth('a scheduler that starts nothing leaves the work waiting, and is not asked for ever', async () => {
  const runner = new HeldRunner();
  let asked = 0;
  const scheduler: Scheduler = {
    choose: () => {
      asked++;
      return { lane: 'nobody', exit: 0, rows: 1 };
    },
  };
  const { engine } = makeEngine(runner, { scheduler });
  submit(engine, request());
  assert.equal([asked, engine.load.queuedRows, runner.runs.length], [1, 1, 0]);
});

Depth.run();

const Order = suite('the order of requests');

Order('a higher priority goes first, clients take turns, and nothing is lost', async () => {
  const runner = new HeldRunner();
  const batching = {
    [served.id]: {
      max_batch_size: 2,
      dynamic_batching: { priority_levels: 2, default_priority_level: 2 },
    },
  };
  const { engine } = makeEngine(runner, { batching });
  const order: string[] = [];
  const send = (name: string, change: { client?: string; priority?: number }) =>
    submit(engine, { ...request(2), ...change }).answered.then(() => order.push(name));
  const all = [
    send('first', { client: 'greedy' }),
    send('greedy 1', { client: 'greedy' }),
    send('greedy 2', { client: 'greedy' }),
    send('modest', { client: 'modest' }),
    send('urgent', { client: 'greedy', priority: 1 }),
  ];
  for (let run = 0; run < all.length; run++) {
    await settled();
    runner.runs[run]?.finish(sureLogits(served, 2));
  }
  await Promise.all(all);
  assert.equal(order, ['first', 'urgent', 'greedy 1', 'modest', 'greedy 2']);
});

Order('a queue delay waits for company, and no longer than it says', async () => {
  const runner = new HeldRunner();
  const clock = new VirtualClock();
  const batching = { [served.id]: { dynamic_batching: { max_queue_delay_microseconds: 5000 } } };
  const { engine } = makeEngine(runner, { clock, batching });
  submit(engine, request());
  clock.advance(4);
  submit(engine, request(2));
  assert.is(runner.runs.length, 0);
  clock.advance(1);
  assert.is(runner.runs[0]?.rows, 3);
});

Order.run();

const Segments = suite('segments by themselves');

/** A tensor of codes for the second segment. */
function codes(rows: number, change: { tensor?: Uint8Array<ArrayBuffer> } = {}) {
  const results: TensorResult[] = [];
  const errors: OfframpError[] = [];
  const work = {
    ...{ served, cut: 0, way: 'segment' as const, rows, client: 'one', budgetMs: 1000 },
    tensor: change.tensor ?? new Uint8Array(rows * imageSize),
    onResult: (result: TensorResult) => void results.push(result),
    onError: (error: OfframpError) => void errors.push(error),
  };
  return { work, results, errors };
}

Segments('all rows come back with logits and codes, batched apart from images on their way', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const whole = submit(engine, request());
  const [one, two] = [codes(1), codes(2)];
  engine.submitTensor(one.work);
  engine.submitTensor(two.work);
  runner.runs[0]?.finish(sureLogits(served, 1));
  await whole.answered;
  await settled();
  assert.is(runner.runs[1]?.rows, 3);
  runner.runs[1]?.finish(unsure(3));
  await settled();
  assert.equal([one.results[0]?.codes?.length, two.results[0]?.codes?.length], [codeSize, 2 * codeSize]);
  assert.equal([two.results[0]?.exits, two.results[0]?.depthCut], [[0, 0], undefined]);
});

Segments('a tensor of another size is refused before it is queued', () => {
  const { engine } = makeEngine(new HeldRunner());
  const { work } = codes(2, { tensor: new Uint8Array(imageSize) });
  throwsCode(() => engine.submitTensor(work), 'TENSOR_INVALID', `${2 * imageSize}`);
});

Segments.run();

const Leaving = suite('a bundle that is taken off');

Leaving('is settled when its last request has ended, however it ends', async () => {
  const runner = new HeldRunner();
  const { engine } = makeEngine(runner);
  const running = submit(engine, request());
  const dropped = submit(engine, request());
  let isSettled = false;
  const settling = engine.settled(served).then(() => {
    isSettled = true;
  });
  await settled();
  assert.not(isSettled);
  dropped.drop();
  dropped.drop();
  await settled();
  assert.not(isSettled);
  runner.runs[0]?.finish(sureLogits(served, 1));
  await running.answered;
  await settling;
  await engine.settled(served);
});

Leaving.run();
