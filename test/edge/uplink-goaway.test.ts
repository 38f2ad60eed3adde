/** What becomes of a connection whose server asks the device to go elsewhere. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../shared/errors.ts';
import { encodeError, encodeGoaway, encodeWelcome } from '../../shared/protocol/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { settled } from '../support/virtual-clock.ts';
import { offload, watch, welcome } from './link-source.ts';
import { connected, dialling, going, kinds } from './uplink-source.ts';

const Goaway = suite('goaway');

Goaway(
  'the old server gets the work until the new one has welcomed us, and from then on the new one',
  async () => {
    const made = dialling();
    const { uplink, cloud, old } = made;
    const before = watch(uplink.infer(offload({ budgetMs: 1000 })));
    cloud.last.events.onOpen();
    const during = watch(uplink.infer(offload({ budgetMs: 1000 })));
    await settled();
    assert.equal([old.requests.length, cloud.last.requests.length], [2, 0]);
    cloud.last.accept();
    const after = watch(uplink.infer(offload({ budgetMs: 1000 })));
    await settled();
    assert.equal([old.requests.length, cloud.last.requests.length], [2, 1]);
    assert.not(old.transport.closed, 'it has yet to answer');
    old.answer(1);
    old.answer(2);
    cloud.last.answer(1);
    await settled();
    assert.equal([before.result?.id, during.result?.id, after.result?.id], [1, 2, 1]);
    assert.is(old.transport.closes[0]?.code, 1000);
    old.events.onClose(1000, '');
    made.clock.advance(10_000);
    assert.ok(uplink.connected, 'the old end took the new connection with it');
    assert.equal(kinds(made), ['connected', 'goaway', 'connected']);
    assert.equal([cloud.dialled.length, made.clock.pending], [2, 0]);
  },
);

Goaway('what the old server answers late is counted, and answers nothing of the new one', async () => {
  const { uplink, cloud, clock, old } = dialling();
  const late = watch(uplink.infer(offload({ budgetMs: 50 })));
  cloud.last.accept();
  const fresh = watch(uplink.infer(offload({ budgetMs: 1000 })));
  await settled();
  clock.advance(50);
  await settled();
  assert.is(late.code, 'BUDGET_SPENT');
  old.answer(1);
  await settled();
  assert.equal([uplink.lateAnswers, late.result, fresh.result], [1, undefined, undefined]);
  cloud.last.answer(1);
  await settled();
  assert.is(fresh.result?.id, 1);
});

Goaway('a first attempt that fails ends the work for the old server, not what it has in flight', async () => {
  const made = dialling();
  const { uplink, cloud, clock, old } = made;
  const wait = watch(uplink.infer(offload({ budgetMs: 1000 })));
  await settled();
  cloud.last.events.onClose(1006, 'HTTP 503');
  assert.not(uplink.connected);
  await rejectsCode(uplink.infer(offload()), 'CLOUD_UNREACHABLE', '503');
  old.answer(1);
  await settled();
  assert.is(wait.result?.id, 1);
  assert.is(old.transport.closes[0]?.code, 1000);
  clock.advance(199);
  assert.is(cloud.dialled.length, 2, 'the second pause is longer than the first');
  clock.advance(1);
  cloud.last.accept();
  assert.ok(uplink.connected);
  assert.equal(kinds(made), ['connected', 'goaway', 'disconnected', 'connected']);
  const apart = made.events[2];
  assert.is(apart?.kind === 'disconnected' ? apart.retryInMs : undefined, 200);
});

Goaway(
  'an attempt that hangs ends the work for it after half a second: then new work is DRAINING',
  async () => {
    const made = going();
    const { uplink, cloud, clock, old } = made;
    clock.advance(499);
    assert.ok(uplink.connected);
    clock.advance(1);
    assert.not(uplink.connected);
    await rejectsCode(uplink.infer(offload()), 'DRAINING', 'update');
    assert.is(old.transport.closes[0]?.code, 1000);
    assert.equal(kinds(made), ['connected', 'goaway', 'disconnected']);
    const apart = made.events[2];
    assert.is(apart?.kind === 'disconnected' ? apart.retryInMs : undefined, 0, 'an attempt is under way');
    cloud.last.accept();
    assert.ok(uplink.connected);
    assert.is(cloud.dialled.length, 2);
  },
);

Goaway('a server that unloaded our bundle gets no more of it, and refuses us at the next hello', async () => {
  const made = going();
  const { uplink, cloud, clock, old } = made;
  const words = 'No bundle here has a digest that begins with abababab';
  const wait = watch(uplink.infer(offload()));
  await settled();
  old.events.onMessage(encodeError(1, new OfframpError('BUNDLE_NOT_FOUND', words)));
  await settled();
  assert.is(wait.code, 'BUNDLE_NOT_FOUND');
  await rejectsCode(uplink.infer(offload()), 'DRAINING');
  assert.is(old.requests.length, 1, 'no bytes for another refusal');
  clock.advance(100);
  cloud.last.events.onOpen();
  const refusal = new OfframpError('BUNDLE_NOT_FOUND', "This server has no bundle 'm'");
  cloud.last.events.onMessage(encodeError(0, refusal));
  cloud.last.events.onClose(4404, 'BUNDLE_NOT_FOUND');
  await rejectsCode(uplink.infer(offload()), 'BUNDLE_NOT_FOUND', 'no bundle');
  clock.advance(200);
  assert.is(cloud.dialled.length, 3);
  assert.equal(kinds(made), ['connected', 'goaway', 'disconnected', 'disconnected']);
});

Goaway('a refusal of one request alone is no reason to leave a server that goes', async () => {
  const { uplink, old } = going();
  const wait = watch(uplink.infer(offload()));
  await settled();
  old.events.onMessage(encodeError(1, new OfframpError('BUSY', 'full')));
  await settled();
  assert.is(wait.code, 'BUSY');
  assert.ok(uplink.connected);
});

Goaway('without a goaway a bundle that is not found is no reason to leave', async () => {
  const { uplink, cloud } = connected();
  const wait = watch(uplink.infer(offload()));
  await settled();
  cloud.last.events.onMessage(encodeError(1, new OfframpError('BUNDLE_NOT_FOUND', 'no such tag')));
  await settled();
  assert.is(wait.code, 'BUNDLE_NOT_FOUND');
  assert.ok(uplink.connected);
});

Goaway('a new server that goes in turn is left for a third one in the same way', async () => {
  const made = dialling();
  const { uplink, cloud, clock } = made;
  const second = cloud.last;
  second.accept();
  second.events.onMessage(encodeGoaway('update'));
  clock.advance(99);
  assert.equal([cloud.dialled.length, uplink.connected], [2, true]);
  clock.advance(1);
  cloud.last.accept();
  watch(uplink.infer(offload()));
  await settled();
  assert.equal(
    cloud.dialled.map(({ requests, transport }) => [requests.length, transport.closed]),
    [
      [0, true],
      [0, true],
      [1, false],
    ],
  );
  assert.equal(kinds(made), ['connected', 'goaway', 'connected', 'goaway', 'connected']);
});

Goaway('said twice starts one new connection only, and gives no second half a second', () => {
  const made = dialling();
  const { uplink, cloud, clock, old } = made;
  old.events.onMessage(encodeGoaway('update'));
  clock.advance(399);
  assert.ok(uplink.connected);
  clock.advance(1);
  assert.not(uplink.connected);
  assert.is(cloud.dialled.length, 2);
  assert.equal(kinds(made), ['connected', 'goaway', 'disconnected']);
});

Goaway('a server that welcomes again while it goes is left at once', () => {
  const { uplink, old } = going();
  old.events.onMessage(encodeWelcome(welcome));
  assert.not(uplink.connected);
  assert.ok(old.transport.closed);
});

for (const [when, start, retryInMs] of [
  ['before the next is dialled', going, 100],
  ['while the next is dialled', dialling, 0],
] as const) {
  Goaway(
    `an old server that drops ${when} is not waited for, and one attempt is under way only`,
    async () => {
      const made = start();
      const { uplink, cloud, clock, old } = made;
      const wait = watch(uplink.infer(offload({ budgetMs: 1000 })));
      await settled();
      old.events.onClose(1006, '');
      await settled();
      assert.is(wait.code, 'CONNECTION_LOST');
      assert.not(uplink.connected);
      await rejectsCode(uplink.infer(offload()), 'CONNECTION_LOST');
      const apart = made.events.at(-1);
      assert.is(apart?.kind === 'disconnected' ? apart.retryInMs : undefined, retryInMs);
      clock.advance(100);
      assert.is(cloud.dialled.length, 2);
      cloud.last.accept();
      clock.advance(10_000);
      assert.ok(uplink.connected);
      assert.equal([cloud.dialled.length, clock.pending], [2, 0]);
      assert.equal(kinds(made), ['connected', 'goaway', 'disconnected', 'connected']);
    },
  );
}

Goaway('work left on a connection that drops while it goes is CONNECTION_LOST', async () => {
  const made = connected();
  const wait = watch(made.uplink.infer(offload({ budgetMs: 1000 })));
  await settled();
  const old = made.cloud.last;
  old.events.onMessage(encodeGoaway('update'));
  made.clock.advance(100);
  made.cloud.last.accept();
  old.events.onClose(1006, '');
  await settled();
  assert.is(wait.code, 'CONNECTION_LOST');
  assert.ok(made.uplink.connected);
});

Goaway.run();
