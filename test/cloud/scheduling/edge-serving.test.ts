import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { edgeServing } from '../../../cloud/scheduling/index.ts';
import { costs, crowd, lane, nowMs } from './lanes.ts';

const EdgeServing = suite('EdgeServing');

EdgeServing('serves the lane whose run harms the others least', () => {
  const times = costs({ a: [[20, 0]], b: [[40, 0]] });
  const a = lane('a', [{ waitedMs: 10 }]);
  const b = lane('b', crowd(2, { waitedMs: 5 }));
  // a first: b's two will have used 25 of 100 ms, 2 exp(-0.75) = 0.94. b first: a has used 50, exp(-0.5) = 0.61.
  assert.equal(edgeServing.choose([a, b], times, nowMs), { lane: 'b', exit: 0, rows: 2 });
  // With one request in b both leave one behind: exp(-0.75) = 0.47 against 0.61.
  const one = lane('b', [{ waitedMs: 5 }]);
  assert.equal(edgeServing.choose([one, a], times, nowMs), { lane: 'a', exit: 0, rows: 1 });
});

EdgeServing('harm is measured against the budget of each request', () => {
  const times = costs({ a: [[10, 0]], b: [[10, 0]] });
  const a = lane('a', [{ waitedMs: 10, budgetMs: 1000 }]);
  const b = lane('b', [{ waitedMs: 10, budgetMs: 100 }]);
  assert.is(edgeServing.choose([a, b], times, nowMs)?.lane, 'b');
});

EdgeServing('requests of the same lane that do not fit into the batch count too', () => {
  const times = costs({ a: [[10, 0]], b: [[10, 0]] });
  const a = lane('a', crowd(4, { waitedMs: 20 }), 1);
  const b = lane('b', crowd(3, { waitedMs: 20 }), 3);
  // a first leaves 3 + 3, b first leaves 4.
  assert.equal(edgeServing.choose([a, b], times, nowMs), { lane: 'b', exit: 0, rows: 3 });
});

EdgeServing('a request counts for 10 at most, however late it is', () => {
  const times = costs({ a: [[1, 0]], b: [[1, 0]] });
  const late = lane('a', [{ waitedMs: 1000 }]);
  // Without the bound exp(9.01) would outweigh 30 exp(-0.49) = 18.4.
  const many = lane('b', crowd(30, { waitedMs: 50 }), 30);
  assert.is(edgeServing.choose([late, many], times, nowMs)?.lane, 'b');
});

EdgeServing('the exit is chosen with the duration of this very batch', () => {
  // A full batch would take 40 ms to the final exit, this one takes 8.
  const times = costs({
    a: [
      [0, 1],
      [0, 4],
    ],
  });
  const view = lane('a', crowd(2, { waitedMs: 90 }), 10);
  assert.equal(edgeServing.choose([view], times, nowMs), { lane: 'a', exit: 1, rows: 2 });
  const later = lane('a', crowd(2, { waitedMs: 93 }), 10);
  assert.equal(edgeServing.choose([later], times, nowMs), { lane: 'a', exit: 0, rows: 2 });
});

EdgeServing('lanes without work are no candidates, though they would harm nobody', () => {
  const times = costs({ a: [[1, 0]], b: [[50, 0]] });
  assert.is(edgeServing.choose([lane('a', []), lane('b', [{ waitedMs: 1 }])], times, nowMs)?.lane, 'b');
  assert.is(edgeServing.choose([lane('a', [])], times, nowMs), undefined);
});

EdgeServing.run();
