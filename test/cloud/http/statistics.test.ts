import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { countingObserver, Statistics } from '../../../cloud/http/index.ts';
import { EngineTally } from './api-source.ts';

const times = { totalNanos: 100, queueNanos: 10, inputNanos: 20, inferNanos: 30, outputNanos: 40 };

const Stats = suite('statistics');

Stats('of a model that nobody has asked are all there, and zero', () => {
  const { name, version, last_inference, inference_stats, batch_stats } = new Statistics(() => 5).of('m');
  assert.equal([name, version, last_inference, batch_stats], ['m', '1', 0, []]);
  assert.equal(
    Object.values(inference_stats),
    Array.from({ length: 8 }, () => ({ count: 0, ns: 0 })),
  );
});

Stats('add up: rows, executions, and the time of each stage', () => {
  const statistics = new Statistics(() => 1234.6);
  statistics.onExecution('m', 4, 1000);
  statistics.onExecution('m', 1, 500.0004);
  statistics.onExecution('m', 4, 2000);
  statistics.onSuccess('m', times);
  statistics.onSuccess('m', times);
  statistics.onFailure('m', 7);
  const stats = statistics.of('m');
  assert.equal([stats.last_inference, stats.inference_count, stats.execution_count], [1235, 9, 3]);
  const { success, fail, queue, compute_input, compute_infer, compute_output } = stats.inference_stats;
  assert.equal(
    [success, fail],
    [
      { count: 2, ns: 200 },
      { count: 1, ns: 7 },
    ],
  );
  assert.equal(
    [queue, compute_input, compute_infer, compute_output].map(({ ns }) => ns),
    [20, 40, 60, 80],
  );
  assert.equal(
    stats.batch_stats.map(({ batch_size, compute_infer }) => [batch_size, compute_infer]),
    [
      [1, { count: 1, ns: 500_000 }],
      [4, { count: 2, ns: 3_000_000 }],
    ],
  );
});

Stats('that were read do not change any more', () => {
  const statistics = new Statistics(() => 0);
  statistics.onExecution('m', 1, 1);
  statistics.onFailure('m', 1);
  const before = statistics.of('m');
  const copy = structuredClone(before);
  statistics.onExecution('m', 1, 1);
  statistics.onFailure('m', 1);
  assert.equal(before, copy);
});

Stats('of models do not mix', () => {
  const statistics = new Statistics(() => 0);
  statistics.onExecution('one', 1, 1);
  statistics.onFailure('__proto__', 3);
  assert.is(statistics.of('other').inference_count, 0);
  assert.is(statistics.of('one').inference_stats.fail.count, 0);
  assert.is(statistics.of('__proto__').inference_stats.fail.count, 1);
});

Stats('count the batches of the engine by model, and pass everything on', () => {
  const statistics = new Statistics(() => 0);
  const tally = new EngineTally();
  const observer = countingObserver(tally, statistics);
  observer.onBatch('m', 0, 8, 0.002, 'cascade');
  observer.onBatch('m', 1, 3, 0.001, 'cascade');
  observer.onBatch('m', 0, 5, 0.004, 'segment');
  observer.onRow('m', 1);
  observer.onQueued(0.5);
  observer.onDepthCut('m', 2);
  const counts = (model: string) => {
    const { inference_count, execution_count, batch_stats } = statistics.of(model);
    return [inference_count, execution_count, batch_stats[0]?.compute_infer.ns];
  };
  assert.equal(counts('m'), [8, 1, 2_000_000]);
  assert.equal(counts('m-s0'), [5, 1, 4_000_000]);
  assert.equal(counts('m-s1'), [0, 0, undefined]);
  assert.equal([tally.batches.length, tally.exits, tally.queued, tally.depthCut], [3, [1], 1, 2]);
});

Stats.run();
