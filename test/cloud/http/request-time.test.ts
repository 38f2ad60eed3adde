import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { requestTime } from '../../../cloud/http/request-time.ts';
import { parseBatchingPolicy } from '../../../cloud/index.ts';

const usual = parseBatchingPolicy({}, 'test');
/** Level 1 takes timeouts of requests, level 2, the default, does not. */
const levels = parseBatchingPolicy(
  {
    dynamic_batching: {
      ...{ priority_levels: 2, default_priority_level: 2 },
      priority_queue_policy: { 1: { allow_timeout_override: true } },
    },
  },
  'test',
);

const Time = suite('the timeout of a request');

Time('is the budget of its answer where the queue takes none from requests', () => {
  assert.equal(requestTime({ timeoutMicros: 1500 }, usual, 10_000), { budgetMs: 1.5 });
  assert.equal(requestTime({ timeoutMicros: 60_000_000 }, usual, 10_000), { budgetMs: 60_000 });
});

Time(
  'is how long it waits where the queue of its priority takes it, and the answer has the usual budget',
  () => {
    const ofLevel = (priority: number) => requestTime({ timeoutMicros: 1500, priority }, levels, 10_000);
    assert.equal(ofLevel(1), { budgetMs: 10_000, timeoutMicros: 1500 });
    assert.equal(ofLevel(2), { budgetMs: 1.5 });
    assert.equal(ofLevel(9), { budgetMs: 1.5 }, 'a level that there is not is the default one');
    assert.equal(requestTime({ timeoutMicros: 1500 }, levels, 10_000), { budgetMs: 1.5 });
  },
);

Time('that is longer than the usual budget is the budget, too', () => {
  assert.equal(requestTime({ timeoutMicros: 60_000_000, priority: 1 }, levels, 10_000), {
    budgetMs: 60_000,
    timeoutMicros: 60_000_000,
  });
});

Time('that is not there leaves the usual budget', () => {
  assert.equal(requestTime({}, usual, 10_000), { budgetMs: 10_000 });
  assert.equal(requestTime({ priority: 1 }, levels, 10_000), { budgetMs: 10_000 });
});

Time.run();
