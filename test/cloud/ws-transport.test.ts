import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket, WebSocketServer } from 'ws';
import { attach, wsTransport } from '../../cloud/ws-transport.ts';
import type { Transport } from '../../shared/protocol/index.ts';
import { within } from '../protocol/expect.ts';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
await once(server, 'listening');
const address = server.address();
if (address === null || typeof address === 'string') throw new Error(`listening on ${address}`);
const { port } = address;
const peers = new Set<Socket>();

interface Accepted {
  readonly transport: Transport;
  /** Close code, once the server's end of the socket is gone. */
  readonly ended: Promise<number>;
}

/** The server's end of the next connection. */
function accepted(): Promise<Accepted> {
  return new Promise((resolve) =>
    server.once('connection', (socket, { socket: raw }) => {
      const ended = new Promise<number>((end) => {
        const nothing = { onMessage: () => {}, onReceived: () => {}, onFault: () => {} };
        attach(socket, raw, { ...nothing, onClose: (code) => end(code) }, 60_000);
      });
      resolve({ transport: wsTransport(socket), ended });
    }),
  );
}

/** Asks for an upgrade and then neither reads nor closes. */
function deafPeer(): void {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  peers.add(socket);
  socket.on('error', () => {});
  socket.write(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
}

const Close = suite('closing a socket of the server');

Close.after.each(() => {
  for (const peer of peers) peer.destroy();
  peers.clear();
  for (const client of server.clients) client.terminate();
});

Close.after(() => {
  server.close();
});

Close('with 1008 ends it at once, with no closing handshake: its peer does not read', async () => {
  const connection = within(2000, accepted());
  deafPeer();
  const { transport, ended } = await connection;
  transport.close(1008, 'does not read');
  assert.is(await within(1000, ended), 1006);
});

Close('with any other code tells the peer code and reason', async () => {
  const connection = within(2000, accepted());
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  const { transport, ended } = await connection;
  const told = once(client, 'close');
  transport.close(4400, 'FRAME_INVALID');
  const [code, reason] = await within(2000, told);
  assert.equal([code, String(reason)], [4400, 'FRAME_INVALID']);
  assert.is(await within(2000, ended), 4400);
});

Close.run();
