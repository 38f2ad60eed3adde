import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { offramp } from '../../../cloud/scheduling/index.ts';
import { costs, crowd, lane, nowMs } from './lanes.ts';

/** Plans with these keep nothing back, so that the figures are those of the requests. */
const exact = offramp({ reserve: 0 });

const Calm = suite('the scheduler of this project, while there is time');

Calm('everything goes to the final exit as long as all that waits is in time so', () => {
  const times = costs({
    a: [
      [1, 1],
      [5, 5],
    ],
    b: [
      [1, 1],
      [10, 10],
    ],
  });
  const a = lane('a', crowd(3, { waitedMs: 1 }));
  const b = lane('b', crowd(2, { waitedMs: 40 }));
  // b takes 30 ms and a 20: both fit into the 60 ms that b has left, in either order.
  const choice = exact.choose([a, b], times, nowMs);
  assert.is(choice?.exit, 1);
  assert.equal(choice, { lane: 'b', exit: 1, rows: 2, giveUpUntilMs: nowMs + 2 });
});

Calm(
  'a short batch goes before a long one that came a little earlier, but not before one that has waited long',
  () => {
    const times = costs({ short: [[1, 0]], long: [[20, 0]] });
    const budgetMs = 1000;
    const short = lane('short', [{ waitedMs: 1, budgetMs }]);
    const choose = (waitedMs: number) =>
      exact.choose([lane('long', [{ waitedMs, budgetMs }]), short], times, nowMs)?.lane;
    assert.is(choose(2), 'short');
    assert.is(choose(15), 'short');
    assert.is(choose(60), 'long');
  },
);

Calm('order never breaks the plan: the shorter batch waits where the longer one would be late', () => {
  const times = costs({ short: [[5, 0]], long: [[20, 0]] });
  const short = lane('short', [{ waitedMs: 1 }]);
  const choose = (leftMs: number) =>
    exact.choose([short, lane('long', [{ waitedMs: 2, budgetMs: 2 + leftMs }])], times, nowMs)?.lane;
  assert.is(choose(25), 'short');
  assert.is(choose(24.9), 'long');
});

Calm('requests without a deadline, and waits without end, are ranked like others', () => {
  const times = costs({ a: [[1, 0]], b: [[1, 0]] });
  const budgetMs = Number.POSITIVE_INFINITY;
  const a = lane('a', [{ waitedMs: 1e9, budgetMs }]);
  const b = lane('b', [{ waitedMs: 1e9 + 10, budgetMs }]);
  assert.is(exact.choose([a, b], times, nowMs)?.lane, 'b');
  assert.is(exact.choose([b, a], times, nowMs)?.lane, 'b');
});

Calm('nothing waits, nothing runs', () => {
  assert.is(exact.choose([], costs({}), nowMs), undefined);
  assert.is(exact.choose([lane('a', [])], costs({ a: [[1, 0]] }), nowMs), undefined);
});

Calm.run();

const Tight = suite('the scheduler of this project, when time is short');

const threeExits = costs({
  a: [
    [10, 0],
    [20, 0],
    [30, 0],
  ],
  b: [
    [10, 0],
    [20, 0],
    [30, 0],
  ],
});

Tight('the lane that is due first runs, to the deepest exit that leaves the others in time', () => {
  const choose = (leftMs: number) => {
    const a = lane('a', [{ waitedMs: 65 }]);
    const b = lane('b', [{ waitedMs: 100 - leftMs }]);
    const choice = exact.choose([b, a], threeExits, nowMs);
    return [choice?.lane, choice?.exit];
  };
  // a has 35 ms, time for any exit; after its 10, 20 or 30 ms the other one takes 10 more at least.
  assert.equal(choose(59), ['a', 2]);
  assert.equal(choose(40), ['a', 2]);
  assert.equal(choose(39), ['a', 1]);
});

Tight('a batch is due with its earliest deadline, wherever in the lane that stands', () => {
  const view = lane('a', [{ waitedMs: 1 }, { waitedMs: 1 }, { waitedMs: 75 }]);
  assert.is(exact.choose([view], threeExits, nowMs)?.exit, 1);
});

Tight('the batches behind the next one count too', () => {
  const all = lane('a', crowd(6, { waitedMs: 60 }), 2);
  // Three batches at 10 ms fit into 40 ms, with 20 ms for the first of them.
  assert.equal(exact.choose([all], threeExits, nowMs), {
    lane: 'a',
    exit: 1,
    rows: 2,
    giveUpUntilMs: nowMs + 10,
  });
});

Tight('a part of every budget is kept back', () => {
  const view = lane('a', [{ waitedMs: 65 }]);
  assert.is(offramp({ reserve: 0 }).choose([view], threeExits, nowMs)?.exit, 2);
  assert.is(offramp().choose([view], threeExits, nowMs)?.exit, 0);
  assert.is(offramp({ reserve: 0.1 }).choose([view], threeExits, nowMs)?.exit, 1);
});

Tight('more executors do not need to cut what one would have to', () => {
  const lanes = [lane('a', [{ waitedMs: 65 }]), lane('b', [{ waitedMs: 61 }])];
  assert.is(offramp({ reserve: 0, executors: 1 }).choose(lanes, threeExits, nowMs)?.exit, 1);
  assert.is(offramp({ reserve: 0, executors: 2 }).choose(lanes, threeExits, nowMs)?.exit, 2);
});

Tight.run();

const Overloaded = suite('the scheduler of this project, with more work than time');

Overloaded('the lane in which most waits runs, at its first exit', () => {
  const a = lane('a', crowd(2, { waitedMs: 85 }));
  const b = lane('b', crowd(3, { waitedMs: 85 }));
  assert.equal(exact.choose([a, b], threeExits, nowMs), {
    lane: 'b',
    exit: 0,
    rows: 3,
    giveUpUntilMs: nowMs + 10,
  });
});

Overloaded('requests that the batch would not answer in time are given up and take no place in it', () => {
  const times = costs({ a: [[0, 2]] });
  const view = lane('a', [...crowd(5, { waitedMs: 95 }), ...crowd(5, { waitedMs: 70 })]);
  // All ten would take 20 ms; five have 5 ms left and five 30. The latter alone take 10 ms.
  assert.equal(exact.choose([view], times, nowMs), {
    lane: 'a',
    exit: 0,
    rows: 5,
    giveUpUntilMs: nowMs + 10,
  });
});

Overloaded('hopeless requests do not make the others hurry', () => {
  const view = lane('a', [{ waitedMs: 95 }, { waitedMs: 20 }]);
  assert.equal(exact.choose([view], threeExits, nowMs), {
    lane: 'a',
    exit: 2,
    rows: 1,
    giveUpUntilMs: nowMs + 10,
  });
});

Overloaded('where nothing can be saved a lane is cleared', () => {
  const a = lane('a', crowd(4, { waitedMs: 95 }));
  const b = lane('b', crowd(5, { waitedMs: 99 }));
  assert.equal(exact.choose([lane('c', []), a, b], threeExits, nowMs), {
    lane: 'a',
    exit: 0,
    rows: 1,
    giveUpUntilMs: nowMs + 10,
  });
});

Overloaded.run();
