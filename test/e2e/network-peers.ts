/** Peers by the hundred, beneath `ws` and from addresses of their own, as strangers would come. */
import { connect, type Socket } from 'node:net';
import { subprotocol } from '../../shared/protocol/index.ts';
import type { Server } from './support.ts';

/** A request for a WebSocket, as far as its head goes. */
export const upgrade =
  'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
  `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`;

/** One address for every `each` peers: all of 127.0.0.0/8 is this machine. */
export function addressOf(index: number, each = 100): string {
  const number = Math.floor(index / each) + 2;
  return `127.0.${1 + (number >> 8)}.${number & 255}`;
}

export interface Peer {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
}

/** A TCP connection that writes `text` as soon as it is there. */
export async function open({ port }: Server, localAddress: string, text: string): Promise<Peer> {
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closed]);
  if (text !== '') socket.write(text);
  return { socket, closed };
}

/** One binary message, masked with zeros so that it stays as it is. */
export function masked(message: Uint8Array): Buffer {
  const head = Buffer.alloc(14);
  head.set([0x82, 0xff]);
  head.writeBigUInt64BE(BigInt(message.length), 2);
  return Buffer.concat([head, message]);
}
