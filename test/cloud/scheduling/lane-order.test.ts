import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rankLanes } from '../../../cloud/scheduling/lane-order.ts';
import { planJobs } from '../../../cloud/scheduling/plan.ts';
import { costs, crowd, type Line, lane, nowMs, type Wait } from './lanes.ts';

/** Names of the lanes, first that which should run first. */
function order(
  lanes: Readonly<Record<string, readonly Wait[]>>,
  times: Readonly<Record<string, Line>>,
): string {
  const known = costs(Object.fromEntries(Object.entries(times).map(([name, line]) => [name, [line]])));
  const views = Object.entries(lanes).map(([name, waits]) => lane(name, waits));
  const jobs = planJobs(views, known, nowMs, 0).filter(({ isNext }) => isNext);
  return rankLanes(jobs, { costs: known, nowMs })
    .map((job) => job.lane.lane)
    .join(' ');
}

const budgetMs = 1e6;
const Order = suite('the order of lanes');

Order('of batches of one length the one that has waited longest goes first', () => {
  const times: Record<string, Line> = { a: [10, 0], b: [10, 0], c: [10, 0] };
  const waits = {
    a: [{ waitedMs: 2, budgetMs }],
    b: [{ waitedMs: 9, budgetMs }],
    c: [{ waitedMs: 5, budgetMs }],
  };
  assert.is(order(waits, times), 'b c a');
});

Order('a short batch goes before a long one, until that has waited long enough', () => {
  const times: Record<string, Line> = { short: [1, 0], long: [20, 0] };
  const after = (waitedMs: number) =>
    order({ long: [{ waitedMs, budgetMs }], short: [{ waitedMs: 1, budgetMs }] }, times);
  assert.is(after(5), 'short long');
  assert.is(after(100), 'long short');
});

Order('more rows for the same time go first', () => {
  const times: Record<string, Line> = { few: [10, 0], many: [10, 0] };
  const waits = { few: [{ waitedMs: 3, budgetMs }], many: crowd(4, { waitedMs: 3, budgetMs }) };
  assert.is(order(waits, times), 'many few');
});

Order('with full batches everywhere the longest queue goes first, though another has waited longer', () => {
  const times: Record<string, Line> = { long: [10, 0], old: [10, 0] };
  const waits = {
    old: crowd(10, { waitedMs: 4, budgetMs }),
    long: [...crowd(10, { waitedMs: 1, budgetMs }), ...crowd(50, { waitedMs: 0, budgetMs })],
  };
  assert.is(order(waits, times), 'long old');
  // With next to nothing waiting it is the wait that counts.
  const calm = { old: [{ waitedMs: 4, budgetMs }], long: crowd(2, { waitedMs: 1, budgetMs }) };
  assert.is(order(calm, times), 'old long');
});

Order('batches that take no time, waits without end and budgets without end have a place', () => {
  const endless = Number.POSITIVE_INFINITY;
  const times: Record<string, Line> = { a: [0, 0], b: [0, 0] };
  const waits = { a: [{ waitedMs: 1e12, budgetMs: endless }], b: [{ waitedMs: 0, budgetMs: endless }] };
  assert.is(order(waits, times), 'a b');
});

Order.run();
