import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  deepestInTime,
  earliestDeadlineFirst,
  fifo,
  finalExit,
  firstExit,
  longestQueueFirst,
} from '../../../cloud/scheduling/index.ts';
import { costs, crowd, lane, nowMs } from './lanes.ts';

const twoLanes = costs({
  a: [
    [1, 1],
    [2, 4],
  ],
  b: [
    [1, 1],
    [2, 4],
  ],
});

const Baselines = suite('schedulers to compare with');

Baselines('fifo serves the lane of the oldest request, wherever in the lane it stands', () => {
  const a = lane('a', [{ waitedMs: 8 }, { waitedMs: 5 }]);
  const b = lane('b', [{ waitedMs: 3 }, { waitedMs: 9, budgetMs: 500 }]);
  assert.equal(fifo.choose([a, b], twoLanes, nowMs), { lane: 'b', exit: 1, rows: 2 });
});

Baselines('earliest deadline first serves the lane of the deadline that is next', () => {
  const a = lane('a', [{ waitedMs: 8 }, { waitedMs: 5 }]);
  const b = lane('b', [{ waitedMs: 3 }, { waitedMs: 1, budgetMs: 50 }]);
  assert.equal(earliestDeadlineFirst.choose([a, b], twoLanes, nowMs), { lane: 'b', exit: 1, rows: 2 });
});

Baselines('longest queue first counts rows, not requests', () => {
  const a = lane('a', crowd(3, { waitedMs: 50 }));
  const b = lane('b', [{ waitedMs: 1, rows: 4 }]);
  assert.equal(longestQueueFirst(finalExit).choose([a, b], twoLanes, nowMs), { lane: 'b', exit: 1, rows: 4 });
  assert.equal(longestQueueFirst(firstExit).choose([a, b], twoLanes, nowMs), { lane: 'b', exit: 0, rows: 4 });
});

Baselines('of lanes that are level the first is served', () => {
  const [a, b] = [lane('a', [{ waitedMs: 5 }]), lane('b', [{ waitedMs: 5 }])];
  for (const scheduler of [fifo, earliestDeadlineFirst, longestQueueFirst(finalExit)]) {
    assert.is(scheduler.choose([b, a], twoLanes, nowMs)?.lane, 'b');
  }
});

Baselines('a batch takes as many requests as fit, and splits none', () => {
  const rows = (waits: Parameters<typeof lane>[1]) =>
    fifo.choose([lane('a', waits, 10)], twoLanes, nowMs)?.rows;
  assert.is(rows(crowd(25, { waitedMs: 1 })), 10);
  assert.is(rows(crowd(4, { waitedMs: 1, rows: 3 })), 9);
  assert.is(rows([{ waitedMs: 1, rows: 6 }, { waitedMs: 1, rows: 6 }, { waitedMs: 1 }]), 6);
});

Baselines('the exit by time is the deepest that meets the first deadline in the batch', () => {
  const exits = costs({
    a: [
      [0, 1],
      [0, 3],
      [0, 6],
    ],
  });
  const byTime = longestQueueFirst(deepestInTime);
  // Two rows take 2, 6 and 12 ms.
  const exitWith = (leftMs: number) =>
    byTime.choose([lane('a', [{ waitedMs: 1 }, { waitedMs: 100 - leftMs }])], exits, nowMs)?.exit;
  assert.is(exitWith(12), 2);
  assert.is(exitWith(11.9), 1);
  assert.is(exitWith(6), 1);
  assert.is(exitWith(5), 0);
  // In time or not, there is no exit before the first.
  assert.is(exitWith(1), 0);
});

Baselines('requests behind the batch do not make it leave earlier', () => {
  const view = lane('a', [...crowd(2, { waitedMs: 1 }), { waitedMs: 99 }], 2);
  assert.is(longestQueueFirst(deepestInTime).choose([view], twoLanes, nowMs)?.exit, 1);
});

Baselines('nothing waits, nothing runs', () => {
  for (const scheduler of [fifo, earliestDeadlineFirst, longestQueueFirst(finalExit)]) {
    assert.is(scheduler.choose([], twoLanes, nowMs), undefined);
    assert.is(scheduler.choose([lane('a', [])], twoLanes, nowMs), undefined);
  }
});

Baselines.run();
