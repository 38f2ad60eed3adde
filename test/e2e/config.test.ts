/** Settings of the real servers: what wins, what is printed, what is refused. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inLanes, temporaryFolder } from './images.ts';
import { cleanUp, type Environment, runCommand, startCommand, waitUntil } from './support.ts';

const config = suite('configuration');
config.after.each(cleanUp);

const token = 'a-token-that-nobody-may-see';

function fileWith(content: string | object): string {
  const file = join(temporaryFolder(), 'settings.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Starts a server with these words alone, and says what it says of itself before it is stopped. */
async function listening(args: readonly string[], env: Environment = {}): Promise<string> {
  const server = startCommand(args, env);
  let over = false;
  void server.ended.then(() => {
    over = true;
  });
  await waitUntil(() => over || server.stdout().includes('\n'), `${args.join(' ')} to listen`, {
    deadlineMs: 60_000,
  });
  server.child.kill('SIGTERM');
  assert.is(await server.ended, 0, server.stderr());
  return JSON.parse(server.stdout()).listening;
}

interface Setting {
  readonly value: unknown;
  readonly origin: string;
  readonly from: string | null;
}

async function printed(args: readonly string[], env: Environment = {}): Promise<Record<string, Setting>> {
  const { ending, stdout, stderr } = await runCommand([...args, '--print-config', '--json'], env);
  assert.equal([ending, stderr], [0, '']);
  return JSON.parse(stdout);
}

config('a server listens where the flag says, else the variable, else the file', async () => {
  const [inFile = 0, inVariable = 0, inFlag = 0] = await freePorts(3);
  const file = fileWith({ port: inFile, logLevel: 'warn', json: true });
  const args = ['cloud', '--config', file];
  const env = { OFFRAMP_CLOUD_PORT: String(inVariable) };
  assert.is(await listening(args), `http://127.0.0.1:${inFile}`);
  assert.is(await listening(args, env), `http://127.0.0.1:${inVariable}`);
  assert.is(await listening([...args, '--port', String(inFlag)], env), `http://127.0.0.1:${inFlag}`);
  const edge = { OFFRAMP_EDGE_CONFIG: file, OFFRAMP_EDGE_PORT: String(inVariable) };
  assert.is(await listening(['edge'], edge), `http://127.0.0.1:${inVariable}`);
});

config('--print-config says of all four where each setting comes from, and starts nothing', async () => {
  const file = fileWith({
    port: 1,
    workers: 2,
    threads: 3,
    bundle: ['no-such-bundle'],
    bundles: { a: { b: 1 } },
  });
  const env = {
    OFFRAMP_CLOUD_PORT: '4',
    OFFRAMP_CLOUD_WORKERS: '5',
    OFFRAMP_CLOUD_CREDITS: '',
    OFFRAMP_CLOUD_CONFIG: file,
  };
  const settings = await printed(['cloud', '--port', '6'], env);
  assert.equal(settings.port, { value: 6, origin: 'flag', from: '--port' });
  assert.equal(settings.workers, { value: 5, origin: 'environment', from: 'OFFRAMP_CLOUD_WORKERS' });
  assert.equal(settings.threads, { value: 3, origin: 'file', from: file });
  assert.equal(settings.bundle, { value: ['no-such-bundle'], origin: 'file', from: file });
  assert.equal(settings.bundles, { value: { a: { b: 1 } }, origin: 'file', from: file });
  assert.equal(settings.config, { value: file, origin: 'environment', from: 'OFFRAMP_CLOUD_CONFIG' });
  assert.equal(settings.credits, { value: 64, origin: 'default', from: null });
  assert.equal(settings.tokenFile, { value: null, origin: 'default', from: null });
});

config('--print-config prints a table without --json, and no token in either', async () => {
  const env = { OFFRAMP_CLOUD_TOKEN: token, OFFRAMP_EDGE_TOKEN: token };
  const args = ['edge', '--cloud', `wss://me:${token}@gpu.example/x`, '--print-config'];
  const [table, json] = await Promise.all([runCommand(args, env), runCommand([...args, '--json'], env)]);
  assert.equal([table.ending, json.ending], [0, 0]);
  assert.match(table.stdout, /^setting +value +origin\n-+ {2}-+ {2}-+\nhost +127\.0\.0\.1 +default\n/);
  assert.match(table.stdout, /^token +\(set\) +environment OFFRAMP_EDGE_TOKEN$/m);
  assert.match(table.stdout, /^cloudToken +\(set\) +environment OFFRAMP_CLOUD_TOKEN$/m);
  assert.match(table.stdout, /^cloud +wss:\/\/\(set\)@gpu\.example\/x +flag --cloud$/m);
  for (const { stdout, stderr } of [table, json]) assert.not.match(stdout + stderr, token);
});

config('the variable of a token goes before a token file of the configuration file', async () => {
  const file = fileWith({ port: 0, tokenFile: 'no-such-file', logLevel: 'warn', json: true });
  const args = ['cloud', '--config', file];
  const without = await runCommand(args);
  assert.is(without.ending, 1);
  assert.match(without.stderr, 'no-such-file');
  assert.match(await listening(args, { OFFRAMP_CLOUD_TOKEN: token }), 'http://127.0.0.1:');
});

config('a bad file ends with 1, names file and key on stderr and says nothing on stdout', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'settings.json'));
  const bad: readonly [file: string, says: string][] = [
    [join(folder, 'none.json'), 'ENOENT'],
    [join(folder, 'settings.json'), 'EISDIR'],
    [fileWith('port: 1'), 'got what is not JSON'],
    [fileWith({ port: 65_536 }), 'port: got 65536, expected a whole number from 0 to 65535'],
    [fileWith({ prot: 1 }), 'got the unknown key "prot", did you mean "port"?'],
  ];
  await inLanes(2, bad.length, async (index) => {
    const [file, says] = bad[index] ?? ['', ''];
    const { ending, stdout, stderr } = await runCommand(['edge', '--config', file]);
    assert.equal([ending, stdout], [1, ''], stderr);
    assert.ok(stderr.startsWith('CONFIG_INVALID: '), stderr);
    assert.ok(stderr.includes(file) && stderr.includes(says), stderr);
  });
});

config('a variable with a wrong value ends with 2 and is named', async () => {
  const { ending, stdout, stderr } = await runCommand(['cloud'], { OFFRAMP_CLOUD_WORKERS: 'many' });
  assert.equal([ending, stdout], [2, ''], stderr);
  assert.match(stderr, "value 'many' from env 'OFFRAMP_CLOUD_WORKERS' is invalid");
});

config('a demo starts its servers without the settings of others', async () => {
  const env = {
    OFFRAMP_CLOUD_CONFIG: 'no-such-file',
    OFFRAMP_EDGE_CUT: 'none',
    OFFRAMP_CLOUD_HOST: '0.0.0.0',
  };
  const demo = startCommand(['demo', '--rate', '1'], env);
  const bothListen = () => demo.stderr().match(/ pid \d+ /g)?.length === 2;
  await waitUntil(() => bothListen() || demo.child.exitCode !== null, 'both servers to listen', {
    deadlineMs: 120_000,
  });
  assert.ok(bothListen(), demo.stderr());
});

config.run();
