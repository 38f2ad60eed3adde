import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseBatchingPolicy, priorityLevel } from '../../../cloud/batching/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { throwsCode } from '../../protocol/expect.ts';

const everything = {
  max_batch_size: 32,
  dynamic_batching: {
    preferred_batch_size: [16, 4, 16],
    max_queue_delay_microseconds: 1500,
    preserve_ordering: false,
    priority_levels: 3,
    default_priority_level: 2,
    default_queue_policy: { default_timeout_microseconds: 9000, max_queue_size: 100 },
    priority_queue_policy: {
      '1': { timeout_action: 'DELAY', default_timeout_microseconds: 5000, allow_timeout_override: true },
    },
  },
};

function refuses(json: unknown, words: string): void {
  throwsCode(() => parseBatchingPolicy(json, 'batching of b'), 'CONFIG_INVALID', words);
}

const batcher = (settings: object) => ({ dynamic_batching: settings });

const Read = suite('batching settings');

Read('what is written is read, sizes ascending and each once', () => {
  assert.equal(parseBatchingPolicy(everything, 'b'), {
    maxBatchRows: 32,
    preferredBatchRows: [4, 16],
    maxQueueDelayMicros: 1500,
    priorityLevels: 3,
    defaultPriorityLevel: 2,
    queuePolicies: [
      {
        timeoutAction: 'DELAY',
        defaultTimeoutMicros: 5000,
        allowTimeoutOverride: true,
        maxQueuedRequests: 4096,
      },
      {
        timeoutAction: 'REJECT',
        defaultTimeoutMicros: 9000,
        allowTimeoutOverride: false,
        maxQueuedRequests: 100,
      },
      {
        timeoutAction: 'REJECT',
        defaultTimeoutMicros: 9000,
        allowTimeoutOverride: false,
        maxQueuedRequests: 100,
      },
    ],
  });
});

Read('nothing written means batches at once, one priority, and the bounds of the server', () => {
  const bounds = { maxBatchRows: 24, maxQueuedRows: 77 };
  const silent = parseBatchingPolicy({}, 'b', bounds);
  assert.equal(silent, {
    maxBatchRows: 24,
    preferredBatchRows: [],
    maxQueueDelayMicros: 0,
    priorityLevels: 1,
    defaultPriorityLevel: 1,
    queuePolicies: [
      {
        timeoutAction: 'REJECT',
        defaultTimeoutMicros: 0,
        allowTimeoutOverride: false,
        maxQueuedRequests: 77,
      },
    ],
  });
  assert.equal(parseBatchingPolicy({ dynamic_batching: {} }, 'b', bounds), silent);
});

Read('the zeros by which Triton writes its defaults are its defaults', () => {
  const zeros = batcher({
    preferred_batch_size: [],
    max_queue_delay_microseconds: 0,
    preserve_ordering: false,
    priority_levels: 0,
    default_priority_level: 0,
    default_queue_policy: { default_timeout_microseconds: 0, max_queue_size: 0 },
    priority_queue_policy: {},
  });
  assert.equal(parseBatchingPolicy(zeros, 'b'), parseBatchingPolicy({}, 'b'));
});

Read('a level asks for itself; 0 and a level that there is not get the default', () => {
  const three = parseBatchingPolicy(everything, 'b');
  assert.equal(
    [1, 2, 3, 0, 4, -1, 1.5, Number.NaN].map((asked) => priorityLevel(three, asked)),
    [1, 2, 3, 2, 2, 2, 2, 2],
  );
  assert.is(priorityLevel(parseBatchingPolicy({}, 'b'), 7), 1);
});

Read.run();

const Refuse = suite('batching settings that are wrong');

Refuse('say the key, what was got and what was expected', () => {
  refuses(5, 'batching of b: got 5, expected the batching settings of a bundle');
  refuses(
    { max_batch_size: 0 },
    'batching of b: max_batch_size: got 0, expected the rows of the largest batch',
  );
  refuses(
    batcher({ max_queue_delay_microseconds: -1 }),
    'dynamic_batching.max_queue_delay_microseconds: got -1, expected the microseconds',
  );
  refuses(
    batcher({ default_queue_policy: { timeout_action: 'WAIT' } }),
    'dynamic_batching.default_queue_policy.timeout_action: got "WAIT", expected what happens to a request past its timeout, REJECT or DELAY',
  );
  refuses(
    batcher({ preferred_batch_size: [4, 0] }),
    'dynamic_batching.preferred_batch_size[1]: got 0, expected rows of a batch, at least 1',
  );
  refuses(
    batcher({
      priority_levels: 2,
      default_priority_level: 1,
      priority_queue_policy: { '2': { max_queue_size: 1.5 } },
    }),
    'dynamic_batching.priority_queue_policy[2].max_queue_size: got 1.5, expected the requests that may wait',
  );
});

Refuse('name a key that there is not', () => {
  refuses({ max_batch: 3 }, 'max_batch: got 3, expected no such key');
  refuses(batcher({ delay: 3 }), 'dynamic_batching.delay: got 3, expected no such key');
  refuses(
    batcher({ priority_queue_policy: { high: {} } }),
    'dynamic_batching.priority_queue_policy.high: got {}, expected no such key',
  );
});

Refuse('do not pass for what they would not do', () => {
  refuses(batcher({ preserve_ordering: true }), 'preserve_ordering: got true, expected false, because');
  refuses(
    batcher({ default_priority_level: 1 }),
    'default_priority_level: got 1, expected 0 or nothing, because priority_levels is 0',
  );
  refuses(
    batcher({ priority_levels: 2 }),
    'default_priority_level: got 0, expected 1 to 2, because priority_levels is 2',
  );
  refuses(batcher({ priority_levels: 2, default_priority_level: 3 }), 'got 3, expected 1 to 2');
  refuses(
    batcher({ priority_levels: 2, default_priority_level: 1, priority_queue_policy: { '3': {} } }),
    'priority_queue_policy[3]: got {}, expected no such level, because priority_levels is 2',
  );
});

Refuse('do not reach beyond the server, nor a preferred size beyond the largest', () => {
  refuses(
    { max_batch_size: 65 },
    'max_batch_size: got 65, expected at most 64, the largest batch of the server',
  );
  refuses(
    { max_batch_size: 8, dynamic_batching: { preferred_batch_size: [4, 9] } },
    'preferred_batch_size[1]: got 9, expected at most 8, the largest batch',
  );
  refuses(
    batcher({ default_queue_policy: { max_queue_size: 4097 } }),
    'default_queue_policy.max_queue_size: got 4097, expected at most 4096',
  );
  const own = {
    priority_levels: 1,
    default_priority_level: 1,
    priority_queue_policy: { '1': { max_queue_size: 9999 } },
  };
  refuses(batcher(own), 'priority_queue_policy[1].max_queue_size: got 9999, expected at most 4096');
});

Refuse('of any shape are CONFIG_INVALID and nothing else, and what passes is bounded', () => {
  const value = fc.oneof(
    fc.integer({ min: -2, max: 70 }),
    fc.boolean(),
    fc.constantFrom('REJECT', 'DELAY', null, 1.5),
  );
  const queue = fc.dictionary(
    fc.constantFrom(
      'timeout_action',
      'default_timeout_microseconds',
      'allow_timeout_override',
      'max_queue_size',
    ),
    value,
  );
  const settings = fc.record(
    {
      preferred_batch_size: fc.oneof(fc.array(value), value),
      max_queue_delay_microseconds: value,
      preserve_ordering: value,
      priority_levels: value,
      default_priority_level: value,
      default_queue_policy: fc.oneof(queue, value),
      priority_queue_policy: fc.oneof(
        fc.dictionary(fc.constantFrom('0', '1', '2', '__proto__'), queue),
        value,
      ),
    },
    { requiredKeys: [] },
  );
  const sensible = fc.record(
    {
      priority_levels: fc.constantFrom(2, 3),
      default_priority_level: fc.constantFrom(1, 2),
      max_queue_delay_microseconds: fc.nat({ max: 10_000_000 }),
      preferred_batch_size: fc.array(fc.integer({ min: 1, max: 64 })),
      default_queue_policy: fc.record(
        { timeout_action: fc.constantFrom('REJECT', 'DELAY'), max_queue_size: fc.nat({ max: 5000 }) },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ['priority_levels', 'default_priority_level'] },
  );
  const json = fc.oneof(
    fc.record({ max_batch_size: value, dynamic_batching: settings }, { requiredKeys: [] }),
    fc.record({ dynamic_batching: sensible }),
    fc.jsonValue(),
  );
  let passed = 0;
  fc.assert(
    fc.property(json, (own) => {
      try {
        const read = parseBatchingPolicy(own, 'b');
        passed++;
        assert.ok(read.maxBatchRows >= 1 && read.maxBatchRows <= 64);
        assert.is(read.queuePolicies.length, read.priorityLevels);
        assert.ok(read.queuePolicies.every(({ maxQueuedRequests: most }) => most >= 1 && most <= 4096));
        assert.ok(read.preferredBatchRows.every((rows) => rows <= read.maxBatchRows));
        assert.ok(read.defaultPriorityLevel >= 1 && read.defaultPriorityLevel <= read.priorityLevels);
      } catch (thrown) {
        if (!(thrown instanceof OfframpError)) throw thrown;
        assert.is(thrown.code, 'CONFIG_INVALID');
        assert.match(thrown.message, /^b: .*got .*, expected /s);
      }
    }),
    { numRuns: 600 },
  );
  assert.ok(passed > 60, `only ${passed} of 600 passed`);
});

Refuse.run();
