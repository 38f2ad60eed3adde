import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RunningBatches } from '../../cloud/running-batches.ts';

const atOnce = Number.NEGATIVE_INFINITY;
const notYet = Number.POSITIVE_INFINITY;

const Running = suite('batches that run');

Running('an idle executor gets one at once, a busy one shortly before it should be done', () => {
  const running = new RunningBatches({ parallel: 1 });
  assert.is(running.nextStartMs, atOnce);
  running.begin(4, 100, 1000);
  assert.equal([running.size, running.rows, running.nextStartMs], [1, 4, 1097]);
  running.begin(8, 100, 1097);
  assert.equal([running.size, running.rows, running.nextStartMs], [2, 12, notYet]);
});

Running('a short batch leaves little time for what comes after it', () => {
  const running = new RunningBatches({ parallel: 1 });
  running.begin(1, 2, 10);
  assert.is(running.nextStartMs, 11.5);
});

Running('of unknown length it is waited for', () => {
  const running = new RunningBatches({ parallel: 1 });
  const batch = running.begin(1, Number.POSITIVE_INFINITY, 10);
  assert.is(running.nextStartMs, notYet);
  running.end(batch, 20);
  assert.is(running.nextStartMs, atOnce);
});

Running('one handed over ahead begins when one before it ends', () => {
  const running = new RunningBatches({ parallel: 1 });
  const [first, second] = [running.begin(1, 100, 0), running.begin(1, 100, 97)];
  running.end(first, 130);
  assert.is(second.startedAtMs, 130);
  assert.is(running.nextStartMs, 227);
  running.end(second, 230);
  assert.equal([running.size, running.rows, running.nextStartMs], [0, 0, atOnce]);
});

Running('each executor has one ahead at most, in the order in which they should be free', () => {
  const running = new RunningBatches({ parallel: 2 });
  running.begin(1, 100, 0);
  running.begin(1, 40, 0);
  assert.is(running.nextStartMs, 37);
  running.begin(1, 40, 37);
  assert.is(running.nextStartMs, 97);
  running.begin(1, 40, 97);
  assert.is(running.nextStartMs, notYet);
});

Running('one handed over ahead may end first, on an executor that was quicker than foreseen', () => {
  const running = new RunningBatches({ parallel: 2 });
  const [slow, quick] = [running.begin(1, 100, 0), running.begin(1, 40, 0)];
  const ahead = [running.begin(1, 40, 37), running.begin(1, 40, 97)] as const;
  running.end(ahead[0], 60);
  assert.equal([running.size, ahead[1].startedAtMs], [3, 97]);
  running.end(quick, 61);
  assert.is(ahead[1].startedAtMs, 61, 'the second takes the place that is free');
  running.end(ahead[1], 70);
  running.end(slow, 100);
  assert.equal([running.size, running.rows], [0, 0]);
});

Running('executors that are gone take nothing', () => {
  const runner = { parallel: 1 };
  const running = new RunningBatches(runner);
  const batch = running.begin(1, 10, 0);
  runner.parallel = 0;
  running.end(batch, 5);
  assert.is(running.nextStartMs, notYet);
});

Running.run();
