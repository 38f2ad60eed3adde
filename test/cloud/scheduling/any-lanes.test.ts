import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  deepestInTime,
  earliestDeadlineFirst,
  edgeServing,
  fifo,
  finalExit,
  firstExit,
  longestQueueFirst,
  offramp,
} from '../../../cloud/scheduling/index.ts';
import { costs, lane, nowMs } from './lanes.ts';

const schedulers = {
  fifo,
  earliestDeadlineFirst,
  longestQueueFirst: longestQueueFirst(finalExit),
  byTime: longestQueueFirst(deepestInTime),
  first: longestQueueFirst(firstExit),
  edgeServing,
  offramp: offramp(),
  offrampOfFour: offramp({ executors: 4, reserve: 0.5 }),
};

const maxBatchRows = 8;
const ms = fc.double({ min: 0, max: 1e4, noNaN: true });
const wait = fc.record({
  waitedMs: ms,
  budgetMs: fc.oneof(ms, fc.constant(Number.POSITIVE_INFINITY)),
  rows: fc.integer({ min: 1, max: maxBatchRows }),
});
const line = fc.tuple(ms, ms);
const lanes = fc.array(
  fc.record({
    waits: fc.array(wait, { maxLength: 30 }),
    lines: fc.array(line, { minLength: 1, maxLength: 4 }),
  }),
  { maxLength: 5 },
);

const AnyLanes = suite('schedulers on any lanes');

for (const [name, scheduler] of Object.entries(schedulers)) {
  AnyLanes(`${name} names a lane with work, one of its exits, and rows of a batch`, () => {
    fc.assert(
      fc.property(lanes, (all) => {
        const views = all.map(({ waits }, index) => lane(`lane ${index}`, waits, maxBatchRows));
        const times = costs(Object.fromEntries(all.map(({ lines }, index) => [`lane ${index}`, lines])));
        const before = structuredClone(views);
        const choice = scheduler.choose(views, times, nowMs);
        assert.equal(views, before, 'the queues were changed');
        assert.equal(scheduler.choose(views, times, nowMs), choice, 'two answers to one question');
        if (choice === undefined) {
          assert.ok(views.every(({ waiting }) => waiting.length === 0));
          return;
        }
        const view = views.find((one) => one.lane === choice.lane);
        assert.ok(view !== undefined && view.waiting.length > 0);
        assert.ok(times.exits(choice.lane).includes(choice.exit));
        assert.ok(choice.rows >= 1 && choice.rows <= maxBatchRows);
        assert.not.ok(Number.isNaN(choice.giveUpUntilMs));
      }),
      { numRuns: 300 },
    );
  });
}

AnyLanes.run();
