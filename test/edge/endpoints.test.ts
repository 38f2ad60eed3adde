import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Offload, OffloadResult } from '../../edge/agent/connection.ts';
import type { EndpointLink } from '../../edge/agent/endpoint.ts';
import { Endpoints, type EndpointsOptions } from '../../edge/agent/endpoints.ts';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const offload: Offload = { bundleTag: 1, cut: 1, budgetMs: 100, rows: [new Uint8Array(1)], classes: 10 };

/** A server whose answers the test gives. */
class Server implements EndpointLink {
  connected = true;
  maxImageBytes: number | undefined = 1000;
  lastError = new OfframpError('CLOUD_UNREACHABLE', 'not there');
  readonly asked: {
    readonly budgetMs: number;
    answer(queuedRows?: number): void;
    fail(code: ErrorCode, retryAfterMs?: number): void;
  }[] = [];

  infer({ budgetMs }: Offload): Promise<OffloadResult> {
    return new Promise((resolve, reject) => {
      this.asked.push({
        budgetMs,
        answer: (queuedRows = 0) =>
          resolve({
            ...{ id: 1, exits: [1], logits: new Float32Array(10), queueMicros: 0, runMicros: 0 },
            ...{ batchRows: 1, queuedRows, bytesSent: 60 },
          }),
        fail: (code, retryAfterMs) =>
          reject(new OfframpError(code, code, retryAfterMs === undefined ? {} : { retryAfterMs })),
      });
    });
  }

  get last(): Server['asked'][number] {
    const last = this.asked.at(-1);
    if (last === undefined) throw new Error('not asked');
    return last;
  }
}

interface Setting {
  readonly servers: readonly Server[];
  readonly clock: VirtualClock;
  readonly endpoints: Endpoints;
}

/** With `random` at 0 the first of those that may be asked is one of the two picked, and the next one the other. */
function setting(count: number, change: Partial<EndpointsOptions> = {}): Setting {
  const servers = Array.from({ length: count }, () => new Server());
  const clock = new VirtualClock();
  return { servers, clock, endpoints: new Endpoints({ links: servers, clock, random: () => 0, ...change }) };
}

/** Answers so many requests, each after so long, so that the server's usual time is known. */
async function practise({ servers: [first], endpoints, clock }: Setting, tookMs: number): Promise<void> {
  for (let request = 0; request < 20; request++) {
    const sent = endpoints.infer(offload);
    await settled();
    clock.advance(tookMs);
    first?.last.answer();
    await sent;
  }
}

const counts = ({ servers }: Setting) => servers.map(({ asked }) => asked.length);

const Choice = suite('the choice of a server');

Choice('of two picked at random the one with less to do is asked', async () => {
  const made = setting(2);
  const { servers, endpoints } = made;
  for (const [queuedRows, expected] of [
    [7, [1, 0]],
    [0, [1, 1]],
    [0, [1, 2]],
  ] as const) {
    const sent = endpoints.infer(offload);
    await settled();
    assert.equal(counts(made), expected);
    for (const { asked } of servers) asked.at(-1)?.answer(queuedRows);
    await sent;
  }
});

Choice('what is under way counts as load', async () => {
  const made = setting(2);
  for (let request = 0; request < 6; request++) void made.endpoints.infer(offload);
  await settled();
  assert.equal(counts(made), [3, 3]);
});

Choice(
  'a server without a connection is not asked; with none the reason is the last one of a server',
  async () => {
    const made = setting(2);
    const [one, other] = made.servers;
    if (one === undefined || other === undefined) throw new Error('two servers');
    one.connected = false;
    void made.endpoints.infer(offload);
    assert.equal(counts(made), [0, 1]);
    other.connected = false;
    other.lastError = new OfframpError('UNAUTHORIZED', 'wrong token');
    await rejectsCode(made.endpoints.infer(offload), 'UNAUTHORIZED');
    assert.not(made.endpoints.connected);
  },
);

Choice('pictures are sent only as large as every connected server takes them', () => {
  const { servers, endpoints } = setting(2);
  const [one, other] = servers;
  if (one === undefined || other === undefined) throw new Error('two servers');
  other.maxImageBytes = 500;
  assert.is(endpoints.maxImageBytes, 500);
  other.connected = false;
  assert.is(endpoints.maxImageBytes, 1000);
  one.maxImageBytes = undefined;
  assert.is(endpoints.maxImageBytes, undefined);
});

Choice('a server that asks for a pause gets it, to the millisecond', async () => {
  const made = setting(1);
  const [server] = made.servers;
  const refused = made.endpoints.infer(offload);
  await settled();
  server?.last.fail('BUSY', 30);
  await rejectsCode(refused, 'BUSY');
  made.clock.advance(29);
  await rejectsCode(made.endpoints.infer(offload), 'BUSY');
  assert.equal(counts(made), [1]);
  made.clock.advance(1);
  void made.endpoints.infer(offload);
  assert.equal(counts(made), [2]);
});

Choice('a server that fails again and again is left alone, and tried with one request', async () => {
  const breaker = { failures: 3, coolDownMs: 100, maxCoolDownMs: 1000 };
  const made = setting(1, { breaker });
  const [server] = made.servers;
  for (let request = 0; request < 3; request++) {
    const failed = made.endpoints.infer(offload);
    await settled();
    server?.last.fail('RUNTIME_FAILED');
    await rejectsCode(failed, 'RUNTIME_FAILED');
  }
  await rejectsCode(made.endpoints.infer(offload), 'RUNTIME_FAILED');
  assert.equal(counts(made), [3], 'it was asked all the same');
  made.clock.advance(100);
  const trial = made.endpoints.infer(offload);
  await rejectsCode(made.endpoints.infer(offload), 'RUNTIME_FAILED');
  assert.equal(counts(made), [4]);
  server?.last.answer();
  await trial;
  void made.endpoints.infer(offload);
  void made.endpoints.infer(offload);
  assert.equal(counts(made), [6]);
});

Choice.run();

const Again = suite('a second try');

Again('what one server fails another one is asked, with what is left of the budget', async () => {
  for (const code of ['BUSY', 'CONNECTION_LOST', 'DRAINING', 'RUNTIME_FAILED', 'BUNDLE_NOT_FOUND'] as const) {
    const made = setting(2);
    const [one, other] = made.servers;
    const sent = made.endpoints.infer(offload);
    made.clock.advance(40);
    one?.last.fail(code);
    await settled();
    assert.equal([counts(made), other?.last.budgetMs], [[1, 1], 60], code);
    other?.last.answer();
    assert.is((await sent).bytesSent, 60);
  }
});

Again('what no server can mend is not tried again', async () => {
  for (const code of ['BUDGET_SPENT', 'CODES_CORRUPT', 'TENSOR_INVALID', 'CUT_UNSUPPORTED'] as const) {
    const made = setting(2);
    const sent = made.endpoints.infer(offload);
    made.servers[0]?.last.fail(code);
    await rejectsCode(sent, code);
    assert.equal(counts(made), [1, 0], code);
  }
});

Again('every server is asked once, and the last failure is told', async () => {
  const made = setting(3);
  const failed = new Set<Server>();
  const sent = made.endpoints.infer(offload);
  for (const code of ['BUSY', 'INTERNAL', 'DRAINING'] as const) {
    await settled();
    const asked = made.servers.filter((server) => server.asked.length > 0 && !failed.has(server));
    assert.is(asked.length, 1, code);
    for (const server of asked) {
      failed.add(server);
      server.last.fail(code);
    }
  }
  await rejectsCode(sent, 'DRAINING');
  assert.equal(counts(made), [1, 1, 1]);
});

Again('with one server it is asked again when its connection is back in time', async () => {
  const made = setting(1);
  const [server] = made.servers;
  if (server === undefined) throw new Error('a server');
  const sent = made.endpoints.infer(offload);
  made.clock.advance(10);
  server.connected = false;
  server.last.fail('CONNECTION_LOST');
  await settled();
  made.clock.advance(20);
  server.connected = true;
  made.endpoints.onLinkEvent('connected');
  await settled();
  assert.equal([counts(made), server.last.budgetMs], [[2], 70]);
  server.last.answer();
  await sent;
  assert.is(made.clock.pending, 0);
});

Again('it is not waited for once an attempt has failed, nor longer than the budget', async () => {
  for (const end of ['failed', 'late'] as const) {
    const made = setting(1);
    const [server] = made.servers;
    if (server === undefined) throw new Error('a server');
    const sent = made.endpoints.infer(offload);
    server.connected = false;
    server.last.fail('CONNECTION_LOST');
    await settled();
    if (end === 'failed') made.endpoints.onLinkEvent('disconnected');
    else made.clock.advance(100);
    await rejectsCode(sent, 'CONNECTION_LOST');
    assert.equal([counts(made), made.clock.pending], [[1], 0], end);
  }
});

Again('a connection that is lost twice is not waited for a third time', async () => {
  const made = setting(1);
  const sent = made.endpoints.infer(offload);
  for (const attempt of [1, 2]) {
    await settled();
    assert.equal(counts(made), [attempt]);
    made.servers[0]?.last.fail('CONNECTION_LOST');
  }
  await rejectsCode(sent, 'CONNECTION_LOST');
});

Again.run();

const Hedge = suite('a server that stalls');

Hedge('is hedged with another one after its usual time, and the first answer counts', async () => {
  for (const winner of [0, 1]) {
    const made = setting(2);
    const [one, other] = made.servers;
    if (one === undefined || other === undefined) throw new Error('two servers');
    other.connected = false;
    await practise(made, 10);
    other.connected = true;
    const sent = made.endpoints.infer(offload);
    await settled();
    made.clock.advance(9);
    assert.is(other.asked.length, 0);
    made.clock.advance(1);
    await settled();
    assert.equal([other.asked.length, other.last.budgetMs, made.endpoints.hedges], [1, 90, 1]);
    [one, other][winner]?.last.answer();
    await sent;
    [one, other][1 - winner]?.last.fail('INTERNAL');
    await settled();
  }
});

Hedge('fails only when both have, with the failure of the first', async () => {
  const made = setting(2);
  const [one, other] = made.servers;
  if (one === undefined || other === undefined) throw new Error('two servers');
  const sent = made.endpoints.infer(offload);
  made.clock.advance(50);
  await settled();
  one.last.fail('INTERNAL');
  await settled();
  other.last.fail('RUNTIME_FAILED');
  await rejectsCode(sent, 'INTERNAL');
  assert.equal(counts(made), [1, 1]);
});

Hedge('costs a small share of the requests at most, however many stall', async () => {
  const made = setting(2, { hedgeShare: 0.1 });
  const all = Array.from({ length: 200 }, () => made.endpoints.infer(offload));
  await settled();
  made.clock.advance(50);
  await settled();
  assert.ok(made.endpoints.hedges <= 10, `${made.endpoints.hedges} hedges at once`);
  for (const { asked } of made.servers) for (const one of asked) one.answer();
  await Promise.all(all);
  const [before, requests] = [made.endpoints.hedges, 1000];
  for (let request = 0; request < requests; request++) {
    const sent = made.endpoints.infer(offload);
    await settled();
    made.clock.advance(80);
    await settled();
    for (const { asked } of made.servers) asked.at(-1)?.answer();
    await sent;
  }
  assert.ok(made.endpoints.hedges - before <= 0.1 * requests + 10);
  assert.ok(made.endpoints.hedges - before > 0);
});

Hedge('answered in time costs no second request, and leaves no timer', async () => {
  const made = setting(2);
  const sent = made.endpoints.infer(offload);
  await settled();
  made.servers[0]?.last.answer();
  await sent;
  await settled();
  assert.equal([counts(made), made.clock.pending, made.endpoints.hedges], [[1, 0], 0, 0]);
});

Hedge.run();

const Slow = suite('a way that is too slow');

/** Twenty answers in 10 ms each, then none for three images that had all the time. */
async function stall(made: Setting): Promise<void> {
  await practise(made, 10);
  for (let image = 0; image < 3; image++) {
    const sent = made.endpoints.infer({ ...offload, budgetMs: 2000 });
    await settled();
    made.clock.advance(2000);
    made.servers[0]?.last.fail('BUDGET_SPENT');
    await rejectsCode(sent, 'BUDGET_SPENT');
  }
}

Slow('is not tried by those who wait: they are told at once', async () => {
  const made = setting(1, { breaker: { failures: 100, coolDownMs: 1, maxCoolDownMs: 1 } });
  await stall(made);
  const asked = counts(made);
  await rejectsCode(made.endpoints.infer(offload), 'LINK_SLOW', 'in time');
  // The first one is sent all the same, but its caller has its answer.
  assert.equal(counts(made), [(asked[0] ?? 0) + 1]);
  assert.is(made.servers[0]?.last.budgetMs, 5000);
});

Slow(
  'is tried by one image in a while that nobody waits for, and used again when that comes back soon',
  async () => {
    const made = setting(1, { breaker: { failures: 100, coolDownMs: 1, maxCoolDownMs: 1 } });
    const [server] = made.servers;
    await stall(made);
    made.clock.advance(250);
    const before = counts(made)[0] ?? 0;
    for (let request = 0; request < 5; request++)
      await rejectsCode(made.endpoints.infer(offload), 'LINK_SLOW');
    assert.is(counts(made)[0], before + 1, 'one probe, not one for every image');
    assert.is(server?.last.budgetMs, 5000);
    for (let probe = 0; probe < 20; probe++) {
      made.clock.advance(10);
      server?.last.answer();
      await settled();
      made.clock.advance(240);
      const sent = made.endpoints.infer(offload).catch(() => undefined);
      await settled();
      if (server?.last.budgetMs !== 100) continue;
      server.last.answer();
      assert.is((await sent)?.bytesSent, 60);
      return;
    }
    assert.unreachable('the way was never used again');
  },
);

Slow(
  'is tried for an image to which the cloud adds much, and not for one to which it adds little',
  async () => {
    const made = setting(1);
    await practise(made, 40);
    // A budget by which some answers come, and by which far from all do.
    const budgetMs = await (async () => {
      for (let ms = 10; ms < 40; ms += 0.5) {
        const before = counts(made)[0] ?? 0;
        const sent = made.endpoints.infer({ ...offload, budgetMs: ms, worth: 1 }).catch(() => undefined);
        await settled();
        if ((counts(made)[0] ?? 0) === before || made.servers[0]?.last.budgetMs !== ms) continue;
        made.servers[0].last.answer();
        await sent;
        return ms;
      }
      return 0;
    })();
    assert.ok(budgetMs > 10, `${budgetMs} ms`);
    await rejectsCode(made.endpoints.infer({ ...offload, budgetMs, worth: 0.1 }), 'LINK_SLOW');
  },
);

Slow('with another server that is quick nobody notices', async () => {
  const made = setting(2, { breaker: { failures: 100, coolDownMs: 1, maxCoolDownMs: 1 } });
  const [, other] = made.servers;
  if (other === undefined) throw new Error('two servers');
  other.connected = false;
  await stall(made);
  other.connected = true;
  const sent = made.endpoints.infer(offload);
  await settled();
  assert.is(other.asked.length, 1);
  other.last.answer();
  assert.is((await sent).bytesSent, 60);
});

Slow(
  'a budget that is too short for any answer is told at once as well, and costs the next one nothing',
  async () => {
    const made = setting(1);
    await practise(made, 40);
    await rejectsCode(made.endpoints.infer({ ...offload, budgetMs: 1 }), 'LINK_SLOW');
    const sent = made.endpoints.infer(offload);
    await settled();
    assert.is(made.servers[0]?.last.budgetMs, 100);
    made.servers[0]?.last.answer();
    await sent;
  },
);

Slow.run();

const event = fc.oneof(
  fc.record({ kind: fc.constant('answer' as const), at: fc.nat(100), queuedRows: fc.nat(50) }),
  fc.record({
    kind: fc.constant('fail' as const),
    at: fc.nat(100),
    code: fc.constantFrom<ErrorCode>(
      'BUSY',
      'CONNECTION_LOST',
      'RUNTIME_FAILED',
      'CODES_CORRUPT',
      'DRAINING',
    ),
  }),
  fc.record({ kind: fc.constant('link' as const), server: fc.nat(2), connected: fc.boolean() }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 80 }) }),
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;
const step = fc.oneof(
  event,
  fc.record({ kind: fc.constant('send' as const), budgetMs: fc.integer({ min: 1, max: 200 }) }),
);

/** What servers, links and time do. */
function happen({ servers, endpoints, clock }: Setting, one: Event): void {
  const asked = servers.flatMap((server) => server.asked);
  if (one.kind === 'wait') clock.advance(one.ms);
  else if (one.kind === 'answer') asked[one.at % Math.max(1, asked.length)]?.answer(one.queuedRows);
  else if (one.kind === 'fail') asked[one.at % Math.max(1, asked.length)]?.fail(one.code);
  else {
    const server = servers[one.server % servers.length];
    if (server !== undefined) server.connected = one.connected;
    endpoints.onLinkEvent(one.connected ? 'connected' : 'disconnected');
  }
}

const Any = suite('whatever servers do');

Any('every request settles once, by its budget, and nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 60 }),
      async (count, steps) => {
        const made = setting(count);
        const sent: Promise<unknown>[] = [];
        let settledRequests = 0;
        const note = () => {
          settledRequests++;
        };
        for (const one of steps) {
          if (one.kind === 'send') {
            const request = made.endpoints.infer({ ...offload, budgetMs: one.budgetMs });
            sent.push(request.then(note, note));
          } else happen(made, one);
          await settled();
        }
        // A link ends every request by its budget; here that is the test's part.
        for (let round = 0; round < 5; round++) {
          made.clock.advance(300);
          for (const { asked } of made.servers) for (const { fail } of asked) fail('BUDGET_SPENT');
          await settled();
        }
        assert.is(settledRequests, sent.length);
        assert.is(made.clock.pending, 0);
      },
    ),
    { numRuns: 150 },
  );
});

Any.run();
