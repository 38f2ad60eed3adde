/** The command, as a process of its own; and the page about it. */
import { spawnSync } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { presets } from '../../../scripts/links/index.ts';
import { spawnServer } from '../../../scripts/processes.ts';
import { readPage } from '../../docs/page.ts';

const offramp = fileURLToPath(new URL('../../../scripts/offramp.mjs', import.meta.url));

function run(...args: readonly string[]) {
  return spawnSync(process.execPath, [offramp, 'emulate', ...args], { encoding: 'utf8' });
}

const Command = suite('offramp emulate');

Command('is a proxy that says where it listens, and ends when it is told', async () => {
  const server = createServer((socket) => socket.pipe(socket));
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const args = ['emulate', '--listen', '127.0.0.1:0', '--to', `127.0.0.1:${port}`, '--link', 'rtt=60'];
  const emulator = await spawnServer(args, { stderr: 'inherit' });
  try {
    const [, near = ''] = /^tcp:\/\/127\.0\.0\.1:(\d+)$/.exec(emulator.url) ?? [];
    const startMs = performance.now();
    const echoed = await new Promise<string>((resolve, reject) => {
      const client = connect({ host: '127.0.0.1', port: Number(near) }, () => client.end('there and back'));
      client.once('data', (chunk) => resolve(String(chunk)));
      client.once('error', reject);
    });
    assert.is(echoed, 'there and back');
    assert.ok(performance.now() - startMs > 110);
  } finally {
    assert.is(await emulator.stop(), 0);
    server.close();
  }
});

Command('prints links and presets', () => {
  const printed = JSON.parse(run('--link', 'rtt=30,up=2', '--print').stdout);
  assert.equal([printed.up.rate.bitsPerSecond, printed.down.rate.bitsPerSecond], [2e6, null]);
  assert.equal(JSON.parse(run('--list', '--json').stdout), presets);
  const { stdout } = run('--list');
  for (const { name, source } of presets) assert.ok(stdout.includes(`${name}: ${source}`), name);
});

Command('says what is wrong with a link, and with a place', () => {
  const link = run('--link', 'lte,up=none.up');
  assert.is(link.status, 1);
  assert.match(link.stderr, /^CONFIG_INVALID: .*none\.up/m);
  const where = run('--listen', '9000');
  assert.is(where.status, 2);
  assert.match(where.stderr, /HOST:PORT/);
});

Command.run();

const Page = suite('docs/links.md');

Page('has every preset as it is, and its source', () => {
  const rows = presets.map((preset) => {
    const { name, rttMs, jitterMs, downMbitPerSecond, upMbitPerSecond, lossShare, source } = preset;
    const loss = `${Math.round(lossShare * 1e4) / 100} %`;
    const cells = [`\`${name}\``, `${rttMs} ± ${jitterMs}`, downMbitPerSecond, upMbitPerSecond, loss, source];
    return `| ${cells.join(' | ')} |`;
  });
  assert.ok(readPage('links.md').includes(`\n${rows.join('\n')}\n\n`), rows.join('\n'));
});

Page.run();
