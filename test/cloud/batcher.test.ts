import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Batch, Batcher, type BatcherLimits, type Ticket } from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { throwsCode } from '../protocol/expect.ts';

type Named = Ticket<string>;

function ticket(item: string, change: Partial<Named> = {}): Named {
  return { lane: 'm@1', rows: 1, queuedAtMs: 0, deadlineMs: 1000, item, ...change };
}

const names = (batch: Batch<string> | undefined) => batch?.tickets.map(({ item }) => item);
const nobodyExpires = ({ item }: Named) => assert.unreachable(`${item} expired`);

const Order = suite('batches');

Order('nothing waits, nothing comes', () => {
  const batcher = new Batcher<string>({ maxBatchRows: 4, maxQueuedRows: 10 });
  assert.is(batcher.next(0, nobodyExpires), undefined);
});

Order('a batch is filled in order of arrival, counting rows', () => {
  const batcher = new Batcher<string>({ maxBatchRows: 4, maxQueuedRows: 100 });
  for (const [item, rows] of [
    ['a', 2],
    ['b', 1],
    ['c', 3],
    ['d', 1],
  ] as const) {
    batcher.offer(ticket(item, { rows }), 1);
  }
  const first = batcher.next(0, nobodyExpires);
  assert.equal(names(first), ['a', 'b']);
  assert.is(first?.rows, 3);
  assert.equal(names(batcher.next(0, nobodyExpires)), ['c', 'd']);
  assert.is(batcher.queuedRows, 0);
  assert.is(batcher.next(0, nobodyExpires), undefined);
});

Order('a request as large as a batch passes, a larger one is TENSOR_INVALID', () => {
  const batcher = new Batcher<string>({ maxBatchRows: 4, maxQueuedRows: 100 });
  batcher.offer(ticket('full', { rows: 4 }), 1);
  throwsCode(() => batcher.offer(ticket('more', { rows: 5 }), 1), 'TENSOR_INVALID', '5 rows, at most 4');
  assert.equal(names(batcher.next(0, nobodyExpires)), ['full']);
});

Order('lanes never share a batch, and the one that waited longest goes first', () => {
  const batcher = new Batcher<string>({ maxBatchRows: 4, maxQueuedRows: 100 });
  batcher.offer(ticket('late', { lane: 'm@1', queuedAtMs: 5 }), 1);
  batcher.offer(ticket('early', { lane: 'm@0', queuedAtMs: 3 }), 1);
  batcher.offer(ticket('later', { lane: 'm@0', queuedAtMs: 9 }), 1);
  const first = batcher.next(10, nobodyExpires);
  assert.equal([first?.lane, names(first)], ['m@0', ['early', 'later']]);
  assert.equal(names(batcher.next(10, nobodyExpires)), ['late']);
});

Order('a full queue is BUSY and says when to come again', () => {
  const batcher = new Batcher<string>({ maxBatchRows: 4, maxQueuedRows: 5 });
  batcher.offer(ticket('a', { rows: 4 }), 1);
  try {
    batcher.offer(ticket('b', { rows: 2 }), 33);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, OfframpError);
    assert.equal([(error as OfframpError).code, (error as OfframpError).retryAfterMs], ['BUSY', 33]);
  }
  batcher.offer(ticket('c', { rows: 1 }), 1);
  assert.is(batcher.queuedRows, 5);
});

Order('what has expired is reported once and never handed out', () => {
  const batcher = new Batcher<string>({ maxBatchRows: 4, maxQueuedRows: 100 });
  batcher.offer(ticket('dead', { deadlineMs: 10 }), 1);
  batcher.offer(ticket('alive', { deadlineMs: 11 }), 1);
  batcher.offer(ticket('dead too', { deadlineMs: 5 }), 1);
  const expired: string[] = [];
  assert.equal(names(batcher.next(10, ({ item }) => expired.push(item))), ['alive']);
  assert.equal(expired, ['dead', 'dead too']);
  assert.is(batcher.queuedRows, 0);
});

Order('what was cancelled is neither handed out nor reported, and frees its rows at once', () => {
  const batcher = new Batcher<string>({ maxBatchRows: 4, maxQueuedRows: 4 });
  const [a, b] = [ticket('a', { rows: 2 }), ticket('b', { rows: 2, deadlineMs: 5 })];
  batcher.offer(a, 1);
  batcher.offer(b, 1);
  batcher.cancel(a);
  batcher.cancel(a);
  assert.is(batcher.queuedRows, 2);
  batcher.cancel(b);
  batcher.offer(ticket('c', { rows: 4 }), 1);
  assert.equal(names(batcher.next(10, nobodyExpires)), ['c']);
});

Order.run();

interface Command {
  readonly kind: 'offer' | 'cancel' | 'next' | 'wait';
  readonly lane: string;
  readonly rows: number;
  readonly budgetMs: number;
  readonly pick: number;
}

const commands = fc.array(
  fc.record({
    kind: fc.constantFrom<Command['kind']>('offer', 'offer', 'offer', 'cancel', 'next', 'wait'),
    lane: fc.constantFrom('m@0', 'm@1', 'n@1'),
    rows: fc.integer({ min: 1, max: 7 }),
    budgetMs: fc.integer({ min: 1, max: 12 }),
    pick: fc.nat({ max: 1000 }),
  }),
  { maxLength: 80 },
);

/** What the batcher should do, written down without a thought for speed: one list, in order of arrival. */
class Model {
  readonly #limits: BatcherLimits;
  waiting: Named[] = [];

  constructor(limits: BatcherLimits) {
    this.#limits = limits;
  }

  get rows(): number {
    return this.waiting.reduce((sum, { rows }) => sum + rows, 0);
  }

  takes(offered: Named): boolean {
    const { maxBatchRows, maxQueuedRows } = this.#limits;
    return offered.rows <= maxBatchRows && this.rows + offered.rows <= maxQueuedRows;
  }

  /** Names of the next batch. The dead must have been taken out. */
  next(): string[] {
    const oldest = Math.min(...this.waiting.map(({ queuedAtMs }) => queuedAtMs));
    const lanes = new Set(this.waiting.filter((one) => one.queuedAtMs === oldest).map(({ lane }) => lane));
    const [lane] = lanes;
    assert.is(lanes.size, 1, 'the clock of this test never stands still between offers');
    const batch: Named[] = [];
    for (const one of this.waiting.filter((candidate) => candidate.lane === lane)) {
      if (batch.reduce((sum, { rows }) => sum + rows, one.rows) > this.#limits.maxBatchRows) break;
      batch.push(one);
    }
    this.waiting = this.waiting.filter((one) => !batch.includes(one));
    return batch.map(({ item }) => item);
  }
}

/** The batcher and the model side by side. */
class Pair {
  readonly #limits: BatcherLimits;
  readonly #batcher: Batcher<string>;
  readonly #model: Model;
  #nowMs = 0;

  constructor(limits: BatcherLimits) {
    this.#limits = limits;
    this.#batcher = new Batcher(limits);
    this.#model = new Model(limits);
  }

  act({ kind, lane, rows, budgetMs, pick }: Command, name: string): void {
    this.#nowMs++;
    if (kind === 'wait') this.#nowMs += budgetMs;
    if (kind === 'next') this.next();
    if (kind === 'offer') {
      const queuedAtMs = this.#nowMs;
      this.#offer(ticket(name, { lane, rows, queuedAtMs, deadlineMs: queuedAtMs + budgetMs }));
    }
    if (kind === 'cancel') this.#cancel(pick);
    assert.is(this.#batcher.queuedRows, this.#model.rows, `after command ${name}, ${kind}`);
  }

  /** Takes a batch from both; whether there was one. */
  next(): boolean {
    const nowMs = this.#nowMs;
    const model = this.#model;
    const batch = this.#batcher.next(nowMs, (one) => this.#expire(one));
    if (batch === undefined) {
      assert.equal(model.waiting, [], 'something waits and nothing came');
      return false;
    }
    assert.ok(
      batch.tickets.every(({ deadlineMs }) => deadlineMs > nowMs),
      'an expired one was handed out',
    );
    assert.ok(batch.rows <= this.#limits.maxBatchRows && batch.rows > 0);
    assert.is(
      batch.rows,
      batch.tickets.reduce((sum, { rows }) => sum + rows, 0),
    );
    // Those that died behind the last one taken may still stand in the queue; they are no competition for it.
    const dead = model.waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    model.waiting = model.waiting.filter(({ deadlineMs }) => deadlineMs > nowMs);
    assert.equal(names(batch), model.next());
    model.waiting = [...dead, ...model.waiting].sort((a, b) => a.queuedAtMs - b.queuedAtMs);
    assert.is(this.#batcher.queuedRows, model.rows);
    return true;
  }

  #expire(one: Named): void {
    assert.ok(one.deadlineMs <= this.#nowMs, `${one.item} was given up too early`);
    assert.ok(this.#model.waiting.includes(one), `${one.item} expired twice, or was not waiting`);
    this.#model.waiting = this.#model.waiting.filter((other) => other !== one);
  }

  #offer(one: Named): void {
    if (this.#model.takes(one)) {
      this.#batcher.offer(one, 1);
      this.#model.waiting.push(one);
      return;
    }
    const code = one.rows > this.#limits.maxBatchRows ? 'TENSOR_INVALID' : 'BUSY';
    throwsCode(() => this.#batcher.offer(one, 1), code);
  }

  #cancel(pick: number): void {
    const gone = this.#model.waiting[pick % Math.max(1, this.#model.waiting.length)];
    if (gone === undefined) return;
    this.#batcher.cancel(gone);
    this.#model.waiting = this.#model.waiting.filter((one) => one !== gone);
  }
}

const Properties = suite('any sequence of requests');

Properties('is served as a plain list would be: rows bounded, in order, nothing lost, nothing dead', () => {
  const limits = fc.record({
    maxBatchRows: fc.integer({ min: 1, max: 8 }),
    maxQueuedRows: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(limits, commands, (own, script) => {
      const pair = new Pair(own);
      for (const [index, command] of script.entries()) pair.act(command, `${index}`);
      while (pair.next());
    }),
    { numRuns: 500 },
  );
});

Properties.run();
