import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket, WebSocketServer } from 'ws';
import { clientWireBytes, subprotocol } from '../../shared/protocol/index.ts';

/** Bytes that `ws` as a client puts on a loopback socket for one binary message of each length. */
async function measure(lengths: readonly number[]): Promise<number[]> {
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const http = createHttpServer();
  http.on('upgrade', (request, socket, head) => {
    wss.handleUpgrade(request, socket, head, (peer) => peer.on('message', () => peer.send('got it')));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  // A proxy sits between the two and counts, so that the count is of what really was on a socket.
  const server = createServer();
  let passed = 0;
  server.on('connection', (near) => {
    const far = connect((http.address() as AddressInfo).port, '127.0.0.1');
    near.on('data', (chunk: Buffer) => {
      passed += chunk.length;
    });
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const socket = new WebSocket(url, subprotocol, { perMessageDeflate: false });
  await once(socket, 'open');
  const counts: number[] = [];
  for (const length of lengths) {
    const before = passed;
    socket.send(new Uint8Array(length));
    await once(socket, 'message');
    counts.push(passed - before);
  }
  socket.close();
  await once(socket, 'close');
  wss.close();
  http.close();
  server.close();
  return counts;
}

const Wire = suite('bytes on the wire');

Wire('a client message takes what clientWireBytes says', async () => {
  const lengths = [0, 1, 24, 63, 125, 126, 127, 784, 65_535, 65_536, 100_000];
  assert.equal(await measure(lengths), lengths.map(clientWireBytes));
});

Wire('the known sizes of RFC 6455: 6, 8 and 14 bytes on top', () => {
  const overhead = (length: number) => clientWireBytes(length) - length;
  assert.equal([0, 125, 126, 65_535, 65_536, 2 ** 31].map(overhead), [6, 6, 8, 8, 14, 14]);
});

Wire.run();
