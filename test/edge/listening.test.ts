import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify, { type FastifyInstance } from 'fastify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { admissionOf, listen } from '../../edge/daemon/listening.ts';
import { parseTokens } from '../../shared/host/index.ts';
import { rejectsCode } from '../protocol/expect.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-socket-'));
const address = { host: '127.0.0.1', port: 0 };
const apps: FastifyInstance[] = [];
let count = 0;

function newFile(): string {
  count += 1;
  return join(folder, `${count}.sock`);
}

/** An app that answers with its name. */
function named(name: string): FastifyInstance {
  const app = fastify();
  app.get('/', () => ({ name }));
  apps.push(app);
  return app;
}

function nameAt(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/' }, (response) => {
      response.setEncoding('utf8').once('data', (text: string) => resolve(JSON.parse(text).name));
    });
    asked.once('error', reject);
    asked.end();
  });
}

/** A socket file as a killed process leaves it: nobody closes it, nobody listens. */
async function leaveStale(file: string): Promise<void> {
  const moved = `${file}.moved`;
  const server = createServer();
  await new Promise<void>((done) => server.listen(moved, done));
  renameSync(moved, file);
  await new Promise((done) => server.close(done));
}

const Socket = suite('a Unix socket');

Socket('answers, for its owner alone, and is gone after the stop', async () => {
  const file = newFile();
  const app = named('ours');
  const mask = process.umask();
  assert.is(await listen(app, { ...address, socket: file }), `unix:${file}`);
  assert.is(process.umask(), mask);
  assert.is(lstatSync(file).mode & 0o777, 0o600);
  assert.is(await nameAt(file), 'ours');
  await app.close();
  assert.not(existsSync(file));
});

Socket('that nobody listens on is replaced', async () => {
  const file = newFile();
  await leaveStale(file);
  assert.ok(lstatSync(file).isSocket());
  await listen(named('the next'), { ...address, socket: file });
  assert.is(await nameAt(file), 'the next');
  assert.is(lstatSync(file).mode & 0o777, 0o600);
});

Socket('that somebody listens on stays theirs', async () => {
  const file = newFile();
  await listen(named('the first'), { ...address, socket: file });
  await rejectsCode(listen(named('the second'), { ...address, socket: file }), 'PORT_IN_USE', file);
  assert.is(await nameAt(file), 'the first');
});

Socket('does not take the place of another kind of file', async () => {
  const file = newFile();
  writeFileSync(file, 'a letter');
  await rejectsCode(listen(named('x'), { ...address, socket: file }), 'CONFIG_INVALID', 'no socket');
  assert.is(readFileSync(file, 'utf8'), 'a letter');
  const link = newFile();
  symlinkSync(file, link);
  await rejectsCode(listen(named('x'), { ...address, socket: link }), 'CONFIG_INVALID', 'no socket');
});

Socket('where there is no folder, or with too long a path, is refused', async () => {
  const lost = join(folder, 'no-such-folder', 'x.sock');
  await rejectsCode(listen(named('x'), { ...address, socket: lost }), 'CONFIG_INVALID', lost);
  const long = join(folder, 'x'.repeat(120));
  await rejectsCode(listen(named('x'), { ...address, socket: long }), 'CONFIG_INVALID', 'at most 103');
  assert.not(existsSync(long));
});

Socket('asks for a token only where there are tokens, whatever the host', async () => {
  const place = { host: '0.0.0.0', port: 0, socket: newFile() };
  assert.is(admissionOf([], place)({ host: 'camera-7' }), undefined);
  const tokens = parseTokens('a-token-of-sufficient-length', 'the test');
  const admit = admissionOf(tokens, place);
  assert.is(admit({})?.code, 'UNAUTHORIZED');
  assert.is(admit({ authorization: 'Bearer a-token-of-sufficient-length' }), undefined);
});

Socket('is not what an address is: there strangers are refused still', () => {
  assert.is(admissionOf([], address)({ host: 'camera-7' })?.code, 'UNAUTHORIZED');
  assert.throws(() => admissionOf([], { ...address, host: '0.0.0.0' }), /token/);
});

Socket.after(async () => {
  for (const app of apps) await app.close();
  rmSync(folder, { recursive: true, force: true });
});
Socket.run();
