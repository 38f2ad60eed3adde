import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Clients,
  Session,
  type SessionHost,
  type SessionLimits,
  serveBundle,
  type Work,
} from '../../cloud/index.ts';
import type { Clock } from '../../shared/clock.ts';
import { type ErrorCode, errorKind, OfframpError } from '../../shared/errors.ts';
import { parseTokens } from '../../shared/host/index.ts';
import {
  type Alarms,
  type BundleRun,
  encodeAlarms,
  encodeFrame,
  encodeGoaway,
  encodeHello,
  encodeInfer,
  parseError,
  parseGoaway,
  parseResult,
  parseWelcome,
} from '../../shared/protocol/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import { MemoryTransport } from '../protocol/memory-transport.ts';
import { openRealBundle } from '../runtime/real-bundle.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';
import { HeldRunner, makeEngine, shelfOf, sureLogits } from './engine-source.ts';

const served = serveBundle(await openRealBundle());
const { id: bundleId, digest, tag, classes } = served;
const image = new Uint8Array(served.bundle.manifest.input.shape.reduce((a, b) => a * b, 1));
const token = 'the-token-of-this-test';
const limits: SessionLimits = {
  credits: 2,
  maxFrameBytes: 100_000,
  maxImageBytes: 50_000,
  heartbeatMs: 5000,
  helloTimeoutMs: 3000,
  maxUnsentBytes: 1000,
  requestsPerSecond: 1000,
};

interface Setting {
  readonly session: Session;
  readonly transport: MemoryTransport;
  readonly clock: VirtualClock;
  readonly runner: HeldRunner;
  readonly refusals: string[];
  readonly ready: string[];
  /** Bundle and seconds of every answer. */
  readonly answered: [string, number][];
  readonly engine: ReturnType<typeof makeEngine>['engine'];
}

/** A session over a transport in memory, before a real engine whose runs the test ends. */
function setting(
  change: { readonly clock?: Clock; readonly tokens?: string; readonly requestsPerSecond?: number } = {},
): Setting {
  const clock = new VirtualClock();
  const runner = new HeldRunner();
  const engineLimits = { maxBatchRows: 4, maxQueuedRows: 8 };
  const { engine } = makeEngine(runner, { clock: change.clock ?? clock, limits: engineLimits });
  const refusals: string[] = [];
  const ready: string[] = [];
  const answered: [string, number][] = [];
  const tokens = parseTokens(change.tokens ?? token, 'the test');
  const openScopes = ['infer'] as const;
  const clients = new Clients({ tokens, openScopes, clock, epochMs: () => 0, onRows: () => {} });
  const host: SessionHost = {
    serverName: 'offramp/test',
    shelf: shelfOf(served),
    limits: { ...limits, ...(change.requestsPerSecond && { requestsPerSecond: change.requestsPerSecond }) },
    clock,
    load: () => engine.load,
    runsOf: (served) => engine.runsOf(served),
    connection: 'connection 1',
    authorise: (given) => clients.connect({ token: given }),
    submit: (work: Work) => engine.submit(work),
    onRefused: (code) => refusals.push(code),
    onReady: (agent) => ready.push(agent),
    onAnswered: (bundle, seconds) => answered.push([bundle, seconds]),
  };
  const transport = new MemoryTransport();
  return {
    session: new Session(host, transport),
    transport,
    clock,
    runner,
    refusals,
    ready,
    answered,
    engine,
  };
}

const hello = { agent: 'cam/1', token, bundles: [{ id: bundleId, digest }] };
const infer = (id: number, change: object = {}) =>
  encodeInfer({ id, bundleTag: tag, cut: 0, budgetMs: 1000, rows: [image], ...change });

function greeted(change: Parameters<typeof setting>[0] = {}): Setting {
  const made = setting(change);
  made.session.onMessage(encodeHello(hello));
  assert.is(made.transport.lastFrame?.type, 'welcome');
  return made;
}

/** Asserts that the connection was ended by this error: said in a frame with id 0, counted, closed with its code. */
function endedBy({ transport, refusals, clock, engine }: Setting, code: ErrorCode): void {
  const { lastFrame } = transport;
  assert.is(lastFrame?.type, 'error');
  if (lastFrame === undefined) return;
  assert.equal([parseError(lastFrame).code, lastFrame.id], [code, 0]);
  assert.is(refusals.filter((counted) => counted === code).length, 1, `${code} was not counted once`);
  assert.is(transport.closes.length, 1);
  assert.is(transport.closes[0]?.code, errorKind(code).closeCode);
  assert.is(clock.pending, 0, 'a timer is left');
  assert.is(engine.load.queuedRows, 0);
}

/** Asserts that request `id` alone was refused with this error, and the connection goes on. */
function refusedOnly({ transport, refusals }: Setting, id: number, code: ErrorCode): void {
  const { lastFrame } = transport;
  assert.is(lastFrame?.type, 'error');
  if (lastFrame === undefined) return;
  assert.equal([parseError(lastFrame).code, lastFrame.id], [code, id]);
  assert.equal(refusals, [code]);
  assert.not(transport.closed);
}

async function finish({ runner }: Setting, index: number): Promise<void> {
  const run = runner.runs[index];
  run?.finish(sureLogits(served, run.rows));
  await settled();
}

const Hello = suite('hello');

Hello('is answered by a welcome that says what the server takes', () => {
  const { transport, ready, refusals } = greeted();
  const [frame] = transport.frames;
  assert.is(frame?.id, 0);
  assert.equal(parseWelcome(frame?.header), {
    server: 'offramp/test',
    bundles: [{ id: bundleId, digest }],
    credits: 2,
    maxFrameBytes: 100_000,
    maxImageBytes: 50_000,
    heartbeatMs: 5000,
    load: { queuedRows: 0, runningRows: 0 },
  });
  assert.equal([ready, refusals], [['cam/1'], []]);
});

Hello('is told what batches of a bundle take, once that was measured', () => {
  const { session, transport, engine } = setting();
  engine.introduce(served, [
    { key: segmentKey(served.runKey, 0), rows: 1, runMicros: 1000 },
    { key: segmentKey(served.runKey, 1), rows: 1, runMicros: 3000 },
  ]);
  session.onMessage(encodeHello(hello));
  const [bundle] = parseWelcome(transport.lastFrame?.header).bundles;
  const whole = ({ fixedMicros, perRowMicros }: BundleRun) => fixedMicros + perRowMicros;
  const runs = (bundle?.runs ?? []).map((run) => [run.cut, run.exit, Math.round(whole(run) / 10)]);
  assert.equal(runs, [
    [0, 0, 100],
    [0, 1, 400],
    [1, 1, 300],
  ]);
});

Hello('that does not come in time ends the connection; one in time does not', () => {
  const late = setting();
  late.clock.advance(2999);
  assert.not(late.transport.closed);
  late.clock.advance(1);
  endedBy(late, 'HELLO_TIMEOUT');
  const inTime = greeted();
  inTime.clock.advance(10_000);
  assert.not(inTime.transport.closed);
  assert.is(inTime.clock.pending, 0);
});

const refused: readonly [name: string, message: Uint8Array, code: ErrorCode][] = [
  ['without a token', encodeHello({ agent: 'x', bundles: hello.bundles }), 'UNAUTHORIZED'],
  ['with a wrong token', encodeHello({ ...hello, token: 'not-the-token-of-this' }), 'UNAUTHORIZED'],
  [
    'with a wrong token and a wrong digest, which it is not told',
    encodeHello({ ...hello, token: '', bundles: [{ id: bundleId, digest: 'a'.repeat(64) }] }),
    'UNAUTHORIZED',
  ],
  [
    'with another digest',
    encodeHello({ ...hello, bundles: [{ id: bundleId, digest: 'a'.repeat(64) }] }),
    'BUNDLE_DIGEST_MISMATCH',
  ],
  [
    'with one bundle that is known and one that is not',
    encodeHello({ ...hello, bundles: [...hello.bundles, { id: 'nobody', digest }] }),
    'BUNDLE_NOT_FOUND',
  ],
  ['with a field too many', encodeFrame('hello', 0, { ...hello, admin: 1 }), 'HELLO_INVALID'],
  ['that is an infer frame', infer(1), 'HELLO_INVALID'],
  ['that is a goaway', encodeGoaway('x'), 'HELLO_INVALID'],
  ['of no frame at all', Uint8Array.of(1, 2, 3), 'FRAME_INVALID'],
  ['of another version', Uint8Array.of(0x4f, 0x21, 0, 0, 0, 0, 0, 0), 'PROTOCOL_UNSUPPORTED'],
];
for (const [name, message, code] of refused) {
  Hello(`${name} is ${code}`, () => {
    const made = setting();
    made.session.onMessage(message);
    endedBy(made, code);
    made.session.onMessage(encodeHello(hello));
    assert.is(made.transport.sent.length, 1, 'it listens on after the end');
    assert.equal(made.ready, []);
  });
}

Hello('a digest mismatch names both digests', () => {
  const made = setting();
  made.session.onMessage(encodeHello({ ...hello, bundles: [{ id: bundleId, digest: 'a'.repeat(64) }] }));
  const { lastFrame } = made.transport;
  const words = lastFrame === undefined ? '' : parseError(lastFrame).message;
  assert.ok(words.includes(digest) && words.includes('a'.repeat(64)), words);
});

Hello('a second hello ends the connection', () => {
  const made = greeted();
  made.session.onMessage(encodeHello(hello));
  endedBy(made, 'FRAME_INVALID');
});

Hello('a frame that only a server sends ends the connection', () => {
  for (const type of ['welcome', 'result', 'error', 'goaway'] as const) {
    const made = greeted();
    made.session.onMessage(encodeFrame(type, 0, {}));
    endedBy(made, 'FRAME_INVALID');
  }
});

const exitShare = { seen: 0.25, calibrated: 0.97 };

Hello('alarms of a device stand until it takes them back', () => {
  const { session, transport } = greeted();
  const tell = (alarms: Omit<Alarms, 'bundleTag'>) =>
    session.onMessage(encodeAlarms({ bundleTag: tag, ...alarms }));
  assert.equal(session.alarms, []);
  tell({ exitShare, audits: { seen: 0.1, allowed: 0.01, thresholdScale: 0.5 } });
  assert.equal(session.alarms, [
    { bundle: bundleId, watch: 'audits', seen: 0.1, expected: 0.01, thresholdScale: 0.5 },
    { bundle: bundleId, watch: 'exit-share', seen: 0.25, expected: 0.97, thresholdScale: 1 },
  ]);
  tell({ exitShare });
  assert.is(session.alarms.length, 1);
  tell({});
  assert.equal(session.alarms, []);
  assert.is(transport.sent.length, 1, 'nothing but the welcome');
});

Hello('alarms of a bundle that it does not name end the connection', () => {
  const made = greeted();
  made.session.onMessage(encodeAlarms({ bundleTag: tag ^ 1, exitShare }));
  endedBy(made, 'FRAME_INVALID');
});

Hello('alarms that come too fast are dropped and counted', () => {
  const made = greeted({ requestsPerSecond: 2 });
  for (const seen of [0.1, 0.2, 0.3]) {
    made.session.onMessage(encodeAlarms({ bundleTag: tag, exitShare: { ...exitShare, seen } }));
  }
  assert.is(made.session.alarms[0]?.seen, 0.2);
  assert.equal(made.refusals, ['RATE_LIMITED']);
});

Hello('a closed connection leaves no timer', () => {
  const made = setting();
  made.session.onClose();
  assert.is(made.clock.pending, 0);
  made.clock.advance(10_000);
  assert.equal([made.transport.sent.length, made.refusals], [0, []]);
});

Hello.run();

const Requests = suite('requests');

Requests('are answered by id', async () => {
  const made = greeted();
  made.session.onMessage(infer(70_000));
  made.session.onMessage(infer(5));
  assert.is(made.session.inFlight, 2);
  await finish(made, 0);
  await finish(made, 1);
  const [, first, second] = made.transport.frames;
  assert.equal([first?.type, first?.id, second?.type, second?.id], ['result', 70_000, 'result', 5]);
  if (first === undefined) return;
  const result = parseResult(first, classes);
  assert.equal(result.exits, [0]);
  assert.is(result.logits.length, classes);
  assert.is(made.session.inFlight, 0);
});

Requests('are counted when they are answered, with the time from the whole request on', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.clock.advance(250);
  assert.equal(made.answered, []);
  await finish(made, 0);
  assert.equal(made.answered, [[bundleId, 0.25]]);
});

Requests('are not counted as answered when their device has gone meanwhile', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.session.onClose();
  await finish(made, 0);
  assert.equal(made.answered, []);
});

Requests('id 0, which belongs to the connection, ends it', () => {
  const made = greeted();
  made.session.onMessage(infer(0));
  endedBy(made, 'FRAME_INVALID');
});

Requests('an id that is in flight ends the connection; one that was answered may come again', async () => {
  const made = greeted();
  made.session.onMessage(infer(9));
  await finish(made, 0);
  made.session.onMessage(infer(9));
  assert.is(made.session.inFlight, 1);
  made.session.onMessage(infer(9));
  endedBy(made, 'DUPLICATE_REQUEST');
});

const refusedRequests: readonly [name: string, message: Uint8Array, code: ErrorCode][] = [
  ['an unknown tag', infer(7, { bundleTag: (tag ^ 1) >>> 0 }), 'BUNDLE_NOT_FOUND'],
  ['a cut beyond the last', infer(7, { cut: 2 }), 'CUT_UNSUPPORTED'],
  ['channels that no rate has', infer(7, { cut: 1, channels: 4096 }), 'RATE_UNSUPPORTED'],
  ['a rate with an image', encodeFrame('infer', 7, { b: tag, t: 1, c: 0, r: 6 }, image), 'FRAME_INVALID'],
  ['corrupt codes', infer(7, { cut: 1, rows: [new Uint8Array(7).fill(1)] }), 'CODES_CORRUPT'],
  ['an image of another length', infer(7, { rows: [new Uint8Array(10)] }), 'TENSOR_INVALID'],
  ['more rows than a batch', infer(7, { rows: Array.from({ length: 5 }, () => image) }), 'TENSOR_INVALID'],
  ['no budget left', infer(7, { budgetMs: 0 }), 'BUDGET_SPENT'],
  ['a header that does not fit', encodeFrame('infer', 7, { b: tag }), 'FRAME_INVALID'],
];
for (const [name, message, code] of refusedRequests) {
  Requests(`${name} answers that request alone, with ${code}`, async () => {
    const made = greeted();
    made.session.onMessage(message);
    refusedOnly(made, 7, code);
    assert.is(made.session.inFlight, 0, 'it still takes a credit');
    made.session.onMessage(infer(7));
    await finish(made, 0);
    assert.is(made.transport.lastFrame?.type, 'result');
  });
}

Requests('beyond its credits a request alone is refused', async () => {
  const made = greeted();
  for (const id of [1, 2, 3]) made.session.onMessage(infer(id));
  refusedOnly(made, 3, 'CREDIT_EXCEEDED');
  await finish(made, 0);
  made.session.onMessage(infer(4));
  assert.is(made.session.inFlight, 2);
});

Requests('a full queue is BUSY and says when to come again', () => {
  const made = greeted();
  const rows = Array.from({ length: 4 }, () => image);
  made.session.onMessage(infer(1, { rows }));
  // Other connections fill the queue.
  for (let index = 0; index < 2; index++) {
    made.engine.submit({ served, client: 'one', cut: 0, rows, budgetMs: 1000, onResult() {}, onError() {} });
  }
  made.session.onMessage(infer(2));
  refusedOnly(made, 2, 'BUSY');
  const { lastFrame } = made.transport;
  assert.ok(lastFrame !== undefined && (parseError(lastFrame).retryAfterMs ?? 0) >= 1);
});

Requests('a failed run is told and counted, and the connection goes on', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.runner.runs[0]?.fail(new OfframpError('RUNTIME_FAILED', 'no memory'));
  await settled();
  refusedOnly(made, 1, 'RUNTIME_FAILED');
});

Requests('a budget that ends in the queue is told and counted', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.session.onMessage(infer(2, { budgetMs: 10 }));
  made.clock.advance(11);
  await finish(made, 0);
  const codes = made.transport.frames.flatMap((frame) =>
    frame.type === 'error' ? [[frame.id, parseError(frame).code]] : [],
  );
  assert.equal(codes, [[2, 'BUDGET_SPENT']]);
  assert.equal(made.refusals, ['BUDGET_SPENT']);
  assert.is(made.session.inFlight, 0);
});

Requests('a budget that ends while the request is read is answered all the same', async () => {
  // Each look at the clock takes 2 ms, as on a machine that reads large requests slowly.
  let nowMs = 0;
  const slow: Clock = {
    now: () => {
      nowMs += 2;
      return nowMs;
    },
    schedule: () => () => {},
  };
  const made = greeted({ clock: slow });
  made.session.onMessage(infer(1, { budgetMs: 1 }));
  await settled();
  assert.is(made.session.inFlight, 0, 'a credit is lost for ever');
  refusedOnly(made, 1, 'BUDGET_SPENT');
});

Requests.run();

const Limits = suite('limits of requests');

Limits(
  'too many a second are refused one by one, with when to come again, and the connection goes on',
  async () => {
    const made = greeted({ requestsPerSecond: 2 });
    const { session, transport, clock } = made;
    for (const id of [1, 2]) session.onMessage(infer(id, { budgetMs: -1 }));
    session.onMessage(infer(3));
    const { lastFrame } = transport;
    const error = lastFrame && parseError(lastFrame);
    assert.equal([error?.id, error?.code, error?.retryAfterMs], [3, 'RATE_LIMITED', 500]);
    clock.advance(500);
    session.onMessage(infer(4));
    await finish(made, 0);
    assert.is(transport.lastFrame?.type, 'result');
    assert.not(transport.closed);
  },
);

Limits('what comes too fast is not even read', () => {
  const made = greeted({ requestsPerSecond: 1 });
  made.session.onMessage(infer(1, { budgetMs: 0 }));
  made.session.onMessage(encodeFrame('infer', 2, { nonsense: true }));
  const { lastFrame } = made.transport;
  assert.is(lastFrame && parseError(lastFrame).code, 'RATE_LIMITED');
});

Limits('of the token hold before the engine is asked, and are free again with the answer', async () => {
  const made = greeted({ tokens: `site-a ${token} in-flight 1` });
  const { session, transport } = made;
  const [welcome] = transport.frames;
  assert.is(welcome && parseWelcome(welcome.header).credits, 1);
  session.onMessage(infer(1));
  session.onMessage(infer(2));
  const { lastFrame } = transport;
  assert.is(lastFrame && parseError(lastFrame).code, 'RATE_LIMITED');
  await finish(made, 0);
  session.onMessage(infer(3));
  await finish(made, 1);
  assert.is(transport.lastFrame?.id, 3);
  assert.is(transport.lastFrame?.type, 'result');
});

Limits('a request that the engine refuses gives back what it took', () => {
  const { session, transport } = greeted({ tokens: `site-a ${token} in-flight 1` });
  for (const id of [1, 2, 3]) session.onMessage(infer(id, { cut: 40 }));
  const codes = transport.frames.slice(1).map((frame) => parseError(frame).code);
  assert.equal(codes, new Array(3).fill('CUT_UNSUPPORTED'));
});

Limits.run();

const Ends = suite('the end of a connection');

Ends('drops what still waits, and what comes later is not sent', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.session.onMessage(infer(2, { rows: [image, image] }));
  assert.equal(made.engine.load, { queuedRows: 2, runningRows: 1 });
  made.session.onClose();
  assert.equal(made.engine.load, { queuedRows: 0, runningRows: 1 });
  const before = made.transport.sent.length;
  await finish(made, 0);
  assert.is(made.transport.sent.length, before);
  assert.is(made.runner.runs.length, 1);
  assert.ok(made.engine.idle);
});

Ends('a peer that does not read is closed as SLOW_PEER, its work dropped', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.session.onMessage(infer(2));
  made.transport.bufferedBytes = 1001;
  await finish(made, 0);
  assert.equal(
    made.transport.closes.map(({ code }) => code),
    [errorKind('SLOW_PEER').closeCode],
  );
  assert.equal(made.refusals, ['SLOW_PEER']);
  assert.is(made.session.inFlight, 0);
  assert.is(made.engine.load.queuedRows, 0);
});

Ends('exactly the limit unread is no fault', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.transport.bufferedBytes = 1000;
  await finish(made, 0);
  assert.is(made.transport.lastFrame?.type, 'result');
  assert.not(made.transport.closed);
});

Ends('a goaway is told, and what is in flight is still answered', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.session.goAway('draining');
  const { lastFrame } = made.transport;
  assert.equal([lastFrame?.type, lastFrame?.id], ['goaway', 0]);
  assert.equal(parseGoaway(lastFrame?.header), { reason: 'draining' });
  assert.not(made.transport.closed);
  await finish(made, 0);
  assert.is(made.transport.lastFrame?.type, 'result');
});

Ends('a peer that has not said hello yet is closed at once by a goaway', () => {
  const made = setting();
  made.session.goAway('draining');
  assert.equal(made.transport.closes, [{ code: 1000, reason: 'draining' }]);
});

Ends('an error while requests are in flight drops them', async () => {
  const made = greeted();
  made.session.onMessage(infer(1));
  made.session.onMessage(infer(2));
  made.session.onMessage(Uint8Array.of(0));
  endedBy(made, 'FRAME_INVALID');
  await finish(made, 0);
  assert.is(made.transport.lastFrame?.type, 'error');
  assert.ok(made.engine.idle);
});

Ends.run();
