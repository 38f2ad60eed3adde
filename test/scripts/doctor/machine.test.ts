import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Check, exitCodeOf } from '../../../scripts/doctor/check.ts';
import {
  judgeCores,
  judgeDescriptors,
  judgeMemory,
  judgeNode,
  judgePlatform,
  openFilesLimit,
} from '../../../scripts/doctor/machine.ts';
import { judgePort } from '../../../scripts/doctor/ports.ts';
import { checkWords, countWords } from '../../../scripts/doctor/report.ts';

const mebibyte = 1024 * 1024;
const check = (state: Check['state'], mend?: string): Check => ({
  ...{ check: 'a check', state, found: 'something' },
  ...(mend !== undefined && { mend }),
});

const Machine = suite('doctor, the machine');

Machine('takes the least version of Node and newer ones, part by part and not as text', () => {
  for (const version of ['v20.19.0', 'v20.20.1', 'v22.0.0', 'v100.1.0']) {
    assert.is(judgeNode(version, '>=20.19').state, 'ok', version);
  }
  for (const version of ['v20.18.3', 'v20.9.0', 'v18.99.0', 'v9.0.0']) {
    assert.is(judgeNode(version, '>=20.19').state, 'failed', version);
  }
});

Machine('does not take a range that it cannot read for fulfilled', () => {
  assert.is(judgeNode('v20.19.0', '^20 || ^22').state, 'skipped');
});

Machine('warns of machines without a native binary, and of another C library', () => {
  assert.is(judgePlatform({ platform: 'linux', arch: 'x64', glibc: '2.36' }).state, 'ok');
  assert.is(judgePlatform({ platform: 'darwin', arch: 'arm64', glibc: undefined }).state, 'ok');
  for (const other of [
    { platform: 'linux', arch: 'arm', glibc: '2.31' },
    { platform: 'linux', arch: 'x64', glibc: undefined },
  ]) {
    const { state, mend } = judgePlatform(other);
    assert.is(state, 'warning');
    assert.match(mend ?? '', /--runtime wasm/);
  }
});

Machine('wants a core for the sockets beside the inference threads, unless there is only one', () => {
  assert.is(judgeCores(4, { workers: 3, threads: 1 }).state, 'ok');
  assert.is(judgeCores(4, { workers: 2, threads: 2 }).state, 'warning');
  assert.is(judgeCores(1, { workers: 1, threads: 1 }).state, 'ok');
});

Machine('wants more memory for more workers and larger graphs', () => {
  const one = { workers: 1, threads: 1 };
  assert.is(judgeMemory(512 * mebibyte, 10 * mebibyte, one).state, 'ok');
  assert.is(judgeMemory(512 * mebibyte, 200 * mebibyte, one).state, 'warning');
  assert.is(judgeMemory(512 * mebibyte, 10 * mebibyte, { ...one, workers: 8 }).state, 'warning');
});

Machine('reads the soft limit of open files and holds it against the connections', () => {
  const line = (soft: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}            4096    files\n`;
  assert.is(openFilesLimit(line('1024')), 1024);
  assert.is(openFilesLimit(line('unlimited')), Number.POSITIVE_INFINITY);
  assert.is(openFilesLimit('Max processes  1  1  processes\n'), undefined);
  assert.is(judgeDescriptors(1024, 1024).state, 'warning');
  assert.match(judgeDescriptors(1024, 1024).mend ?? '', /ulimit -n 1124/);
  assert.is(judgeDescriptors(1124, 1024).state, 'ok');
  assert.is(judgeDescriptors(undefined, 1024).state, 'skipped');
});

Machine('fails a port that was asked for and is taken, and warns of a default one', () => {
  assert.is(judgePort({ port: 8470, asked: true }, undefined).state, 'ok');
  assert.is(judgePort({ port: 8470, asked: true }, 'EADDRINUSE').state, 'failed');
  assert.is(judgePort({ port: 8470, asked: false }, 'EADDRINUSE').state, 'warning');
  assert.match(judgePort({ port: 8470, asked: false }, 'EADDRINUSE').mend ?? '', /ss -ltnp.*8470/);
  for (const code of ['EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EIO']) {
    const { state, found } = judgePort({ port: 443, asked: false }, code);
    assert.is(state, 'failed');
    assert.match(found, code);
  }
});

Machine.run();

const Report = suite('doctor, the report');

Report('ends with 1 when something has failed, and not for a warning', () => {
  assert.is(exitCodeOf([check('ok'), check('warning', 'do'), check('skipped')]), 0);
  assert.is(exitCodeOf([check('ok'), check('failed', 'do')]), 1);
});

Report('writes the mend below what was found, and colours only where it is told to', () => {
  assert.is(checkWords(check('ok'), 'plain'), 'ok       a check: something');
  assert.is(
    checkWords(check('failed', 'do this'), 'plain'),
    'failed   a check: something\n         -> do this',
  );
  assert.is(
    countWords([check('ok'), check('ok'), check('failed', 'do')]),
    '3 checks: 2 ok, 0 warning, 1 failed, 0 skipped',
  );
});

Report.run();
