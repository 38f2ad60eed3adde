import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleFolder, isLoopback, listenError, refuseOpenHost } from '../../shared/host/index.ts';
import { rejectsCode, throwsCode } from '../protocol/expect.ts';

const Open = suite('a server without tokens');

Open('is for a loopback address', () => {
  for (const host of ['127.0.0.1', '::1', 'localhost']) refuseOpenHost(host);
});

Open('does not start where others reach it', () => {
  for (const host of ['0.0.0.0', '::', '192.168.1.1', 'example.org', '']) {
    throwsCode(() => refuseOpenHost(host), 'CONFIG_INVALID', '--token-file');
  }
});

Open.run();

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
