import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CircuitBreaker } from '../../edge/agent/circuit-breaker.ts';

const limits = { failures: 3, coolDownMs: 100, maxCoolDownMs: 350 };

function fail(breaker: CircuitBreaker, times: number, nowMs: number): void {
  for (let time = 0; time < times; time++) {
    breaker.onSent();
    breaker.onFailure(nowMs);
  }
}

const Breaker = suite('circuit breaker');

Breaker('opens after failures in a row, and a success between them begins anew', () => {
  const breaker = new CircuitBreaker(limits);
  fail(breaker, 2, 0);
  breaker.onSuccess();
  fail(breaker, 2, 0);
  assert.ok(breaker.allows(0));
  fail(breaker, 1, 10);
  assert.equal([breaker.isOpen, breaker.allows(109), breaker.allows(110)], [true, false, true]);
});

Breaker('is tried with one request at a time, which decides', () => {
  const breaker = new CircuitBreaker(limits);
  fail(breaker, 3, 0);
  breaker.onSent();
  assert.not(breaker.allows(1000));
  breaker.onSuccess();
  assert.equal([breaker.isOpen, breaker.allows(1000)], [false, true]);
});

Breaker('stays closed for twice as long after each failed try, up to a limit', () => {
  const breaker = new CircuitBreaker(limits);
  fail(breaker, 3, 0);
  let nowMs = 0;
  for (const whileMs of [100, 200, 350, 350]) {
    assert.not(breaker.allows(nowMs + whileMs - 1));
    assert.ok(breaker.allows(nowMs + whileMs));
    nowMs += whileMs;
    fail(breaker, 1, nowMs);
  }
  assert.ok(breaker.allows(nowMs + 350));
  breaker.onSent();
  breaker.onSuccess();
  fail(breaker, 3, 0);
  assert.ok(breaker.allows(100), 'after a success it begins with the first while again');
});

Breaker('what was sent before it opened and fails later does not put the try off', () => {
  const breaker = new CircuitBreaker(limits);
  for (let request = 0; request < 9; request++) breaker.onSent();
  for (let request = 0; request < 9; request++) breaker.onFailure(request * 20);
  // It opened at 40; the failures after it add nothing.
  assert.equal([breaker.allows(139), breaker.allows(140)], [false, true]);
});

Breaker('a try that says nothing of the server leaves the next one free', () => {
  const breaker = new CircuitBreaker(limits);
  fail(breaker, 3, 0);
  breaker.onSent();
  breaker.onNeither();
  assert.ok(breaker.allows(100));
});

Breaker.run();
