import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../shared/errors.ts';
import { encodeError, encodeGoaway, parseAlarms } from '../../shared/protocol/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { settled } from '../support/virtual-clock.ts';
import { offload, watch, welcome } from './link-source.ts';
import { connected, dialling, going, type Setting, started } from './uplink-source.ts';

/** Lets the connection drop as a network does. */
function drop({ cloud }: Setting): void {
  cloud.last.events.onClose(1006, '');
}

const Work = suite('work on the uplink');

Work('before there is a connection is CLOUD_UNREACHABLE at once', async () => {
  const { uplink, cloud } = started();
  assert.not(uplink.connected);
  await rejectsCode(uplink.infer(offload()), 'CLOUD_UNREACHABLE');
  cloud.last.events.onOpen();
  await rejectsCode(uplink.infer(offload()), 'CLOUD_UNREACHABLE');
});

Work('goes over the connection once it is there', async () => {
  const { uplink, cloud, events } = connected();
  assert.equal(uplink.welcome, welcome);
  const wait = watch(uplink.infer(offload()));
  await settled();
  cloud.last.answer(1);
  await settled();
  assert.is(wait.result?.id, 1);
  assert.equal(events, [{ kind: 'connected', welcome }]);
});

Work('how long a picture may be is known while there is a connection that says it', () => {
  const made = started();
  assert.is(made.uplink.maxImageBytes, undefined);
  made.cloud.last.accept({ maxImageBytes: 5000 });
  assert.is(made.uplink.maxImageBytes, 5000);
  drop(made);
  assert.is(made.uplink.maxImageBytes, undefined);
  made.clock.advance(100);
  made.cloud.last.accept();
  assert.is(made.uplink.maxImageBytes, undefined);
});

Work('late answers are counted over all connections', async () => {
  const made = connected();
  watch(made.uplink.infer(offload({ budgetMs: 10 })));
  await settled();
  made.clock.advance(10);
  made.cloud.last.answer(1);
  assert.is(made.uplink.lateAnswers, 1);
  drop(made);
  made.clock.advance(100);
  made.cloud.last.accept();
  made.cloud.last.answer(5);
  assert.is(made.uplink.lateAnswers, 2);
});

Work.run();

const Alarms = suite('alarms on the uplink');

const figures = {
  ...{ images: 900, calibrated: 0.58, tolerated: { low: 0.4, high: 0.75 }, recent: 0.25 },
  ...{ moved: true, alarms: 1 },
};
const exitShare = { seen: 0.25, calibrated: 0.58 };
const bundleTag = 0xabababab;

function told({ cloud }: Setting): unknown[] {
  const { frames } = cloud.last.transport;
  return frames.filter(({ type }) => type === 'alarms').map(({ header }) => parseAlarms(header));
}

Alarms('are told when they are raised and when they are taken back', () => {
  const made = connected();
  assert.equal(told(made), [], 'none stands, and none is told');
  made.alarms.listen(() => made.uplink.tellAlarms());
  made.alarms.onExitShare('moved', figures);
  made.alarms.onExitShare('back', { ...figures, moved: false });
  assert.equal(told(made), [{ bundleTag, exitShare }, { bundleTag }]);
});

Alarms('that stand are told to every server after its welcome', () => {
  const made = started();
  made.alarms.listen(() => made.uplink.tellAlarms());
  made.alarms.onExitShare('moved', figures);
  const drifted = { audits: 200, disagreements: 50, range: { low: 0.2, high: 0.3 }, evidence: 1e5 };
  made.alarms.onDrift({ figures: drifted, thresholdScale: 0.5 }, 0.01);
  assert.equal(told(made), [], 'before there is a welcome');
  const audits = { seen: 0.25, allowed: 0.01, thresholdScale: 0.5 };
  made.cloud.last.accept();
  assert.equal(told(made), [{ bundleTag, audits, exitShare }]);
  drop(made);
  made.clock.advance(100);
  made.cloud.last.accept();
  assert.equal(told(made), [{ bundleTag, audits, exitShare }]);
});

Alarms.run();

const Retries = suite('connecting again');

Retries('pauses grow up to the longest, and start anew after a welcome', () => {
  const made = started();
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    drop(made);
    const last = made.events.at(-1);
    if (last?.kind === 'disconnected') pauses.push(last.retryInMs);
    made.clock.advance((last?.kind === 'disconnected' ? last.retryInMs : 0) - 1);
    assert.is(made.cloud.dialled.length, attempt + 1, 'it came back too early');
    made.clock.advance(1);
    assert.is(made.cloud.dialled.length, attempt + 2);
  }
  assert.equal(pauses, [100, 200, 400, 800, 1000, 1000]);
  made.cloud.last.accept();
  drop(made);
  const last = made.events.at(-1);
  assert.is(last?.kind === 'disconnected' ? last.retryInMs : 0, 100);
});

Retries('a server that never welcomes is left and tried again', () => {
  const made = started();
  made.cloud.last.events.onOpen();
  made.clock.advance(500);
  assert.is(made.uplink.lastError.code, 'CLOUD_UNREACHABLE');
  made.clock.advance(100);
  assert.is(made.cloud.dialled.length, 2);
  made.cloud.last.accept();
  assert.ok(made.uplink.connected);
});

Retries('a connection that drops is CONNECTION_LOST for what is in flight and for new work', async () => {
  const made = connected();
  const wait = watch(made.uplink.infer(offload()));
  await settled();
  drop(made);
  await settled();
  assert.is(wait.code, 'CONNECTION_LOST');
  assert.not(made.uplink.connected);
  assert.is(made.uplink.welcome, undefined);
  await rejectsCode(made.uplink.infer(offload()), 'CONNECTION_LOST');
  made.clock.advance(100);
  made.cloud.last.accept();
  const again = watch(made.uplink.infer(offload()));
  await settled();
  made.cloud.last.answer(1);
  await settled();
  assert.is(again.result?.id, 1);
});

Retries('one that never was is CLOUD_UNREACHABLE', () => {
  const made = started();
  drop(made);
  assert.is(made.uplink.lastError.code, 'CLOUD_UNREACHABLE');
});

for (const code of ['UNAUTHORIZED', 'BUNDLE_DIGEST_MISMATCH', 'BUNDLE_NOT_FOUND'] as const) {
  Retries(`a server that refuses us with ${code} is why, and is tried again all the same`, async () => {
    const made = started();
    made.cloud.last.events.onOpen();
    made.cloud.last.events.onMessage(encodeError(0, new OfframpError(code, 'words of the server')));
    drop(made);
    await rejectsCode(made.uplink.infer(offload()), code, 'words of the server');
    made.clock.advance(100);
    assert.is(made.cloud.dialled.length, 2);
  });
}

Retries.run();

const Close = suite('close');

Close('ends everything and never comes back', async () => {
  const made = connected();
  const wait = watch(made.uplink.infer(offload()));
  await settled();
  made.uplink.close();
  await settled();
  assert.is(wait.code, 'CONNECTION_LOST');
  assert.ok(made.cloud.last.transport.closed);
  assert.not(made.uplink.connected);
  made.clock.advance(100_000);
  assert.equal([made.cloud.dialled.length, made.clock.pending], [1, 0]);
  await rejectsCode(made.uplink.infer(offload()), 'CONNECTION_LOST');
});

Close('during a pause, a handshake or any stage of a goaway leaves no timer and no connection', async () => {
  const pausing = started();
  drop(pausing);
  pausing.uplink.close();
  const greeting = started();
  greeting.uplink.close();
  assert.ok(greeting.cloud.last.transport.closed);
  const leaving = going();
  const handing = dialling();
  const left = dialling();
  const waits = [leaving, handing, left].map(({ uplink }) =>
    watch(uplink.infer(offload({ budgetMs: 1000 }))),
  );
  await settled();
  left.cloud.last.accept();
  for (const { uplink } of [leaving, handing, left]) uplink.close();
  await settled();
  assert.equal(
    waits.map(({ code }) => code),
    ['CONNECTION_LOST', 'CONNECTION_LOST', 'CONNECTION_LOST'],
  );
  for (const { clock, cloud } of [pausing, greeting, leaving, handing, left]) {
    const before = cloud.dialled.length;
    assert.is(clock.pending, 0);
    clock.advance(100_000);
    assert.is(cloud.dialled.length, before);
  }
  for (const { transport } of [leaving, handing, left].flatMap(({ cloud }) => cloud.dialled)) {
    assert.ok(transport.closed);
  }
});

Close('by whoever hears of a goaway leaves no timer', () => {
  const made = connected();
  made.listeners.push(() => made.uplink.close());
  made.cloud.last.events.onMessage(encodeGoaway('update'));
  assert.equal([made.clock.pending, made.cloud.dialled.length], [0, 1]);
});

Close.run();
