import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceTally } from '../../cloud/console/device-tally.ts';
import { latencyBucket, latencyBuckets, latencyQuantile } from '../../cloud/console/latencies.ts';
import { historySeconds, Recorder } from '../../cloud/console/recorder.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const second = 1000;

const Recording = suite('the last minutes of a server');

Recording('are there second by second, those that are over', () => {
  const clock = new VirtualClock(12_345);
  const recorder = new Recorder(clock);
  for (const exit of [1, 1, 2]) recorder.onRow(exit);
  recorder.onBatch(3, 0.004);
  assert.equal(recorder.history().rows, [], 'the first second is not over');
  clock.advance(2 * second);
  recorder.onRow(1);
  recorder.onRefused('BUSY');
  clock.advance(second);
  const history = recorder.history();
  assert.equal([history.firstSecond, history.rows], [0, [3, 0, 1]]);
  assert.equal(history.exits, [
    [0, 0, 0],
    [2, 0, 1],
    [1, 0, 0],
  ]);
  assert.equal(
    [history.batches, history.refusals],
    [
      [1, 0, 0],
      [0, 0, 1],
    ],
  );
  assert.equal(recorder.history(2).rows, [1], 'only what is new');
  assert.equal(recorder.history(99).rows, [], 'nothing of what is to come');
});

Recording('go back five minutes and no further, whatever happens', () => {
  const clock = new VirtualClock();
  const recorder = new Recorder(clock);
  for (let past = 0; past < 2 * historySeconds; past++) {
    for (let row = 0; row < past % 7; row++) recorder.onRow(0);
    clock.advance(second);
  }
  const { firstSecond, rows } = recorder.history();
  assert.equal([firstSecond, rows.length], [historySeconds, historySeconds]);
  assert.equal(
    rows,
    Array.from({ length: historySeconds }, (_, index) => (historySeconds + index) % 7),
  );
  clock.advance(10 * historySeconds * second);
  assert.ok(
    recorder.history().rows.every((count) => count === 0),
    'a round of the ring is not taken for now',
  );
  assert.is(recorder.minute().rows, 0);
});

Recording('have the last minute in one: exits, sizes of batches, refusals, latencies', () => {
  const clock = new VirtualClock();
  const recorder = new Recorder(clock);
  recorder.onRefused('FORBIDDEN');
  clock.advance(70 * second);
  for (const rows of [1, 2, 3, 4, 5, 64]) recorder.onBatch(rows, rows / 1000);
  for (const code of ['BUSY', 'BUDGET_SPENT', 'BUSY'] as const) recorder.onRefused(code);
  for (const seconds of [0.001, 0.002, 0.1]) recorder.onQueued(seconds);
  recorder.onDepthCut(2);
  recorder.onRow(3);
  clock.advance(second);
  const { batchRows, refusals, stages, depthCutRows, exits } = recorder.minute();
  assert.equal(
    batchRows.map(({ atMost, batches }) => [atMost, batches]),
    [
      [1, 1],
      [2, 1],
      [4, 2],
      [8, 1],
      [16, 0],
      [32, 0],
      [64, 1],
    ],
  );
  assert.equal(refusals, [
    { code: 'BUSY', count: 2 },
    { code: 'BUDGET_SPENT', count: 1 },
  ]);
  assert.equal([depthCutRows, exits], [2, [0, 0, 0, 1]]);
  assert.ok(Math.abs((stages.queue.p50Ms ?? 0) - 2) < 0.2, `${stages.queue.p50Ms}`);
  assert.ok(Math.abs((stages.queue.p95Ms ?? 0) - 100) < 10, `${stages.queue.p95Ms}`);
  assert.equal(stages.decode, { count: 0, p50Ms: null, p95Ms: null });
  assert.equal(recorder.totals.refusals.at(-1), { code: 'FORBIDDEN', count: 1 }, 'sums forget nothing');
});

Recording('have quantiles that are off by a tenth at most', () => {
  const durations = fc.array(fc.double({ min: 0.02, max: 60_000, noNaN: true }), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.95), (values, share) => {
      const counts = new Uint32Array(latencyBuckets);
      for (const ms of values) counts[latencyBucket(ms)] = (counts[latencyBucket(ms)] ?? 0) + 1;
      const ordered = [...values].sort((one, other) => one - other);
      const exact = ordered[Math.max(1, Math.ceil(share * values.length)) - 1] ?? 0;
      const got = latencyQuantile(counts, share) ?? 0;
      assert.ok(Math.abs(got / exact - 1) < 0.1, `${got} for ${exact}`);
    }),
  );
});

Recording('take any duration, also one that cannot be', () => {
  for (const ms of [0, -1, Number.NaN, 1e9, Number.POSITIVE_INFINITY]) {
    const bucket = latencyBucket(ms);
    assert.ok(Number.isInteger(bucket) && bucket >= 0 && bucket < latencyBuckets, `${ms}: ${bucket}`);
  }
});

Recording.run();

const Devices = suite('what a device did lately');

Devices('is forgotten after a minute', () => {
  const clock = new VirtualClock();
  const tally = new DeviceTally(clock);
  tally.onRequest();
  tally.onAnswer(1, [1, 1, 2]);
  assert.equal(tally.minute(), { requests: 1, cutRows: [0, 3], exitRows: [0, 2, 1] });
  clock.advance(54 * second);
  tally.onRequest();
  assert.is(tally.minute().requests, 2);
  clock.advance(10 * second);
  assert.equal(tally.minute(), { requests: 1, cutRows: [], exitRows: [] });
  clock.advance(3600 * second);
  assert.equal([tally.minute().requests, tally.requestsPerSecond], [0, 0]);
});

Devices('has a rate that is right from the first seconds on', () => {
  const clock = new VirtualClock();
  const tally = new DeviceTally(clock);
  for (let tick = 1; tick <= 2000; tick++) {
    clock.advance(100);
    tally.onRequest();
    if (tick >= 20)
      assert.ok(Math.abs(tally.requestsPerSecond - 10) < 0.8, `${tick}: ${tally.requestsPerSecond}`);
  }
});

Devices.run();
