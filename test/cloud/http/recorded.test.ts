/**
 * What `tritonclient[http]` 2.73.0 sends, bodies byte for byte as they were recorded, for machines without Python. What is
 * peculiar to it shows here: no content type, and the order of its members.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { within } from '../../protocol/expect.ts';
import { rawSocket, second, startApi, stopAll } from './api-source.ts';

const { port } = await startApi();
const codes = Buffer.from(Uint8Array.from({ length: 96 }, (_, at) => at % 8));

const binaryHead =
  '{"id":"r1","inputs":[{"name":"codes","shape":[1,6,4,4],"datatype":"UINT8","parameters":{"binary_data_size":96}}],"parameters":{"priority":1,"timeout":2000000,"binary_data_output":true}}';
const jsonBody = `{"id":"r1","inputs":[{"name":"codes","shape":[1,6,4,4],"datatype":"UINT8","data":[${Array.from(codes).join(',')}]}],"outputs":[{"name":"logits","parameters":{"binary_data":false}}],"parameters":{"priority":1,"timeout":2000000}}`;

interface Answer {
  readonly head: string;
  readonly body: Buffer;
}

/** Sends a request as the client does, its head and its body in packets of their own. */
async function send(head: readonly string[], body: Buffer): Promise<Answer> {
  const socket = await rawSocket(port);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const lines = [
    `POST /v2/models/${second.name}/infer HTTP/1.1`,
    'User-Agent: python/gevent-http-client-2.6.1',
    ...head,
    `Host: 127.0.0.1:${port}`,
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  socket.write(body);
  await within(10_000, new Promise((resolve) => socket.once('close', resolve)));
  const answer = Buffer.concat(chunks);
  const end = answer.indexOf('\r\n\r\n');
  return { head: answer.subarray(0, end).toString(), body: answer.subarray(end + 4) };
}

const Recorded = suite('requests that were recorded');

Recorded('with binary data are answered with binary data', async () => {
  const body = Buffer.concat([Buffer.from(binaryHead), codes]);
  for (const name of ['Inference-Header-Content-Length', 'inference-header-content-length']) {
    const answer = await send([`${name}: ${binaryHead.length}`], body);
    assert.ok(answer.head.startsWith('HTTP/1.1 200 '), answer.head);
    const length = Number(/^inference-header-content-length: (\d+)$/im.exec(answer.head)?.[1]);
    const { id, outputs } = JSON.parse(answer.body.subarray(0, length).toString());
    assert.is(id, 'r1');
    assert.equal(outputs, [
      { name: 'logits', datatype: 'FP32', shape: [1, 10], parameters: { binary_data_size: 40 } },
    ]);
    assert.is(answer.body.length, length + 40);
  }
});

Recorded('as JSON are answered as JSON, without a header length', async () => {
  const answer = await send([], Buffer.from(jsonBody));
  assert.ok(answer.head.startsWith('HTTP/1.1 200 '), answer.head);
  assert.not.match(answer.head, /inference-header-content-length/i);
  const { outputs } = JSON.parse(answer.body.toString());
  assert.equal([outputs[0].name, outputs[0].data.length], ['logits', 10]);
});

Recorded('without a model have an error that the client can read', async () => {
  const socket = await rawSocket(port);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write('GET /v2/models/nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await within(5000, new Promise((resolve) => socket.once('close', resolve)));
  const answer = Buffer.concat(chunks).toString();
  assert.type(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)).error, 'string');
});

Recorded.after(stopAll);
Recorded.run();
