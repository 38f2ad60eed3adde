import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Intake } from '../../../cloud/http/intake.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { throwsCode } from '../../protocol/expect.ts';

const limits = { maxHttpRequests: 3, maxHttpHeldBytes: 1000 };

const Intakes = suite('the intake');

Intakes('lets in as many requests as it may, and says BUSY to the next', () => {
  const intake = new Intake(limits);
  const entries = [intake.enter(1), intake.enter(1), intake.enter(1)];
  assert.is(intake.inFlight, 3);
  throwsCode(() => intake.enter(1), 'BUSY', '3 requests');
  entries[0]?.leave();
  intake.enter(1);
});

Intakes('lets in as many bytes as it may, and says BUSY to more, with when to come again', () => {
  const intake = new Intake(limits);
  const first = intake.enter(900);
  try {
    intake.enter(101);
    assert.unreachable();
  } catch (thrown) {
    assert.ok(thrown instanceof OfframpError && thrown.code === 'BUSY');
    assert.ok((thrown.retryAfterMs ?? 0) > 0);
  }
  intake.enter(100);
  first.leave();
  intake.enter(900);
});

Intakes('lets a single request in, however large', () => {
  const intake = new Intake(limits);
  const first = intake.enter(1_000_000);
  throwsCode(() => intake.enter(1), 'BUSY');
  first.leave();
  intake.enter(1000);
});

Intakes('counts one that leaves twice once', () => {
  const intake = new Intake(limits);
  const first = intake.enter(600);
  const other = intake.enter(400);
  first.leave();
  first.leave();
  assert.is(intake.inFlight, 1);
  throwsCode(() => intake.enter(601), 'BUSY');
  intake.enter(600);
  other.leave();
});

Intakes('tells a request that its caller has gone, and no other', () => {
  const intake = new Intake(limits);
  const [gone, stays] = [intake.enter(1), intake.enter(1)];
  gone.abandon();
  assert.ok(gone.signal.reason instanceof OfframpError);
  assert.is(gone.signal.reason.code, 'CONNECTION_LOST');
  assert.not.ok(stays.signal.aborted);
});

Intakes('gives up everything that is under way, with one reason', () => {
  const intake = new Intake(limits);
  const entries = [intake.enter(1), intake.enter(1)];
  const reason = new OfframpError('DRAINING', 'stopping');
  intake.giveUp(reason);
  for (const { signal } of entries) assert.is(signal.reason, reason);
});

Intakes.run();
