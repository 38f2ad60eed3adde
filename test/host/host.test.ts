import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleFolder, isLoopback, listenError, tokenCheck } from '../../shared/host/index.ts';
import { rejectsCode, throwsCode } from '../protocol/expect.ts';

const Tokens = suite('tokens');
const first = 'first-token-of-16';
const second = 'second-token-of-some-length';

Tokens('lets in exactly those that know a token', () => {
  const check = tokenCheck([first, second], '0.0.0.0');
  assert.ok(check(first));
  assert.ok(check(second));
  const others = [undefined, '', 'x', first.slice(1), `${first} `, first.toUpperCase(), `${first}${second}`];
  for (const token of others) assert.not(check(token), `let in ${token}`);
});

Tokens('a token of any letters and any length is compared whole', () => {
  const long = 'ü€😀'.repeat(128);
  assert.is(long.length, 512);
  const check = tokenCheck([long], '0.0.0.0');
  assert.ok(check(long));
  assert.not(check(long.slice(0, -1)));
});

Tokens('a token below 16 characters is CONFIG_INVALID and is not repeated in the message', () => {
  const short = 'only-15-letters';
  assert.is(short.length, 15);
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    assert.throws(
      () => tokenCheck([first, short], host),
      (error: Error) => !error.message.includes(short),
    );
    throwsCode(() => tokenCheck([first, short], host), 'CONFIG_INVALID', '15');
    throwsCode(() => tokenCheck([''], host), 'CONFIG_INVALID', '0 characters');
  }
});

Tokens('a token longer than a hello can carry is CONFIG_INVALID', () => {
  throwsCode(() => tokenCheck(['t'.repeat(513)], '127.0.0.1'), 'CONFIG_INVALID', '513');
});

Tokens('without tokens a loopback server lets everyone in', () => {
  for (const host of ['127.0.0.1', '::1', 'localhost']) {
    const check = tokenCheck([], host);
    assert.ok(check(undefined));
    assert.ok(check('anything'));
  }
});

Tokens('without tokens a server that others reach does not start', () => {
  for (const host of ['0.0.0.0', '::', '192.168.1.1', 'example.org', '']) {
    throwsCode(() => tokenCheck([], host), 'CONFIG_INVALID', '--token-file');
  }
});

Tokens('tokens hold on loopback too', () => {
  const check = tokenCheck([first], '127.0.0.1');
  assert.not(check(undefined));
  assert.ok(check(first));
});

Tokens.run();

const Loopback = suite('loopback');

for (const host of ['127.0.0.1', '127.1.2.3', '127.255.255.254', '::1', 'localhost']) {
  Loopback(`${host} is loopback`, () => {
    assert.ok(isLoopback(host));
  });
}

const reachable = ['0.0.0.0', '192.168.1.1', '::', '', '128.0.0.1', '127.evil.com', '127.0.0.1.evil.com'];
for (const host of [...reachable, 'localhost.evil.com', '10.127.0.0.1', '1270.0.0.1', '127.0.0.1\n', ' ']) {
  Loopback(`${JSON.stringify(host)} is not loopback`, () => {
    assert.not(isLoopback(host));
  });
}

Loopback.run();

const Folder = suite('bundle folder');

Folder('reads a file, and names the path of one that is missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'offramp-host-'));
  try {
    await writeFile(join(folder, 'manifest.json'), '{}');
    const read = bundleFolder(folder);
    assert.is(Buffer.from(await read('manifest.json')).toString(), '{}');
    await rejectsCode(read('s0.onnx'), 'BUNDLE_FILE_MISSING', join(folder, 's0.onnx'));
    await rejectsCode(
      bundleFolder(join(folder, 'nowhere'))('manifest.json'),
      'BUNDLE_FILE_MISSING',
      'nowhere',
    );
    await rejectsCode(bundleFolder(join(folder))('.'), 'BUNDLE_FILE_MISSING');
  } finally {
    await rm(folder, { recursive: true });
  }
});

Folder.run();

const Listen = suite('listen errors');

Listen('a port that is really taken is PORT_IN_USE and says what to do', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  const late = createServer();
  const thrown = await new Promise<unknown>((resolve) => {
    late.once('error', resolve);
    late.listen(port, '127.0.0.1');
  });
  const error = listenError(thrown, '127.0.0.1', port);
  assert.is(error.code, 'PORT_IN_USE');
  assert.ok(error.message.includes(String(port)) && error.message.includes('--port'), error.message);
  assert.is(error.cause, thrown);
  await new Promise((resolve) => holder.close(resolve));
});

Listen('anything else keeps its words', () => {
  const error = listenError(new Error('no such interface'), '10.0.0.1', 80);
  assert.is(error.code, 'INTERNAL');
  assert.ok(error.message.includes('no such interface'));
  assert.is(listenError('text', 'x', 1).code, 'INTERNAL');
});

Listen.run();
