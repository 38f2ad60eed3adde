import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Batcher, type BatchingPolicy, priorityLevel } from '../../../cloud/batching/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { throwsCode } from '../../protocol/expect.ts';
import { type Named, names, nobodyExpires, policy, ticket } from './source.ts';

const limits = { maxQueuedRows: 100, maxLanes: 8 };

function batcherOf(settings: object, change: Partial<typeof limits> = {}): Batcher<string> {
  return new Batcher<string>({ ...limits, ...change }, () => policy(settings));
}

function offerAll(batcher: Batcher<string>, tickets: readonly Named[]): void {
  for (const one of tickets) batcher.offer(one, 1, nobodyExpires);
}

const Lanes = suite('lanes');

Lanes('nothing waits, nothing is ready, nothing comes', () => {
  const batcher = batcherOf({});
  assert.equal(batcher.lanes(0, nobodyExpires), []);
  assert.is(batcher.nextReadyMs(0), undefined);
  assert.is(batcher.take('m@1', 8, 0, nobodyExpires), undefined);
  assert.is(batcher.queuedRowsOf('m@1'), 0);
});

Lanes('each lane is queued, shown and taken by itself', () => {
  const batcher = batcherOf({});
  offerAll(batcher, [ticket('a'), ticket('b', { lane: 'm@0', rows: 2 }), ticket('c')]);
  const views = batcher.lanes(0, nobodyExpires);
  assert.equal(
    views.map(({ lane, waitingRows }) => [lane, waitingRows]),
    [
      ['m@1', 2],
      ['m@0', 2],
    ],
  );
  assert.equal([batcher.queuedRows, batcher.queuedRowsOf('m@1'), batcher.queuedRowsOf('m@0')], [4, 2, 2]);
  const batch = batcher.take('m@1', 8, 0, nobodyExpires);
  assert.equal([batch?.lane, batch?.rows, names(batch)], ['m@1', 2, ['a', 'c']]);
  assert.equal([batcher.queuedRows, batcher.queuedRowsOf('m@1')], [2, 0]);
});

Lanes('each lane has the policy that its name asks for, anew whenever it was empty', () => {
  let maxBatchRows = 2;
  const batcher = new Batcher<string>(limits, (lane) => policy({}, lane === 'm@1' ? maxBatchRows : 5));
  offerAll(batcher, [ticket('a'), ticket('b', { lane: 'm@0' })]);
  maxBatchRows = 4;
  const sizes = () => batcher.lanes(0, nobodyExpires).map((view) => view.maxBatchRows);
  assert.equal(sizes(), [2, 5]);
  batcher.take('m@1', 8, 0, nobodyExpires);
  offerAll(batcher, [ticket('c')]);
  assert.equal(sizes(), [5, 4]);
});

Lanes('only those that may start are shown, and the next of the others has its time', () => {
  const delays: Record<string, number> = { slow: 9000, slower: 20_000, quick: 0 };
  const batcher = new Batcher<string>(limits, (lane) =>
    policy({ max_queue_delay_microseconds: delays[lane] ?? 0 }),
  );
  offerAll(
    batcher,
    ['slower', 'slow', 'quick'].map((lane) => ticket(lane, { lane, queuedAtMs: 1 })),
  );
  const ready = (nowMs: number) => batcher.lanes(nowMs, nobodyExpires).map(({ lane }) => lane);
  assert.equal([ready(1), batcher.nextReadyMs(1)], [['quick'], 10]);
  assert.equal([ready(9.9), batcher.nextReadyMs(9.9)], [['quick'], 10]);
  assert.equal([ready(10), batcher.nextReadyMs(10)], [['slow', 'quick'], 21]);
  assert.equal([ready(21), batcher.nextReadyMs(21)], [['slower', 'slow', 'quick'], undefined]);
});

Lanes.run();

const Bounds = suite('bounds');

Bounds('a full queue is BUSY and says when to come again, across lanes', () => {
  const batcher = batcherOf({}, { maxQueuedRows: 5 });
  offerAll(batcher, [ticket('a', { rows: 4 })]);
  try {
    offerAll(batcher, [ticket('b', { rows: 2, lane: 'm@0' })]);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, OfframpError);
    assert.equal([(error as OfframpError).code, (error as OfframpError).retryAfterMs], ['BUSY', 1]);
    assert.is((error as OfframpError).message, '4 rows already wait, at most 5 may');
  }
  offerAll(batcher, [ticket('c', { lane: 'm@0' })]);
  assert.is(batcher.queuedRows, 5);
});

Bounds('more rows than a batch holds are TENSOR_INVALID, even where the queue is full', () => {
  const batcher = batcherOf({}, { maxQueuedRows: 8 });
  offerAll(batcher, [ticket('full', { rows: 8 })]);
  throwsCode(() => offerAll(batcher, [ticket('more', { rows: 9 })]), 'TENSOR_INVALID', '9 rows, at most 8');
  throwsCode(() => offerAll(batcher, [ticket('new', { rows: 9, lane: 'n@1' })]), 'TENSOR_INVALID');
  assert.is(batcher.lanes(0, nobodyExpires).length, 1);
});

Bounds('a lane too many is BUSY until one is empty', () => {
  const batcher = batcherOf({}, { maxLanes: 2 });
  const lanes = ['a', 'b', 'c'].map((lane) => ticket(lane, { lane }));
  offerAll(batcher, lanes.slice(0, 2));
  throwsCode(() => offerAll(batcher, lanes.slice(2)), 'BUSY', 'Requests of 2 lanes already wait');
  offerAll(batcher, [ticket('more', { lane: 'a' })]);
  batcher.take('b', 8, 0, nobodyExpires);
  offerAll(batcher, lanes.slice(2));
  assert.is(batcher.queuedRows, 3);
});

Bounds('what has expired makes room, in whichever lane and at whichever bound it stands', () => {
  const settings = { default_queue_policy: { max_queue_size: 2 } };
  const expired: string[] = [];
  const batcher = batcherOf(settings, { maxQueuedRows: 8, maxLanes: 2 });
  const offer = (item: string, change: Partial<Named>) =>
    batcher.offer(ticket(item, change), 1, (gone) => expired.push(gone.item));
  offer('a', { lane: 'x', rows: 6, deadlineMs: 10 });
  throwsCode(() => offer('early', { rows: 4, queuedAtMs: 9.9 }), 'BUSY', '6 rows already wait');
  offer('b', { rows: 4, queuedAtMs: 10, deadlineMs: 20 });
  assert.equal(expired, ['a']);
  offer('c', { queuedAtMs: 11, deadlineMs: 21 });
  throwsCode(() => offer('early', { queuedAtMs: 19 }), 'BUSY', '2 requests of priority 1 already wait');
  offer('d', { queuedAtMs: 20, deadlineMs: 30 });
  assert.equal(expired, ['a', 'b']);
  offer('e', { lane: 'y', queuedAtMs: 20 });
  throwsCode(() => offer('early', { lane: 'z', queuedAtMs: 29 }), 'BUSY', 'lanes');
  offer('f', { lane: 'z', queuedAtMs: 30 });
  assert.equal([expired, batcher.queuedRows], [['a', 'b', 'c', 'd'], 2]);
});

Bounds(
  'a full queue is not searched for what has expired: an offer looks at a few deadlines, however many wait',
  () => {
    const batcher = new Batcher<string>({ maxQueuedRows: 1000, maxLanes: 8 }, () => policy({}));
    let looks = 0;
    let busy = 0;
    let expired = 0;
    const offers = 20_000;
    for (let index = 0; index < offers; index++) {
      // Half as many expire as come, so that the queue is full most of the time.
      const queuedAtMs = index;
      const deadlineMs = queuedAtMs + 2000;
      const one = ticket(`${index}`, { queuedAtMs, lane: `m@${index % 4}` });
      Object.defineProperty(one, 'deadlineMs', {
        get: () => {
          looks++;
          return deadlineMs;
        },
      });
      try {
        batcher.offer(one, 1, () => expired++);
      } catch (error) {
        assert.is((error as OfframpError).code, 'BUSY');
        busy++;
      }
    }
    assert.ok(busy > 5000 && expired > 5000, `${busy} were refused, ${expired} expired`);
    assert.ok(looks < 4 * offers, `${looks} deadlines were looked at for ${offers} requests`);
  },
);

Bounds.run();

const Ends = suite('ends');

Ends('what has expired is reported once, and neither shown nor handed out', () => {
  const batcher = batcherOf({});
  offerAll(batcher, [ticket('dead', { deadlineMs: 10 }), ticket('alive', { deadlineMs: 11 })]);
  const expired: string[] = [];
  const note = ({ item }: Named) => expired.push(item);
  const [view] = batcher.lanes(10, note);
  assert.is(view?.waitingRows, 1);
  assert.equal(names(batcher.take('m@1', 8, 10, note)), ['alive']);
  assert.equal([expired, batcher.queuedRows], [['dead'], 0]);
});

Ends('a lane of which all has expired is not shown, and what is taken from it is nothing', () => {
  const batcher = batcherOf({});
  offerAll(batcher, [ticket('a', { deadlineMs: 10 })]);
  const expired: string[] = [];
  assert.is(
    batcher.take('m@1', 8, 10, ({ item }) => expired.push(item)),
    undefined,
  );
  assert.equal(batcher.lanes(10, nobodyExpires), []);
  assert.equal(expired, ['a']);
});

Ends('what was cancelled is neither handed out nor reported, and frees its rows at once', () => {
  const batcher = batcherOf({}, { maxQueuedRows: 4 });
  const [a, b] = [ticket('a', { rows: 2 }), ticket('b', { rows: 2, deadlineMs: 5 })];
  offerAll(batcher, [a, b]);
  assert.equal([batcher.cancel(a), batcher.cancel(a)], [true, false]);
  assert.is(batcher.queuedRows, 2);
  assert.is(batcher.cancel(b), true);
  assert.is(batcher.cancel(ticket('b', { lane: 'unheard of' })), false);
  assert.is(batcher.nextReadyMs(0), undefined);
  offerAll(batcher, [ticket('c', { rows: 4 })]);
  assert.equal(names(batcher.take('m@1', 8, 10, nobodyExpires)), ['c']);
  batcher.cancel(a);
  assert.is(batcher.queuedRows, 0);
});

Ends(
  'what is given up before its deadline is what has it by then, and no timeout or delay comes sooner by it',
  () => {
    const settings = {
      max_queue_delay_microseconds: 30_000,
      preferred_batch_size: [2],
      default_queue_policy: { default_timeout_microseconds: 20_000 },
    };
    const batcher = batcherOf(settings);
    const tickets = [40, 60, 41, 39, 100, 100].map((deadlineMs) => ticket(`d${deadlineMs}`, { deadlineMs }));
    offerAll(batcher, tickets);
    const expired: string[] = [];
    const note = ({ item }: Named) => expired.push(item);
    assert.equal(names(batcher.take('m@1', 8, 5, note, 40)), ['d60', 'd41']);
    assert.equal([expired, batcher.queuedRows], [['d39', 'd40'], 2]);
    assert.is(batcher.take('m@1', 8, 5, note, 100), undefined);
    assert.equal([expired, batcher.queuedRows], [['d39', 'd40', 'd100', 'd100'], 0]);
    assert.is(batcher.nextReadyMs(0), undefined);
  },
);

Ends('a request cancelled by who was told of another given up is not given up too', () => {
  const batcher = batcherOf({});
  const tickets = ['a', 'b', 'c'].map((item) => ticket(item, { deadlineMs: 10 }));
  offerAll(batcher, tickets);
  const expired: string[] = [];
  const note = ({ item }: Named) => {
    expired.push(item);
    for (const one of tickets.slice(1, 2)) batcher.cancel(one);
  };
  assert.is(batcher.take('m@1', 8, 0, note, 20), undefined);
  assert.equal([expired, batcher.queuedRows], [['a', 'c'], 0]);
});

Ends('who is told that a request expired may offer and cancel right there', () => {
  const batcher = batcherOf({}, { maxQueuedRows: 8 });
  const kept = ticket('kept', { lane: 'other' });
  const tickets = ['a', 'b', 'c'].map((item) => ticket(item, { deadlineMs: 10 }));
  offerAll(batcher, [...tickets, kept]);
  const expired: string[] = [];
  const again = ({ item, deadlineMs }: Named) => {
    expired.push(item);
    assert.is(batcher.queuedRows, batcher.queuedRowsOf('m@1') + batcher.queuedRowsOf('other'));
    batcher.cancel(kept);
    if (deadlineMs === 10) batcher.offer(ticket(`${item} again`, { queuedAtMs: 10 }), 1, again);
    batcher.lanes(10, again);
  };
  const views = batcher.lanes(10, again);
  assert.equal(expired, ['a', 'b', 'c']);
  assert.equal(
    views.map(({ lane, waitingRows }) => [lane, waitingRows]),
    [['m@1', 3]],
  );
  assert.equal(names(batcher.take('m@1', 8, 10, again)), ['a again', 'b again', 'c again']);
  assert.is(batcher.queuedRows, 0);
});

Ends('what is offered to a lane just emptied stays, though the lane was forgotten meanwhile', () => {
  const batcher = batcherOf({});
  offerAll(batcher, [ticket('dead', { deadlineMs: 10 })]);
  const views = batcher.lanes(10, () => {
    assert.equal(batcher.lanes(10, nobodyExpires), []);
    offerAll(batcher, [ticket('new')]);
  });
  assert.is(views.length, 1);
  assert.equal(names(batcher.take('m@1', 8, 10, nobodyExpires)), ['new']);
});

Ends.run();

interface Command {
  readonly kind: 'offer' | 'cancel' | 'take' | 'wait';
  readonly lane: string;
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
    lane: fc.constantFrom('m@0', 'm@1', 'n@1'),
    client: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    priority: fc.nat({ max: 3 }),
    rows: fc.integer({ min: 1, max: 10 }),
    budgetMs: fc.integer({ min: 1, max: 40 }),
    timeoutMs: fc.nat({ max: 12 }),
    pick: fc.nat({ max: 1000 }),
  }),
  { maxLength: 100 },
);

const policies = fc
  .record({
    default_queue_policy: fc.record({
      timeout_action: fc.constantFrom('REJECT', 'DELAY'),
      default_timeout_microseconds: fc.constantFrom(0, 4000, 9000),
      allow_timeout_override: fc.boolean(),
      max_queue_size: fc.constantFrom(0, 4),
    }),
    priority_levels: fc.constant(2),
    default_priority_level: fc.integer({ min: 1, max: 2 }),
    max_queue_delay_microseconds: fc.constantFrom(0, 3000),
    preferred_batch_size: fc.constantFrom([], [4], [2, 6]),
  })
  .map((settings) => policy(settings));

/** Keeps account of every request from outside: nothing of how the batcher works is known here. */
class Ledger {
  readonly #batcher: Batcher<string>;
  readonly #policies: ReadonlyMap<string, BatchingPolicy>;
  readonly #maxQueuedRows: number;
  readonly #open = new Set<Named>();
  readonly #ends = new Map<string, 'batch' | 'expired' | 'cancelled' | 'refused'>();
  #nowMs = 0;

  constructor(policies: ReadonlyMap<string, BatchingPolicy>, maxQueuedRows: number) {
    this.#policies = policies;
    this.#maxQueuedRows = maxQueuedRows;
    this.#batcher = new Batcher({ maxQueuedRows, maxLanes: 2 }, (lane) => this.#policyOf(lane));
  }

  get ended(): number {
    return this.#ends.size;
  }

  act(command: Command, name: string): void {
    if (command.kind === 'wait') this.#nowMs += command.budgetMs / 4;
    if (command.kind === 'offer') this.#offer(command, name);
    if (command.kind === 'take') this.#takeReady(command);
    if (command.kind === 'cancel') this.#cancel(command.pick);
    this.#balance();
  }

  /** Goes on until nothing waits, only by what the batcher itself says: the lanes that are ready, and when to ask again. */
  drain(): void {
    for (let round = 0; this.#open.size > 0; round++) {
      assert.ok(round < 1000, 'it does not drain');
      const views = this.#batcher.lanes(this.#nowMs, (one) => this.#expire(one));
      for (const { lane } of views) this.#take(lane, 3);
      this.#nowMs = this.#batcher.nextReadyMs(this.#nowMs) ?? this.#nowMs;
      this.#balance();
    }
    assert.equal(this.#batcher.lanes(this.#nowMs, nobodyExpires), []);
    assert.is(this.#batcher.nextReadyMs(this.#nowMs), undefined);
  }

  #takeReady({ rows, pick }: Command): void {
    const views = this.#batcher.lanes(this.#nowMs, (one) => this.#expire(one));
    for (const { lane, waiting, waitingRows } of views) {
      const open = [...this.#open].filter((one) => one.lane === lane);
      assert.equal(new Set<unknown>(waiting), new Set<unknown>(open), 'the view shows what waits');
      assert.is(waitingRows, rowsOf(open));
    }
    const view = views[pick % Math.max(1, views.length)];
    if (view !== undefined) this.#take(view.lane, rows);
  }

  #take(lane: string, rows: number): void {
    const batch = this.#batcher.take(lane, rows, this.#nowMs, (one) => this.#expire(one));
    if (batch === undefined) return;
    const { tickets } = batch;
    for (const one of tickets) this.#end(one, 'batch');
    assert.ok(tickets.length === 1 || batch.rows <= rows, `${batch.rows} rows for ${rows}`);
    assert.ok(batch.rows <= this.#policyOf(lane).maxBatchRows);
    assert.is(batch.rows, rowsOf(tickets));
    assert.ok(
      tickets.every((one) => one.lane === lane && batch.lane === lane),
      'lanes were mixed',
    );
    assert.ok(
      tickets.every(({ deadlineMs }) => deadlineMs > this.#nowMs),
      'an expired one was handed out',
    );
    this.#comparePriorities(lane, tickets);
  }

  #comparePriorities(lane: string, tickets: readonly Named[]): void {
    const levelOf = ({ priority }: Named) => priorityLevel(this.#policyOf(lane), priority);
    const taken = tickets.map(levelOf);
    assert.equal(taken, [...taken].sort(), 'a lower priority came first');
    const left = [...this.#open].filter((one) => one.lane === lane).map(levelOf);
    assert.ok(Math.max(...taken) <= Math.min(...left), 'a higher priority was left behind');
  }

  #offer({ lane, client, priority, rows, budgetMs, timeoutMs }: Command, name: string): void {
    const queuedAtMs = this.#nowMs;
    const deadlineMs = queuedAtMs + budgetMs;
    const timeoutMicros = timeoutMs * 1000;
    const one = ticket(name, { lane, client, priority, rows, queuedAtMs, deadlineMs, timeoutMicros });
    try {
      this.#batcher.offer(one, 7, (gone) => this.#expire(gone));
      this.#open.add(one);
    } catch (error) {
      assert.instance(error, OfframpError);
      const { code, retryAfterMs } = error as OfframpError;
      assert.is(code, rows > 8 ? 'TENSOR_INVALID' : 'BUSY');
      assert.is(retryAfterMs, rows > 8 ? undefined : 7);
      this.#ends.set(name, 'refused');
    }
  }

  #cancel(pick: number): void {
    const one = [...this.#open][pick % Math.max(1, this.#open.size)];
    if (one === undefined) return;
    this.#batcher.cancel(one);
    this.#end(one, 'cancelled');
  }

  #expire(one: Named): void {
    assert.ok(this.#endsMs(one) <= this.#nowMs, `${one.item} was given up too early`);
    this.#end(one, 'expired');
  }

  #endsMs({ lane, priority, queuedAtMs, deadlineMs, timeoutMicros = 0 }: Named): number {
    const own = this.#policyOf(lane);
    const queuePolicy = own.queuePolicies[priorityLevel(own, priority) - 1];
    if (queuePolicy?.timeoutAction !== 'REJECT') return deadlineMs;
    const timeouts = [queuePolicy.defaultTimeoutMicros, queuePolicy.allowTimeoutOverride ? timeoutMicros : 0];
    return Math.min(
      deadlineMs,
      ...timeouts.filter((micros) => micros > 0).map((micros) => queuedAtMs + micros / 1000),
    );
  }

  #end(one: Named, how: 'batch' | 'expired' | 'cancelled'): void {
    assert.ok(this.#open.delete(one), `${one.item} ended as ${how} after ${this.#ends.get(one.item)}`);
    this.#ends.set(one.item, how);
  }

  #balance(): void {
    assert.is(this.#batcher.queuedRows, rowsOf([...this.#open]));
    assert.ok(this.#batcher.queuedRows <= this.#maxQueuedRows);
    for (const lane of this.#policies.keys()) {
      const open = [...this.#open].filter((one) => one.lane === lane);
      assert.is(this.#batcher.queuedRowsOf(lane), rowsOf(open));
    }
  }

  #policyOf(lane: string): BatchingPolicy {
    const own = this.#policies.get(lane);
    if (own === undefined) throw new Error(`no policy for ${lane}`);
    return own;
  }
}

function rowsOf(tickets: readonly { readonly rows: number }[]): number {
  return tickets.reduce((sum, { rows }) => sum + rows, 0);
}

const Properties = suite('any sequence of requests');

Properties(
  'each ends exactly once, rows are conserved, no batch breaks a bound, mixes lanes or forgets a priority',
  () => {
    fc.assert(
      fc.property(
        fc.tuple(policies, policies, policies),
        fc.integer({ min: 10, max: 60 }),
        commands,
        (own, most, script) => {
          const lanes = ['m@0', 'm@1', 'n@1'] as const;
          const byLane = new Map(own.map((one, index) => [lanes[index] ?? '', one]));
          const ledger = new Ledger(byLane, most);
          for (const [index, command] of script.entries()) ledger.act(command, `${index}`);
          ledger.drain();
          assert.is(ledger.ended, script.filter(({ kind }) => kind === 'offer').length);
        },
      ),
      { numRuns: 250 },
    );
  },
);

Properties('a greedy and a modest client that always wait get the same rows, give or take a batch', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(sizes, sizes, sizes, (greedy, modest, asked) => {
      const batcher = batcherOf({}, { maxQueuedRows: 10_000 });
      const served = { greedy: 0, modest: 0 };
      const waiting = { greedy: 0, modest: 0 };
      let count = 0;
      const fill = (client: 'greedy' | 'modest', sizesOfIt: readonly number[], least: number) => {
        for (; waiting[client] < least; waiting[client]++) {
          offerAll(batcher, [ticket(client, { client, rows: sizesOfIt[count++ % sizesOfIt.length] ?? 1 })]);
        }
      };
      for (let round = 0; round < 60; round++) {
        fill('greedy', greedy, 100);
        fill('modest', modest, 10);
        const batch = batcher.take('m@1', asked[round % asked.length] ?? 1, 0, nobodyExpires);
        for (const { client, rows } of batch?.tickets ?? []) {
          const who = client === 'greedy' ? 'greedy' : 'modest';
          served[who] += rows;
          waiting[who]--;
        }
        assert.ok(Math.abs(served.greedy - served.modest) <= 8, JSON.stringify(served));
      }
    }),
    { numRuns: 100 },
  );
});

Properties.run();
