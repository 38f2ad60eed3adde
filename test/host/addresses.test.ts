import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AddressLimits, addressKey, TrustedProxies } from '../../shared/host/index.ts';
import { throwsCode } from '../protocol/expect.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const Key = suite('what an address is counted under');

const keys: Readonly<Record<string, string>> = {
  '203.0.113.7': '203.0.113.7',
  '::ffff:203.0.113.7': '203.0.113.7',
  '::FFFF:203.0.113.7': '203.0.113.7',
  '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
  '2001:0DB8:0001:0002::9': '2001:db8:1:2::/64',
  '2001:db8::1': '2001:db8:0:0::/64',
  '::1': '0:0:0:0::/64',
  '::': '0:0:0:0::/64',
  'fe80::1%eth0': 'fe80:0:0:0::/64',
  '64:ff9b::203.0.113.7': '64:ff9b:0:0::/64',
};
for (const [address, key] of Object.entries(keys)) {
  Key(`${address} is ${key}`, () => {
    assert.is(addressKey(address), key);
  });
}

Key.run();

const Proxies = suite('trusted proxies');
const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']);

Proxies('a connection of anybody else is its own, whatever it claims', () => {
  assert.is(proxies.clientOf('203.0.113.7', '198.51.100.1'), '203.0.113.7');
  assert.is(proxies.clientOf('203.0.113.7', undefined), '203.0.113.7');
});

Proxies('behind one counts the last that none of them has: what is further left can be anything', () => {
  assert.is(proxies.clientOf('10.1.2.3', '198.51.100.1'), '198.51.100.1');
  assert.is(proxies.clientOf('10.1.2.3', '127.0.0.1, 198.51.100.1'), '198.51.100.1');
  assert.is(proxies.clientOf('10.1.2.3', '127.0.0.1, 198.51.100.1, 10.9.9.9, 192.0.2.1'), '198.51.100.1');
  assert.is(proxies.clientOf('::ffff:10.1.2.3', '198.51.100.1'), '198.51.100.1');
  assert.is(proxies.clientOf('2001:db8::9', '2001:db9::1'), '2001:db9::1');
});

Proxies('a port beside the address is left off', () => {
  assert.is(proxies.clientOf('10.1.2.3', '198.51.100.1:55555'), '198.51.100.1');
  assert.is(proxies.clientOf('10.1.2.3', '[2001:db9::1]:55555'), '2001:db9::1');
});

Proxies('without a readable address it is the proxy itself that counts', () => {
  for (const header of [
    undefined,
    '',
    'unknown',
    '_hidden',
    '198.51.100.1, ',
    '999.1.1.1',
    '1'.repeat(10_000),
  ]) {
    assert.is(proxies.clientOf('10.1.2.3', header), '10.1.2.3', header?.slice(0, 20));
  }
  assert.is(proxies.clientOf('10.1.2.3', '198.51.100.1, garbage, 10.0.0.9'), '10.0.0.9');
});

Proxies('what is neither address nor network is CONFIG_INVALID', () => {
  for (const proxy of [
    '',
    'proxy.example',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '::/129',
    '10.0.0.0/-1',
    '/8',
  ]) {
    throwsCode(() => new TrustedProxies([proxy]), 'CONFIG_INVALID', `'${proxy}'`);
  }
});

Proxies.run();

const Limits = suite('limits of an address');

function setting(change: { maxOpen?: number; newPerSecond?: number; maxRemembered?: number } = {}) {
  const clock = new VirtualClock();
  const limits = new AddressLimits({ maxOpen: 2, newPerSecond: 1000, maxRemembered: 10, ...change }, clock);
  return { clock, limits };
}

Limits('a third connection is TOO_MANY_CONNECTIONS until one has ended, and only there', () => {
  const { limits } = setting();
  const leave = limits.enter('203.0.113.7');
  limits.enter('203.0.113.7');
  throwsCode(() => limits.enter('203.0.113.7'), 'TOO_MANY_CONNECTIONS', '2 connections');
  throwsCode(() => limits.enter('::ffff:203.0.113.7'), 'TOO_MANY_CONNECTIONS');
  limits.enter('203.0.113.8');
  leave();
  leave();
  limits.enter('203.0.113.7');
  throwsCode(() => limits.enter('203.0.113.7'), 'TOO_MANY_CONNECTIONS');
});

Limits('ones that come too fast are RATE_LIMITED, also when the earlier ones have gone', () => {
  const { limits, clock } = setting({ newPerSecond: 5 });
  for (let time = 0; time < 10; time++) limits.enter('203.0.113.7')();
  throwsCode(() => limits.enter('203.0.113.7'), 'RATE_LIMITED', 'too fast');
  limits.enter('203.0.113.8')();
  clock.advance(200);
  limits.enter('203.0.113.7')();
  throwsCode(() => limits.enter('203.0.113.7'), 'RATE_LIMITED');
});

Limits('addresses of a whole network are forgotten again, ones with a connection are not', () => {
  const { limits } = setting({ maxOpen: 1 });
  limits.enter('203.0.113.7');
  for (let subnet = 0; subnet < 5000; subnet++) limits.enter(`2001:db8:${subnet.toString(16)}::1`)();
  assert.is(limits.size, 11);
  throwsCode(() => limits.enter('203.0.113.7'), 'TOO_MANY_CONNECTIONS');
});

Limits('what was refused leaves nothing open', () => {
  const { limits, clock } = setting({ newPerSecond: 1 });
  const leave = [limits.enter('203.0.113.7'), limits.enter('203.0.113.7')];
  for (let time = 0; time < 10; time++) throwsCode(() => limits.enter('203.0.113.7'), 'TOO_MANY_CONNECTIONS');
  for (const one of leave) one();
  throwsCode(() => limits.enter('203.0.113.7'), 'RATE_LIMITED');
  clock.advance(2000);
  limits.enter('203.0.113.7');
  assert.is(limits.size, 1);
});

Limits.run();
