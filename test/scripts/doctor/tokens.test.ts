import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeMode, judgeOpenness, judgeTokens } from '../../../scripts/doctor/tokens.ts';

const now = Date.UTC(2026, 5, 1);
const days = (count: number) => now + count * 24 * 3600 * 1000;
const lasting = { name: 'lasting' };
const spent = { name: 'site-b', expiresAtMs: now };
const ending = { name: 'site-c', expiresAtMs: days(13) };

const Tokens = suite('doctor, tokens');

Tokens('warns of some that have expired, fails when all have', () => {
  assert.is(judgeTokens([lasting, { name: 'late', expiresAtMs: days(15) }], 'asked', now).state, 'ok');
  const some = judgeTokens([lasting, spent], 'asked', now);
  assert.is(some.state, 'warning');
  assert.match(some.found, /site-b/);
  assert.is(judgeTokens([spent], 'asked', now).state, 'failed');
  assert.is(judgeTokens([lasting, ending], 'asked', now).state, 'warning');
});

Tokens('counts the first alone of those that are sent', () => {
  assert.is(judgeTokens([lasting, spent], 'sent', now).state, 'ok');
  assert.is(judgeTokens([spent, lasting], 'sent', now).state, 'failed');
});

Tokens('warns of a file that everybody can read, by its last three bits', () => {
  assert.is(judgeMode(0o100600, 'f').state, 'ok');
  assert.is(judgeMode(0o100640, 'f').state, 'ok');
  assert.equal(judgeMode(0o100644, 'f').mend, 'chmod 600 f');
});

Tokens('wants a token wherever others can connect', () => {
  assert.is(judgeOpenness('loopback', 0).state, 'ok');
  assert.is(judgeOpenness('network', 1).state, 'ok');
  assert.is(judgeOpenness('network', 0).state, 'warning');
});

Tokens.run();
