import { existsSync, lstatSync, mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawnImage } from '../runtime/real-bundle.ts';
import { type Command, cleanUp, removeLater, runCommand, startCommand, waitUntil } from './support.ts';

const folder = () => removeLater(mkdtempSync(join(tmpdir(), 'offramp-edge-socket-')));

async function startOn(file: string): Promise<Command> {
  const edge = startCommand(['edge', '--socket', file, '--log-level', 'warn', '--json']);
  await waitUntil(() => edge.stdout().includes('\n') || edge.stderr() !== '', 'the daemon to listen');
  assert.is(edge.stdout(), `${JSON.stringify({ listening: `unix:${file}` })}\n`, edge.stderr());
  return edge;
}

function classify(socketPath: string): Promise<{ answers: { route: string }[] }> {
  const headers = { 'content-type': 'application/octet-stream' };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/v1/classify', method: 'POST', headers }, async (response) => {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part);
      resolve(JSON.parse(Buffer.concat(parts).toString()));
    });
    asked.once('error', reject);
    asked.end(drawnImage(0));
  });
}

const Edge = suite('offramp edge --socket');

Edge('answers there, and takes the file along when it stops', async () => {
  const file = join(folder(), 'edge.sock');
  const edge = await startOn(file);
  assert.is((await classify(file)).answers.length, 1);
  edge.child.kill('SIGTERM');
  assert.is(await edge.ended, 0);
  assert.not(existsSync(file));
});

Edge('starts again after it was killed, and not beside one that lives', async () => {
  const file = join(folder(), 'edge.sock');
  const killed = await startOn(file);
  killed.child.kill('SIGKILL');
  await killed.ended;
  assert.ok(lstatSync(file).isSocket());
  await startOn(file);
  const { ending, stderr } = await runCommand(['edge', '--socket', file, '--log-level', 'silent']);
  assert.is(ending, 1);
  assert.match(stderr, /^PORT_IN_USE: .*edge\.sock/);
  assert.is((await classify(file)).answers.length, 1);
});

Edge('does not go together with a host or a port', async () => {
  for (const other of [
    ['--host', '127.0.0.1'],
    ['--port', '8471'],
  ]) {
    const { ending, stderr } = await runCommand(['edge', '--socket', 'edge.sock', ...other]);
    assert.is(ending, 2);
    assert.match(stderr, /--socket <file>' cannot be used with/);
  }
});

Edge.after.each(cleanUp);
Edge.run();
