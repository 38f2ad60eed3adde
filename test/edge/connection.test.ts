import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Connection, type ConnectionLimits } from '../../edge/agent/index.ts';
import type { Clock } from '../../shared/clock.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  clientWireBytes,
  encodeError,
  encodeFrame,
  encodeGoaway,
  encodeHello,
  encodeWelcome,
  parseHello,
  type Welcome,
} from '../../shared/protocol/index.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';
import { type Dialled, digest, hello, offload, resultOf, TestCloud, watch, welcome } from './link-source.ts';

interface Setting {
  readonly connection: Connection;
  readonly cloud: Dialled;
  readonly clock: VirtualClock;
  readonly ready: Welcome[];
  readonly goaways: string[];
  readonly ends: OfframpError[];
  readonly late: () => number;
  /** Bytes and milliseconds of what was no request. */
  readonly roundTrips: [bytes: number, ms: number][];
}

function dialled(change: { readonly limits?: ConnectionLimits; readonly clock?: Clock } = {}): Setting {
  const testCloud = new TestCloud();
  const clock = new VirtualClock();
  const ready: Welcome[] = [];
  const goaways: string[] = [];
  const ends: OfframpError[] = [];
  let late = 0;
  const roundTrips: [number, number][] = [];
  const limits = change.limits ?? { welcomeTimeoutMs: 500, maxWaiting: 2 };
  const connection = new Connection(testCloud.dial, hello, change.clock ?? clock, limits, {
    onReady: (welcome) => ready.push(welcome),
    onGoaway: (reason) => goaways.push(reason),
    onEnd: (error) => ends.push(error),
    onLate: () => {
      late++;
    },
    onRoundTrip: (bytes, ms) => roundTrips.push([bytes, ms]),
  });
  const { last: cloud } = testCloud;
  return { connection, cloud, clock, ready, goaways, ends, late: () => late, roundTrips };
}

function ready(change: Partial<Welcome> = {}, options: Parameters<typeof dialled>[0] = {}): Setting {
  const made = dialled(options);
  made.cloud.accept(change);
  assert.is(made.ready.length, 1);
  return made;
}

const endCodes = ({ ends }: Setting) => ends.map(({ code }) => code);

const Handshake = suite('handshake of the device');

Handshake('takes the pace of its pings from the welcome, within bounds', () => {
  for (const [said, taken] of [
    [5000, 5000],
    [30_000, 30_000],
    [100, 1000],
    [600_000, 60_000],
  ] as const) {
    const { cloud } = dialled();
    cloud.events.onOpen();
    assert.equal(cloud.transport.heartbeats, []);
    cloud.events.onMessage(encodeWelcome({ ...welcome, heartbeatMs: said }));
    assert.equal(cloud.transport.heartbeats, [taken]);
  }
});

Handshake('tells how long the hello took until its welcome, and every ping', () => {
  const { cloud, clock, roundTrips } = dialled();
  clock.advance(100);
  cloud.events.onOpen();
  clock.advance(40);
  assert.equal(roundTrips, []);
  cloud.events.onMessage(encodeWelcome(welcome));
  assert.equal(roundTrips, [[clientWireBytes(encodeHello(hello).length), 40]]);
  cloud.events.onRoundTrip?.(6, 38);
  assert.equal(roundTrips[1], [6, 38]);
});

Handshake('says hello when open, and is ready with the welcome', () => {
  const { cloud, ready: welcomes, clock } = ready();
  assert.equal(parseHello(cloud.transport.frames[0]?.header), hello);
  assert.is(welcomes[0]?.server, 'cloud/test');
  assert.is(clock.pending, 0);
});

Handshake('no welcome in time ends it once, with CLOUD_UNREACHABLE', () => {
  const made = dialled();
  made.cloud.events.onOpen();
  made.clock.advance(499);
  assert.equal(endCodes(made), []);
  made.clock.advance(1);
  assert.equal(endCodes(made), ['CLOUD_UNREACHABLE']);
  assert.ok(made.cloud.transport.closed);
  made.cloud.events.onClose(1006, '');
  made.cloud.accept();
  assert.equal([endCodes(made).length, made.ready.length], [1, 0]);
});

Handshake('a welcome without our bundle, or with another digest, is BUNDLE_DIGEST_MISMATCH', () => {
  for (const bundles of [[{ id: 'm', digest: 'cd'.repeat(32) }], [{ id: 'other', digest }]]) {
    const made = dialled();
    made.cloud.accept({ bundles });
    assert.equal(endCodes(made), ['BUNDLE_DIGEST_MISMATCH']);
    assert.ok(made.cloud.transport.closed);
    assert.equal([made.ready.length, made.clock.pending], [0, 0]);
  }
});

Handshake('an error of the connection is why it ended', () => {
  const made = dialled();
  made.cloud.events.onOpen();
  made.cloud.events.onMessage(encodeError(0, new OfframpError('UNAUTHORIZED', 'no token')));
  made.cloud.events.onClose(4401, '');
  assert.equal(endCodes(made), ['UNAUTHORIZED']);
  assert.is(made.ends[0]?.message, 'no token');
});

Handshake(
  'a connection that closes before it is CLOUD_UNREACHABLE with its reason, and leaves no timer',
  () => {
    const made = dialled();
    made.cloud.events.onClose(1006, 'connect ECONNREFUSED');
    assert.equal([endCodes(made), made.clock.pending], [['CLOUD_UNREACHABLE'], 0]);
    assert.match(made.ends[0]?.message ?? '', 'connect ECONNREFUSED');
  },
);

Handshake('a second welcome ends the connection', () => {
  const made = dialled();
  made.cloud.accept();
  made.cloud.events.onMessage(encodeWelcome(welcome));
  assert.equal(endCodes(made), ['FRAME_INVALID']);
});

Handshake.run();

const Matching = suite('matching answers to requests');

Matching('goes by id, in any order', async () => {
  const { connection, cloud } = ready({ credits: 5 });
  const waits = [0, 1, 2].map(() => watch(connection.infer(offload())));
  const ids = cloud.requests.map(({ id }) => id);
  assert.is(new Set(ids).size, 3);
  assert.not(ids.includes(0));
  for (const id of [...ids].reverse()) cloud.answer(id);
  await settled();
  assert.equal(
    waits.map(({ result }) => result?.logits[0]),
    ids,
  );
  assert.is(connection.inFlight, 0);
});

Matching('says what was sent, framing included', async () => {
  const { connection, cloud } = ready();
  const wait = watch(connection.infer(offload()));
  cloud.answer(1);
  await settled();
  assert.is(wait.result?.bytesSent, clientWireBytes(cloud.transport.sent[1]?.length ?? 0));
  const [request] = cloud.requests;
  assert.equal([request?.cut, request?.budgetMs, request?.rows], [1, 100, offload().rows]);
});

Matching('an error frame ends its request alone', async () => {
  const made = ready();
  const [first, second] = [watch(made.connection.infer(offload())), watch(made.connection.infer(offload()))];
  made.cloud.events.onMessage(encodeError(1, new OfframpError('BUSY', 'full', { retryAfterMs: 7 })));
  made.cloud.answer(2);
  await settled();
  assert.equal([first.code, second.result?.id], ['BUSY', 2]);
  assert.equal(endCodes(made), []);
  const error = await first.promise.catch((thrown: unknown) => thrown);
  assert.is((error as OfframpError).retryAfterMs, 7);
});

Matching('an answer to nobody is counted and harms nobody', async () => {
  const made = ready();
  const wait = watch(made.connection.infer(offload()));
  made.cloud.answer(77);
  made.cloud.events.onMessage(encodeError(78, new OfframpError('BUSY', '')));
  assert.is(made.late(), 2);
  made.cloud.answer(1);
  made.cloud.answer(1);
  await settled();
  assert.is(wait.result?.id, 1);
  assert.is(made.late(), 3);
});

Matching.run();

const Budgets = suite('budgets');

Budgets('an answer that does not come in time is BUDGET_SPENT; when it comes it is late', async () => {
  const made = ready();
  const wait = watch(made.connection.infer(offload({ budgetMs: 50 })));
  made.clock.advance(49);
  await settled();
  assert.is(wait.code, undefined);
  made.clock.advance(1);
  await settled();
  assert.is(wait.code, 'BUDGET_SPENT');
  made.cloud.answer(1);
  await settled();
  assert.equal([made.late(), wait.result, made.connection.inFlight], [1, undefined, 0]);
});

Budgets('an answer in time leaves no timer', async () => {
  const made = ready();
  const wait = watch(made.connection.infer(offload()));
  made.cloud.answer(1);
  await settled();
  assert.is(wait.result?.id, 1);
  assert.is(made.clock.pending, 0);
});

Budgets('a request that was given up keeps its credit until the server answers it', async () => {
  // The server counts it until then, and would refuse the next one with CREDIT_EXCEEDED.
  const made = ready({ credits: 1 });
  watch(made.connection.infer(offload({ budgetMs: 10 })));
  made.clock.advance(10);
  const next = watch(made.connection.infer(offload({ budgetMs: 100 })));
  assert.is(made.cloud.requests.length, 1, 'more was sent than the server gave credits for');
  made.cloud.answer(1);
  assert.is(made.cloud.requests.length, 2);
  made.cloud.answer(2);
  await settled();
  assert.is(next.result?.id, 2);
});

Budgets('a budget beyond what a timer can hold is not spent at once', async () => {
  const made = ready({}, { clock: systemClock });
  const wait = watch(made.connection.infer(offload({ budgetMs: 2 ** 31 })));
  await new Promise((resolve) => setTimeout(resolve, 20));
  made.cloud.answer(1);
  await settled();
  assert.is(wait.code, undefined);
  assert.is(wait.result?.id, 1);
  made.connection.close();
});

Budgets.run();

const Credits = suite('credits');

Credits('bound what is sent; the rest waits in order', async () => {
  const made = ready({ credits: 2 });
  const waits = [1, 2, 3, 4].map((cut) => watch(made.connection.infer(offload({ cut }))));
  assert.equal(
    made.cloud.requests.map(({ cut }) => cut),
    [1, 2],
  );
  assert.is(made.connection.inFlight, 4);
  made.cloud.answer(2);
  assert.equal(
    made.cloud.requests.map(({ cut }) => cut),
    [1, 2, 3],
  );
  made.cloud.events.onMessage(encodeError(1, new OfframpError('BUSY', '')));
  assert.equal(
    made.cloud.requests.map(({ cut }) => cut),
    [1, 2, 3, 4],
  );
  for (const id of [3, 4]) made.cloud.answer(id);
  await settled();
  assert.equal(
    waits.map(({ result, code }) => code ?? result?.id),
    ['BUSY', 2, 3, 4],
  );
});

Credits('what waits beyond the limit is BUSY', async () => {
  const made = ready({ credits: 1 });
  const waits = [1, 2, 3, 4].map(() => watch(made.connection.infer(offload())));
  await settled();
  assert.equal(
    waits.map(({ code }) => code),
    [undefined, undefined, undefined, 'BUSY'],
  );
});

Credits('a request whose budget ends while it waits is BUDGET_SPENT and never sent', async () => {
  const made = ready({ credits: 1 });
  watch(made.connection.infer(offload({ budgetMs: 1000 })));
  const waiting = watch(made.connection.infer(offload({ budgetMs: 20, cut: 2 })));
  const behind = watch(made.connection.infer(offload({ budgetMs: 500, cut: 3 })));
  made.clock.advance(20);
  await settled();
  assert.is(waiting.code, 'BUDGET_SPENT');
  made.cloud.answer(1);
  assert.equal(
    made.cloud.requests.map(({ cut }) => cut),
    [1, 3],
  );
  made.cloud.answer(2);
  await settled();
  assert.is(behind.result?.id, 2);
});

Credits('the time spent waiting is taken off the budget that is sent', () => {
  const made = ready({ credits: 1 });
  watch(made.connection.infer(offload({ budgetMs: 1000 })));
  watch(made.connection.infer(offload({ budgetMs: 200 })));
  made.clock.advance(60);
  made.cloud.answer(1);
  assert.is(made.cloud.requests[1]?.budgetMs, 140);
});

Credits('a request made before the welcome goes out with it', async () => {
  const made = dialled();
  const early = watch(made.connection.infer(offload()));
  assert.is(made.cloud.requests.length, 0);
  made.cloud.accept();
  assert.is(made.cloud.requests.length, 1);
  made.cloud.answer(1);
  await settled();
  assert.is(early.result?.id, 1);
});

Credits('a request larger than the server takes is FRAME_TOO_LARGE, and costs no credit', async () => {
  const made = ready({ credits: 1, maxFrameBytes: 64 });
  const large = watch(made.connection.infer(offload({ rows: [new Uint8Array(41)] })));
  const exact = watch(made.connection.infer(offload({ rows: [new Uint8Array(40)] })));
  await settled();
  assert.is(large.code, 'FRAME_TOO_LARGE');
  const [sent] = made.cloud.requests;
  made.cloud.answer(sent?.id ?? 0);
  await settled();
  assert.ok(exact.result !== undefined);
});

Credits('one that waits and turns out too large does not hold up those behind it', async () => {
  const made = ready({ credits: 1, maxFrameBytes: 64 });
  watch(made.connection.infer(offload()));
  const large = watch(made.connection.infer(offload({ rows: [new Uint8Array(500)] })));
  const behind = watch(made.connection.infer(offload({ cut: 3 })));
  made.cloud.answer(1);
  await settled();
  assert.is(large.code, 'FRAME_TOO_LARGE');
  assert.is(made.cloud.requests[1]?.cut, 3, 'a credit is free and nobody takes it');
  made.cloud.answer(made.cloud.requests[1]?.id ?? 0);
  await settled();
  assert.ok(behind.result !== undefined);
});

Credits.run();

const Ends = suite('ends');

const malformed: readonly [name: string, message: Uint8Array][] = [
  ['no frame', Uint8Array.of(1, 2, 3)],
  ['a hello', encodeHello(hello)],
  ['an infer', encodeFrame('infer', 1, {})],
  ['a result of too many rows', resultOf(1, 2)],
  ['a result cut short', resultOf(1).subarray(0, -4)],
  ['an error without a code', encodeFrame('error', 1, {})],
  ['a goaway without a reason', encodeFrame('goaway', 0, {})],
  ['a welcome that does not fit', encodeFrame('welcome', 0, { server: 1 })],
];
for (const [name, message] of malformed) {
  Ends(`${name} from the server ends the connection, and nothing hangs`, async () => {
    const made = ready({ credits: 1 });
    const waits = [1, 2].map(() => watch(made.connection.infer(offload())));
    made.cloud.events.onMessage(message);
    await settled();
    for (const { code } of waits) assert.ok(code === 'CONNECTION_LOST' || code === 'FRAME_INVALID', code);
    assert.equal(endCodes(made), ['FRAME_INVALID']);
    assert.ok(made.cloud.transport.closed);
    assert.is(made.clock.pending, 0);
    assert.is(made.connection.inFlight, 0);
    made.cloud.events.onMessage(resultOf(2));
    made.cloud.events.onClose(1006, '');
    assert.is(made.ends.length, 1);
  });
}

Ends('a result with a logit that is not finite is no answer', async () => {
  const made = ready();
  const wait = watch(made.connection.infer(offload()));
  const message = resultOf(1);
  new DataView(message.buffer).setFloat32(message.length - 4, Number.NaN, true);
  made.cloud.events.onMessage(message);
  await settled();
  assert.is(wait.code, 'FRAME_INVALID');
});

Ends(
  'a lost connection rejects all with CONNECTION_LOST, those waiting too, and all later ones',
  async () => {
    const made = ready({ credits: 1 });
    const waits = [1, 2, 3].map(() => watch(made.connection.infer(offload())));
    made.cloud.events.onClose(1006, '');
    waits.push(watch(made.connection.infer(offload())));
    await settled();
    assert.ok(waits.every(({ code }) => code === 'CONNECTION_LOST'));
    assert.equal([made.clock.pending, made.ends.length], [0, 1]);
  },
);

Ends('close says so to the server and rejects what is in flight', async () => {
  const made = ready();
  const wait = watch(made.connection.infer(offload()));
  made.connection.close();
  await settled();
  assert.is(wait.code, 'CONNECTION_LOST');
  assert.is(made.cloud.transport.closes[0]?.code, 1000);
  assert.is(made.ends.length, 1);
  made.connection.close();
  assert.is(made.ends.length, 1);
});

Ends('leave finishes what is in flight and waiting, then closes', async () => {
  const made = ready({ credits: 1 });
  const waits = [1, 2].map(() => watch(made.connection.infer(offload())));
  made.cloud.events.onMessage(encodeGoaway('draining'));
  assert.equal(made.goaways, ['draining']);
  made.connection.leave();
  made.cloud.answer(1);
  assert.not(made.cloud.transport.closed);
  made.cloud.answer(2);
  await settled();
  assert.equal(
    waits.map(({ result }) => result?.id),
    [1, 2],
  );
  assert.is(made.cloud.transport.closes[0]?.code, 1000);
  const idle = ready();
  idle.connection.leave();
  assert.ok(idle.cloud.transport.closed);
});

Ends('leave closes as well when the last request in flight runs out of its budget', async () => {
  const made = ready({ credits: 2 });
  const [short, long] = [10, 50].map((budgetMs) => watch(made.connection.infer(offload({ budgetMs }))));
  made.connection.leave();
  made.clock.advance(10);
  await settled();
  assert.equal([short?.code, long?.code], ['BUDGET_SPENT', undefined]);
  assert.not(made.cloud.transport.closed, 'it closed under a request in flight');
  made.clock.advance(40);
  await settled();
  assert.is(long?.code, 'BUDGET_SPENT');
  assert.is(made.cloud.transport.closes[0]?.code, 1000);
});

Ends.run();
