import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { threadsFor } from '../../shared/runtime/web/threads.ts';
import { throwsCode } from '../protocol/expect.ts';

const Threads = suite('threads of a page');

Threads('are half of the cores, four at most, where memory can be shared', () => {
  for (const [cores, threads] of [
    [1, 1],
    [2, 1],
    [3, 2],
    [8, 4],
    [64, 4],
  ] as const) {
    assert.is(threadsFor(undefined, { isIsolated: true, cores }), threads);
    assert.is(threadsFor(undefined, { isIsolated: false, cores }), 1);
  }
});

Threads('are as many as asked for, or refused', () => {
  assert.is(threadsFor(2, { isIsolated: true, cores: 1 }), 2);
  assert.is(threadsFor(1, { isIsolated: false, cores: 8 }), 1);
  throwsCode(() => threadsFor(2, { isIsolated: false, cores: 8 }), 'CONFIG_INVALID', 'docs/web.md');
  for (const wrong of [0, -1, 1.5, 65, Number.NaN]) {
    throwsCode(() => threadsFor(wrong, { isIsolated: true, cores: 8 }), 'CONFIG_INVALID', 'threads');
  }
});

Threads.run();
