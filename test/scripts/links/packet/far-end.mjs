/**
 * What a device does in its namespace, for packet-link.test.ts: `echo HOST PORT COUNT EVERY_MS BYTES` sends datagrams and tells of
 * each when it was sent and how long it took there and back (null where it never came); `send HOST PORT BYTES` sends so many
 * over TCP, and tells their digest and how long it was until the other side had them all.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const lastWaitMs = 1500;

async function echo(host, port, count, everyMs, bytes) {
  const socket = createSocket('udp4');
  const sent = [];
  socket.on('message', (message) => {
    const one = sent[message.readUInt32BE(0)];
    one.tookMs = performance.now() - one.atMs;
  });
  const startMs = performance.now();
  for (let index = 0; index < count; index++) {
    const message = Buffer.alloc(bytes);
    message.writeUInt32BE(index, 0);
    sent.push({ atMs: performance.now(), tookMs: null });
    socket.send(message, port, host);
    if (everyMs > 0) await pause(startMs + (index + 1) * everyMs - performance.now());
  }
  await pause(lastWaitMs);
  socket.close();
  return sent.map(({ atMs, tookMs }) => ({ atMs: atMs - startMs, tookMs }));
}

function send(host, port, bytes) {
  const data = randomBytes(bytes);
  const digest = createHash('sha256').update(data).digest('hex');
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const socket = connect({ host, port }, () => socket.end(data));
    socket.on('error', reject);
    // The other side ends when it has all.
    socket.on('end', () => resolve({ digest, tookMs: performance.now() - startMs }));
    socket.resume();
  });
}

const [what, host, ...numbers] = process.argv.slice(2);
const done = what === 'echo' ? echo(host, ...numbers.map(Number)) : send(host, ...numbers.map(Number));
process.stdout.write(JSON.stringify(await done));
