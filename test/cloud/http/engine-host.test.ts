import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EngineHost, type InferenceWork, type WholeAnswer } from '../../../cloud/http/index.ts';
import { joinFloats, joinParts, splitRows } from '../../../cloud/http/split-rows.ts';
import { type Engine, parseBatchingPolicy } from '../../../cloud/index.ts';
import { type Clock, systemClock } from '../../../shared/clock.ts';
import { OfframpError } from '../../../shared/errors.ts';
import type { Runner } from '../../../shared/runtime/index.ts';
import { rejectsCode, until } from '../../protocol/expect.ts';
import {
  drawnImage,
  furthest,
  runAlone,
  segmentGraphs,
  stack,
  startPool,
} from '../../runtime/real-bundle.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { HeldRunner, sureLogits } from '../engine-source.ts';
import { bundle, EngineTally, makeEngine, served } from './api-source.ts';

const pool = await startPool(segmentGraphs(bundle));
const bounds = { maxBatchRows: 4, maxQueuedRows: 24 };
const { classes } = served;

interface Made {
  readonly host: EngineHost;
  readonly engine: Engine;
  readonly tally: EngineTally;
}

function makeHost(runner: Runner, clock: Clock = systemClock): Made {
  const tally = new EngineTally();
  const engine = makeEngine(runner, { bounds, clock, observer: tally });
  return { host: new EngineHost({ engine, policyOf: () => bounds }), engine, tally };
}

function imageWork(first: number, rows: number, change: Partial<InferenceWork> = {}): InferenceWork {
  const tensor = stack(Array.from({ length: rows }, (_, row) => drawnImage(first + row)));
  const { signal } = new AbortController();
  return { served, tensor, rows, budgetMs: 60_000, client: 'test', signal, ...change };
}

const Rows = suite('rows beyond a batch');

Rows('are cut into ranges in order, none larger than a batch', () => {
  assert.equal(splitRows(9, 4), [
    { start: 0, end: 4 },
    { start: 4, end: 8 },
    { start: 8, end: 9 },
  ]);
  assert.equal(splitRows(4, 4), [{ start: 0, end: 4 }]);
});

Rows('are joined in order, with their type', () => {
  assert.equal(joinFloats([Float32Array.of(1, 2), Float32Array.of(3)]), Float32Array.of(1, 2, 3));
  assert.equal(joinParts([Uint8Array.of(1), Uint8Array.of(2, 3)]), Uint8Array.of(1, 2, 3));
});

Rows.run();

const Whole = suite('a whole bundle');

Whole(
  'gives each row its own exit and logits, in the order of the request, over several batches',
  async () => {
    const alone = await runAlone(
      pool,
      bundle,
      Array.from({ length: 11 }, (_, row) => drawnImage(40 + row)),
    );
    const { threshold = 0 } = bundle.exit(0);
    const { exits, logits, degradedRows, runMicros } = await makeHost(pool).host.inferWhole(
      imageWork(40, 11),
    );
    assert.is(degradedRows, 0);
    assert.ok(runMicros > 0);
    assert.is(exits.length, 11);
    for (const [row, one] of alone.entries()) {
      const exit = one.entropy < threshold ? 0 : 1;
      assert.is(exits[row], exit, `row ${row}`);
      const own = logits.subarray(row * classes, (row + 1) * classes);
      assert.ok(furthest(own, one.logits[exit] ?? []) < 1e-3, `row ${row}`);
    }
  },
);

Whole(
  'shares the queue of the engine: what does not fit there is BUSY, and leaves nothing behind',
  async () => {
    const runner = new HeldRunner();
    const { host, engine } = makeHost(runner);
    // 4 rows run, 24 wait.
    const first = host.inferWhole(imageWork(0, 28));
    const { retryAfterMs } = await rejectsCode(host.inferWhole(imageWork(0, 1)), 'BUSY');
    assert.ok((retryAfterMs ?? 0) > 0);
    assert.is(engine.load.queuedRows, 24);
    for (let run = 0; run < 7; run++) {
      await until(() => runner.runs.length > run);
      runner.runs[run]?.finish(sureLogits(served, 4));
    }
    assert.is((await first).exits.length, 28);
    await rejectsCode(host.inferWhole(imageWork(0, 40)), 'BUSY');
    assert.is(engine.load.queuedRows, 0);
  },
);

Whole('takes what waits out of the queue when its caller goes', async () => {
  const runner = new HeldRunner();
  const { host, engine } = makeHost(runner);
  const caller = new AbortController();
  const running = host.inferWhole(imageWork(0, 10, { signal: caller.signal }));
  assert.is(engine.load.queuedRows, 6);
  caller.abort(new OfframpError('CONNECTION_LOST', 'gone'));
  await rejectsCode(running, 'CONNECTION_LOST');
  assert.is(engine.load.queuedRows, 0);
  await rejectsCode(host.inferWhole(imageWork(0, 1, { signal: caller.signal })), 'CONNECTION_LOST');
  assert.is(runner.runs.length, 1);
});

Whole('whose budget runs out in the queue is BUDGET_SPENT', async () => {
  const clock = new VirtualClock();
  const runner = new HeldRunner();
  const { host } = makeHost(runner, clock);
  const first = host.inferWhole(imageWork(0, 4));
  const late = host.inferWhole(imageWork(0, 4, { budgetMs: 50 }));
  clock.advance(60);
  runner.runs[0]?.finish(sureLogits(served, 4));
  await first;
  await rejectsCode(late, 'BUDGET_SPENT');
});

for (const [action, started] of [
  ['REJECT', [1, 3]],
  ['DELAY', [1, 3, 2]],
] as const) {
  Whole(`that waits past its own timeout is treated by the queue as ${action} says`, async () => {
    const clock = new VirtualClock();
    const runner = new HeldRunner();
    const queue = { timeout_action: action, allow_timeout_override: true };
    const own = parseBatchingPolicy({ dynamic_batching: { default_queue_policy: queue } }, 'test', bounds);
    const host = new EngineHost({ engine: makeEngine(runner, { bounds, clock, own }), policyOf: () => own });
    const whole = (rows: number, change: Partial<InferenceWork> = {}) =>
      host.inferWhole(imageWork(0, rows, change)).catch((thrown: unknown) => OfframpError.from(thrown).code);
    // Too many rows for two of them to share a batch.
    const first = whole(1);
    const impatient = whole(2, { timeoutMicros: 5000 });
    const patient = whole(3, { timeoutMicros: 7000 });
    clock.advance(6);
    for (let run = 0; run < started.length; run++) {
      await until(() => runner.runs.length > run);
      runner.runs[run]?.finish(sureLogits(served, runner.runs[run]?.rows ?? 0));
    }
    assert.equal(
      runner.runs.map(({ rows }) => rows),
      started,
    );
    const exitsOf = (answer: WholeAnswer | string) => (typeof answer === 'string' ? answer : answer.exits);
    assert.equal(exitsOf(await first), [0]);
    assert.equal(exitsOf(await patient), [0, 0, 0]);
    assert.equal(exitsOf(await impatient), action === 'REJECT' ? 'BUDGET_SPENT' : [0, 0]);
  });
}

Whole('of which a batch fails fails as a whole, and the rest is not computed', async () => {
  const runner = new HeldRunner();
  const { host, engine } = makeHost(runner);
  const running = host.inferWhole(imageWork(0, 12));
  runner.runs[0]?.fail(new OfframpError('RUNTIME_FAILED', 'no memory'));
  await rejectsCode(running, 'RUNTIME_FAILED', 'no memory');
  assert.is(engine.load.queuedRows, 0);
});

Whole.run();

const Segment = suite('a segment');

Segment('gives every row all of its outputs, over several batches', async () => {
  const images = Array.from({ length: 10 }, (_, row) => drawnImage(100 + row));
  const alone = await runAlone(pool, bundle, images);
  const { host, tally } = makeHost(pool);
  const { outputs, queueMicros, runMicros } = await host.inferSegment({ ...imageWork(100, 10), segment: 0 });
  assert.equal(
    tally.batches,
    [4, 4, 2].map((rows) => `${served.id}/0/segment/${rows}`),
  );
  assert.ok(queueMicros >= 0 && runMicros > 0);
  const [logits, codes] = outputs;
  assert.is(outputs.length, 2);
  assert.equal(codes, stack(alone.map((one) => one.codes)));
  for (const [row, one] of alone.entries()) {
    const own = logits?.subarray(row * classes, (row + 1) * classes);
    assert.ok(furthest(own ?? [], one.logits[0] ?? []) < 1e-3, `row ${row}`);
  }
});

Segment('takes the codes that the one before gave', async () => {
  const { host } = makeHost(pool);
  const images = Array.from({ length: 3 }, (_, row) => drawnImage(200 + row));
  const alone = await runAlone(pool, bundle, images);
  const tensor = stack(alone.map((one) => one.codes));
  const { outputs } = await host.inferSegment({ ...imageWork(0, 3), tensor, segment: 1 });
  assert.is(outputs.length, 1);
  const expected = alone.flatMap((one) => Array.from(one.logits[1] ?? []));
  assert.ok(furthest(outputs[0] ?? [], expected) < 1e-3);
});

Segment('never shares a batch with whole bundles', async () => {
  const { host, tally } = makeHost(pool);
  await Promise.all([
    host.inferSegment({ ...imageWork(0, 1), segment: 0 }),
    host.inferWhole(imageWork(0, 1)),
  ]);
  assert.equal(tally.batches.sort(), [`${served.id}/0/cascade/1`, `${served.id}/0/segment/1`]);
});

Segment('whose caller has gone, or whose budget is over, is not run', async () => {
  const clock = new VirtualClock();
  const runner = new HeldRunner();
  const { host } = makeHost(runner, clock);
  const caller = new AbortController();
  const first = host.inferSegment({ ...imageWork(0, 4), segment: 0 });
  const gone = host.inferSegment({ ...imageWork(0, 1, { signal: caller.signal }), segment: 0 });
  const late = host.inferSegment({ ...imageWork(0, 1, { budgetMs: 50 }), segment: 0 });
  caller.abort(new OfframpError('CONNECTION_LOST', 'gone'));
  await rejectsCode(gone, 'CONNECTION_LOST');
  clock.advance(60);
  runner.runs[0]?.finish(sureLogits(served, 4));
  await first;
  await rejectsCode(late, 'BUDGET_SPENT');
  assert.is(runner.runs.length, 1);
});

Segment.after(() => pool.close());
Segment.run();
