import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type BatchingPolicy, LaneQueue } from '../../../cloud/batching/index.ts';
import { throwsCode } from '../../protocol/expect.ts';
import { PlainQueue, sumOfRows } from './plain-queue.ts';
import { type Named, names, nobodyExpires, policy, ticket } from './source.ts';

function queueOf(settings: object, tickets: readonly Named[], maxBatchRows = 8): LaneQueue<string> {
  const queue = new LaneQueue<string>('m@1', policy(settings, maxBatchRows));
  for (const one of tickets) queue.offer(one, 1);
  return queue;
}

/** The items as they are served one by one from `nowMs` on. */
function served(queue: LaneQueue<string>, nowMs = 0): string {
  const items: string[] = [];
  queue.sweep(nowMs, ({ item }) => items.push(`(${item} expired)`));
  for (let batch = queue.take(1, nowMs); batch !== undefined; batch = queue.take(1, nowMs)) {
    items.push(...batch.tickets.map(({ item }) => item));
  }
  return items.join(' ');
}

const levels = { priority_levels: 3, default_priority_level: 2 };

const Order = suite('order in a lane');

Order('a lower number goes first, 0 and numbers there are not by the default', () => {
  const tickets = [3, 2, 0, 9, 1].map((priority) => ticket(`p${priority}`, { priority }));
  assert.is(served(queueOf(levels, tickets)), 'p1 p2 p0 p9 p3');
});

Order('clients take turns inside a priority, and only there', () => {
  const tickets = ['a1', 'a2', 'b1', 'c3'].map((item) =>
    ticket(item, { client: item.slice(0, 1), priority: item === 'c3' ? 1 : 2 }),
  );
  assert.is(served(queueOf(levels, tickets)), 'c3 a1 b1 a2');
});

Order('a request is never split, and none is passed over for one that would fit', () => {
  const queue = queueOf({}, [ticket('a', { rows: 5 }), ticket('b', { rows: 4 }), ticket('c', { rows: 3 })]);
  assert.equal(names(queue.take(8, 0)), ['a']);
  assert.equal(names(queue.take(8, 0)), ['b', 'c']);
});

Order('the first request goes even where fewer rows are asked for, and then alone', () => {
  const queue = queueOf({}, [ticket('a', { rows: 5 }), ticket('b')]);
  assert.equal(names(queue.take(2, 0)), ['a']);
  assert.equal(names(queue.take(0, 0)), ['b']);
  assert.is(queue.take(8, 0), undefined);
});

Order.run();

const Timeouts = suite('timeouts');
const rejecting = {
  default_queue_policy: { default_timeout_microseconds: 5000, allow_timeout_override: true },
};
const delaying = { default_queue_policy: { ...rejecting.default_queue_policy, timeout_action: 'DELAY' } };

Timeouts('expiry is reported in its order, at its moment, whatever the order of arrival', () => {
  const tickets = [9, 30, 10, 7].map((deadlineMs) => ticket(`d${deadlineMs}`, { deadlineMs }));
  const queue = queueOf({}, tickets);
  queue.sweep(6.9, nobodyExpires);
  assert.is(served(queue, 10), '(d7 expired) (d9 expired) (d10 expired) d30');
  assert.is(queue.rows, 0);
});

Timeouts('a request past the timeout of its queue is given up under REJECT', () => {
  assert.is(served(queueOf(rejecting, [ticket('a'), ticket('b', { queuedAtMs: 1 })]), 5), '(a expired) b');
});

Timeouts(
  'under DELAY it goes behind the others of its priority, before those of the next, and to its deadline',
  () => {
    const settings = { ...levels, ...delaying };
    const tickets = [
      ticket('late', { priority: 1 }),
      ticket('late too', { priority: 1, client: 'd', deadlineMs: 6 }),
      ticket('dead', { priority: 1, deadlineMs: 5 }),
      ticket('in time', { priority: 1, queuedAtMs: 3 }),
      ticket('second', { priority: 2, queuedAtMs: 3 }),
    ];
    assert.is(served(queueOf(settings, tickets), 5), '(dead expired) in time late late too second');
    const queue = queueOf(settings, tickets);
    queue.sweep(5, () => {});
    assert.is(served(queue, 6), '(late too expired) in time late second');
  },
);

Timeouts('requests that become late together keep their order of arrival', () => {
  const tickets = ['1', '2', '3', '4', '5', '6', '7'].map((item) => ticket(item));
  assert.is(served(queueOf(delaying, tickets), 5), '1 2 3 4 5 6 7');
});

Timeouts('a request may shorten its timeout where that is allowed, and never lengthen it', () => {
  const tickets = [ticket('shorter', { timeoutMicros: 2000 }), ticket('longer', { timeoutMicros: 9000 })];
  assert.is(served(queueOf(rejecting, tickets), 2), '(shorter expired) longer');
  assert.is(served(queueOf(rejecting, tickets), 5), '(shorter expired) (longer expired)');
  const strict = { default_queue_policy: { default_timeout_microseconds: 5000 } };
  assert.is(served(queueOf(strict, tickets), 2), 'shorter longer');
  const open = { default_queue_policy: { allow_timeout_override: true } };
  assert.is(
    served(queueOf(open, [...tickets, ticket('none', { timeoutMicros: 0 })]), 9),
    '(shorter expired) (longer expired) none',
  );
});

Timeouts.run();

const Ready = suite('readiness');
const delay = { max_queue_delay_microseconds: 4000 };

Ready('without a delay a lane is ready as soon as something waits', () => {
  assert.is(queueOf({}, []).readyAtMs(), Number.POSITIVE_INFINITY);
  assert.ok(queueOf({}, [ticket('a', { queuedAtMs: 7 })]).readyAtMs() <= 7);
});

Ready('with one it is when the oldest request has waited that long', () => {
  const queue = queueOf(delay, [ticket('a', { queuedAtMs: 7 }), ticket('b', { queuedAtMs: 9 })]);
  assert.is(queue.readyAtMs(), 11);
  queue.take(1, 11);
  assert.is(queue.readyAtMs(), 13);
});

Ready('a full batch is not kept waiting, nor is one that a request more would not fit into', () => {
  const seven = [ticket('a', { rows: 4 }), ticket('b', { rows: 3 })];
  assert.is(queueOf(delay, seven).readyAtMs(), 4);
  assert.ok(queueOf(delay, [...seven, ticket('c', { rows: 1 })]).readyAtMs() <= 0);
  assert.ok(queueOf(delay, [...seven, ticket('c', { rows: 3 })]).readyAtMs() <= 0);
});

Ready('a preferred size that can be formed is not kept waiting', () => {
  const preferred = { ...delay, preferred_batch_size: [4, 6] };
  const three = [ticket('a', { rows: 3 })];
  assert.is(queueOf(preferred, three).readyAtMs(), 4);
  assert.ok(queueOf(preferred, [...three, ticket('b')]).readyAtMs() <= 0);
  // Of 3 and 2 rows neither 4 nor 6 can be made.
  assert.is(queueOf(preferred, [...three, ticket('b', { rows: 2 })]).readyAtMs(), 4);
});

Ready('nobody waits for company until it is too late', () => {
  assert.ok(queueOf(delay, [ticket('a'), ticket('hasty', { deadlineMs: 4 })]).readyAtMs() <= 0);
  assert.is(queueOf(delay, [ticket('a'), ticket('patient', { deadlineMs: 4.1 })]).readyAtMs(), 4);
});

Ready('a batch ends at the largest preferred size it can have, until the delay is over', () => {
  const settings = { ...delay, preferred_batch_size: [2, 4, 6] };
  const five = [ticket('a'), ticket('b', { rows: 2 }), ticket('c'), ticket('d')];
  assert.is(queueOf(settings, five).take(8, 3.9)?.rows, 4);
  assert.is(queueOf(settings, five).take(8, 4)?.rows, 5);
  // 1 and 3 rows are what three rows allow; neither is preferred.
  assert.is(queueOf(settings, five).take(3, 0)?.rows, 3);
  const atOnce = queueOf({ preferred_batch_size: [4] }, five);
  assert.equal([atOnce.take(8, 50)?.rows, atOnce.take(8, 50)?.rows], [4, 1]);
});

Ready.run();

const Bounds = suite('bounds of a lane');

Bounds(
  'a priority takes as many requests as it may, late ones counted, and others are not touched by it',
  () => {
    const settings = {
      ...levels,
      default_queue_policy: { max_queue_size: 2 },
      priority_queue_policy: {
        '1': { max_queue_size: 2, timeout_action: 'DELAY', default_timeout_microseconds: 1 },
      },
    };
    const queue = queueOf(settings, [ticket('a', { priority: 1 })]);
    queue.sweep(1, nobodyExpires);
    queue.offer(ticket('b', { priority: 1, queuedAtMs: 1 }), 1);
    throwsCode(
      () => queue.offer(ticket('c', { priority: 1 }), 1),
      'BUSY',
      '2 requests of priority 1 already wait',
    );
    queue.offer(ticket('d', { priority: 2, queuedAtMs: 1 }), 1);
    queue.take(1, 1);
    queue.offer(ticket('e', { priority: 1, queuedAtMs: 1 }), 1);
    assert.is(queue.rows, 3);
  },
);

Bounds('no rows, half rows and more rows than a batch are TENSOR_INVALID', () => {
  for (const rows of [0, -1, 1.5, Number.NaN, 9]) {
    throwsCode(() => queueOf({}, [ticket('odd', { rows })]), 'TENSOR_INVALID', 'at most 8');
  }
});

Bounds('a request cannot wait twice', () => {
  const one = ticket('a');
  throwsCode(() => queueOf({}, [one, one]), 'INTERNAL', 'queued twice');
});

Bounds.run();

const View = suite('view');

View(
  'shows first what the largest batch would hold, in its order, then the others in order of arrival',
  () => {
    const tickets = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((item) =>
      ticket(item, { client: item.slice(0, 1), priority: item === 'c1' ? 1 : 2 }),
    );
    const { waiting, ...rest } = queueOf(levels, tickets, 4).view();
    assert.equal(rest, { lane: 'm@1', maxBatchRows: 4, waitingRows: 7 });
    const items = waiting.map((one) => tickets.find((other) => other === one)?.item);
    assert.equal(items, ['c1', 'a1', 'b1', 'a2', 'a3', 'a4', 'b2']);
  },
);

View('is a snapshot: the same until something changes, and itself unchanged by that', () => {
  const a = ticket('a');
  const queue = queueOf({}, [a]);
  const before = queue.view();
  assert.is(queue.view(), before);
  queue.offer(ticket('b'), 1);
  queue.cancel(a);
  assert.is(before.waiting.length, 1);
  assert.is(before.waiting[0], a);
  assert.is(queue.view().waiting.length, 1);
});

View.run();

interface Command {
  readonly kind: 'offer' | 'cancel' | 'take' | 'wait';
  readonly client: string;
  readonly priority: number;
  readonly rows: number;
  readonly budgetMs: number;
  readonly timeoutMs: number;
  readonly pick: number;
}

const commands = fc.array(
  fc.record<Command>({
    kind: fc.constantFrom<Command['kind']>('offer', 'offer', 'offer', 'cancel', 'take', 'wait'),
    client: fc.constantFrom('a', 'a', 'b', 'c'),
    priority: fc.constantFrom(1, 1, 1, 2, 3, 0, 9),
    rows: fc.constantFrom(1, 1, 2, 3, 8),
    budgetMs: fc.integer({ min: 1, max: 40 }),
    timeoutMs: fc.nat({ max: 12 }),
    pick: fc.nat({ max: 1000 }),
  }),
  { maxLength: 80 },
);

const queuePolicies = fc.record({
  timeout_action: fc.constantFrom('REJECT', 'DELAY'),
  default_timeout_microseconds: fc.constantFrom(0, 4000, 9000),
  allow_timeout_override: fc.boolean(),
  max_queue_size: fc.constantFrom(0, 3, 6),
});

const policies = fc
  .record({
    default_queue_policy: queuePolicies,
    priority_queue_policy: fc.record({ '1': queuePolicies }, { requiredKeys: [] }),
    priority_levels: fc.constant(3),
    default_priority_level: fc.integer({ min: 1, max: 3 }),
    max_queue_delay_microseconds: fc.constantFrom(0, 3000),
  })
  .map((settings) => policy(settings));

/** The lane and the plain queue side by side. */
class Pair {
  readonly #queue: LaneQueue<string>;
  readonly #plain: PlainQueue;
  #nowMs = 0;

  constructor(own: BatchingPolicy) {
    this.#queue = new LaneQueue('m@1', own);
    this.#plain = new PlainQueue(own);
  }

  get waits(): boolean {
    return this.#plain.tickets.length > 0;
  }

  act(command: Command, name: string): void {
    if (command.kind === 'wait') this.#nowMs += command.budgetMs / 4;
    if (command.kind === 'offer') this.#offer(command, name);
    if (command.kind === 'cancel') this.#cancel(command.pick);
    if (command.kind === 'take') this.take(command.rows);
    assert.is(this.#queue.rows, this.#plain.rows, `after command ${name}, ${command.kind}`);
  }

  take(rows: number): void {
    const expired: Named[] = [];
    this.#queue.sweep(this.#nowMs, (one) => expired.push(one));
    assert.equal(expired, this.#plain.sweep(this.#nowMs));
    this.#compareViews();
    const order = this.#plain.order();
    const batch = this.#queue.take(rows, this.#nowMs);
    const fitting = order.filter((_, index) => index === 0 || sumOfRows(order.slice(0, index + 1)) <= rows);
    assert.equal(
      names(batch) ?? [],
      fitting.map(({ item }) => item),
    );
    assert.is(batch?.rows ?? 0, sumOfRows(fitting));
    for (const one of fitting) assert.is(this.#plain.serve(), one);
  }

  #compareViews(): void {
    const order = this.#plain.order();
    const leading = order.filter((_, index) => sumOfRows(order.slice(0, index + 1)) <= 8);
    const others = this.#plain.tickets.filter((one) => !leading.includes(one));
    const { waiting, waitingRows } = this.#queue.view();
    assert.equal(waiting, [...leading, ...others]);
    assert.is(waitingRows, this.#plain.rows);
  }

  #offer({ client, priority, rows, budgetMs, timeoutMs }: Command, name: string): void {
    const queuedAtMs = this.#nowMs;
    const deadlineMs = queuedAtMs + budgetMs;
    const timeoutMicros = timeoutMs * 1000;
    const one = ticket(name, { client, priority, rows, queuedAtMs, deadlineMs, timeoutMicros });
    const isFull = this.#plain.isFullFor(one);
    assert.is(this.#queue.isFullFor(one), isFull);
    if (isFull) throwsCode(() => this.#queue.offer(one, 1), 'BUSY');
    else {
      this.#queue.offer(one, 1);
      this.#plain.offer(one);
    }
  }

  #cancel(pick: number): void {
    const { tickets } = this.#plain;
    const gone = tickets[pick % Math.max(1, tickets.length)];
    if (gone === undefined) return;
    assert.is(this.#queue.cancel(gone), true);
    assert.is(this.#queue.cancel(gone), false);
    this.#plain.cancel(gone);
  }
}

const Properties = suite('any sequence of requests');

Properties(
  'is served as a plain list would be: by priority, in turns, in order, the late and the dead apart',
  () => {
    fc.assert(
      fc.property(policies, commands, (own, script) => {
        const pair = new Pair(own);
        for (const [index, command] of script.entries()) pair.act(command, `${index}`);
        while (pair.waits) pair.take(8);
      }),
      { numRuns: 300 },
    );
  },
);

Properties.run();
