import { connect, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { subprotocol } from '../../shared/protocol/index.ts';
import { within } from '../protocol/expect.ts';
import { cleanUp, startServer } from './server-source.ts';

/** Speaks just enough HTTP to ask for an upgrade, and then does nothing, not even close. */
async function silentPeer(url: string, protocol: string): Promise<string> {
  const { port } = new URL(url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
  peers.add(socket);
  socket.on('error', () => {});
  socket.write(
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
  );
  const answered = new Promise<string>((resolve) =>
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  );
  return within(2000, answered);
}

const Silent = suite('drain with a peer that never closes');
const peers = new Set<Socket>();

Silent.after.each(async () => {
  for (const peer of peers) peer.destroy();
  peers.clear();
  await cleanUp();
});

Silent('ends in time when a peer does not answer the closing handshake', async () => {
  const running = await startServer({ drainMs: 300 });
  const response = await silentPeer(running.wsUrl, subprotocol);
  assert.ok(response.startsWith('HTTP/1.1 101'), response);
  await within(4000, running.server.drain());
});

Silent('ends in time when a peer that was refused keeps its socket open', async () => {
  const running = await startServer({ drainMs: 300 });
  const response = await silentPeer(running.wsUrl, 'other.v1');
  assert.ok(response.startsWith('HTTP/1.1 426'), response);
  await within(4000, running.server.drain());
});

Silent.run();
