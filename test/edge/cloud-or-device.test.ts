import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cloudOrDevice } from '../../edge/agent/cloud-or-device.ts';
import { DurationEstimate, reserveMs } from '../../edge/agent/reserve.ts';
import { OfframpError } from '../../shared/errors.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

/** A promise that the test ends. */
function held() {
  let resolve: (value: string) => void = () => {};
  let reject: (error: OfframpError) => void = () => {};
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Both sides, ended by the test; the device's answer is as good as the cloud's when it says `sure`. */
function both(startInMs = 100) {
  const clock = new VirtualClock();
  const cloud = held();
  const device = held();
  const begun: number[] = [];
  const end = cloudOrDevice({
    clock,
    cloud: cloud.promise,
    device: () => {
      begun.push(clock.now());
      return device.promise;
    },
    startInMs,
    isFinal: (own) => own === 'sure',
  });
  return { clock, cloud, device, begun, end };
}

const late = new OfframpError('BUDGET_SPENT', 'late');
const broken = new OfframpError('RUNTIME_FAILED', 'broken');

const Either = suite('the cloud, or the device');

Either('a cloud that answers in time leaves the device idle, and no timer', async () => {
  const { clock, cloud, begun, end } = both();
  clock.advance(99);
  cloud.resolve('far');
  assert.equal(await end, { by: 'cloud', answer: 'far' });
  assert.is(clock.pending, 0);
  clock.advance(1000);
  assert.equal(begun, []);
});

Either('a cloud that fails has the device begin at once, and its answer says why', async () => {
  const { clock, cloud, device, begun, end } = both();
  clock.advance(30);
  cloud.reject(late);
  await settled();
  assert.equal(begun, [30]);
  device.resolve('near');
  assert.equal(await end, { by: 'device', answer: 'near', error: late });
  assert.is(clock.pending, 0);
});

Either('the device begins when its time has come, and the cloud may still answer first', async () => {
  const { clock, cloud, device, begun, end } = both();
  clock.advance(100);
  await settled();
  assert.equal(begun, [100]);
  cloud.resolve('far');
  assert.equal(await end, { by: 'cloud', answer: 'far' });
  // Nobody waits for it any more: it must not end the process as a rejection that nobody has caught.
  device.reject(broken);
  await settled();
});

Either("a device's answer that is as good is taken at once", async () => {
  const { clock, device, end } = both();
  clock.advance(100);
  await settled();
  device.resolve('sure');
  assert.equal(await end, { by: 'device', answer: 'sure' });
});

Either("a device's answer that is not as good waits for the cloud's end", async () => {
  const good = both();
  good.clock.advance(100);
  await settled();
  good.device.resolve('near');
  await settled();
  good.cloud.resolve('far');
  assert.equal(await good.end, { by: 'cloud', answer: 'far' });
  const bad = both();
  bad.clock.advance(100);
  await settled();
  bad.device.resolve('near');
  await settled();
  bad.cloud.reject(late);
  assert.equal(await bad.end, { by: 'device', answer: 'near', error: late });
});

Either('a device that fails leaves it to the cloud; both failing is the failure of the device', async () => {
  const one = both();
  one.clock.advance(100);
  await settled();
  one.device.reject(broken);
  await settled();
  one.cloud.resolve('far');
  assert.equal(await one.end, { by: 'cloud', answer: 'far' });
  const two = both();
  two.clock.advance(100);
  await settled();
  two.device.reject(broken);
  two.cloud.reject(late);
  await rejectsCode(two.end, 'RUNTIME_FAILED');
});

Either('with less than no time left the device begins at once', async () => {
  const { clock, begun, device, end } = both(-5);
  clock.advance(0);
  await settled();
  assert.equal(begun, [0]);
  device.resolve('sure');
  await end;
});

Either.run();

const Reserve = suite('the time in reserve');

Reserve('an estimate grows at once and shrinks slowly', () => {
  const estimate = new DurationEstimate();
  assert.is(estimate.ms, undefined);
  estimate.add(10);
  assert.is(estimate.ms, 10);
  estimate.add(30);
  assert.is(estimate.ms, 30);
  estimate.add(10);
  assert.is(estimate.ms, 28);
  for (let run = 0; run < 100; run++) estimate.add(10);
  assert.ok(Math.abs((estimate.ms ?? 0) - 10) < 0.01);
});

Reserve('is the sum of the parts, as often as there are turns, up to half of the budget', () => {
  assert.is(reserveMs([20, 5], 1, 500), 25);
  assert.is(reserveMs([20, 5], 4, 500), 100);
  assert.is(reserveMs([20, 5], 100, 500), 250);
});

Reserve('is never less than one answer takes, though it be more than the budget', () => {
  assert.is(reserveMs([300], 3, 500), 300);
  assert.is(reserveMs([600], 1, 500), 600);
});

Reserve('takes what is not known for half of the budget', () => {
  assert.is(reserveMs([undefined], 1, 500), 250);
  assert.is(reserveMs([20, undefined], 2, 500), 270);
});

Reserve.run();
