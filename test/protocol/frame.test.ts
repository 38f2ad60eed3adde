import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeFrame, encodeFrame, maxHeaderBytes, maxRequestId } from '../../shared/protocol/index.ts';
import { throwsCode } from './expect.ts';
import { bytes, hex, isHex } from './hex.ts';

const Layout = suite('frame layout');

Layout('an empty map and no payload take 16 bytes: 8 fixed, 1 of map, 7 of padding', () => {
  isHex(encodeFrame('infer', 0, {}), '4f 13 0100 00000000  80 00000000000000');
});

Layout('a header of exactly 8 bytes takes no padding', () => {
  // {"t": "abcd"} is 81 a1 74 a4 61 62 63 64
  isHex(encodeFrame('infer', 1, { t: 'abcd' }), '4f 13 0800 01000000  81a174a461626364');
});

Layout('the header length and the id are little-endian', () => {
  const frame = encodeFrame('infer', 0x01020304, { t: 'x'.repeat(300) });
  // 81 a1 74 da 012c and 300 letters: 306 = 0x0132 bytes
  isHex(frame.subarray(0, 14), '4f 13 3201 04030201  81 a174 da012c');
});

Layout('each type has its number in the low nibble', () => {
  const types = ['hello', 'welcome', 'infer', 'result', 'error', 'goaway', 'alarms'] as const;
  const seconds = types.map((type) => encodeFrame(type, 0, {})[1]);
  assert.equal(seconds, [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17]);
  for (const type of types) assert.is(decodeFrame(encodeFrame(type, 0, {})).type, type);
});

Layout('every id of 32 bits comes back as it went', () => {
  for (const id of [0, 1, 0x7fff_ffff, 0x8000_0000, maxRequestId]) {
    assert.is(decodeFrame(encodeFrame('infer', id, {})).id, id);
  }
});

Layout('the payload starts at a multiple of 8 for every header length', () => {
  for (let length = 0; length < 24; length++) {
    const payload = Uint8Array.of(0xaa, 0xbb, 0xcc);
    const message = encodeFrame('infer', 1, { t: 'x'.repeat(length) }, payload);
    const frame = decodeFrame(message);
    assert.is(frame.payload.byteOffset % 8, 0, `a header with ${length} letters`);
    assert.equal(frame.payload, payload);
    assert.equal(frame.header, { t: 'x'.repeat(length) });
  }
});

Layout('encoding neither keeps nor changes what it was given', () => {
  const payload = Uint8Array.of(1, 2, 3);
  const message = encodeFrame('infer', 1, {}, payload);
  payload.fill(9);
  assert.equal(message.subarray(16), Uint8Array.of(1, 2, 3));
  message.fill(7);
  assert.equal(payload, Uint8Array.of(9, 9, 9));
});

Layout('a message owns its memory from its first byte to its last', () => {
  const message = encodeFrame('infer', 1, {}, new Uint8Array(5));
  assert.is(message.byteOffset, 0);
  assert.is(message.buffer.byteLength, message.length);
});

Layout('the payload is a view of the message, not a copy', () => {
  const message = encodeFrame('infer', 1, {}, Uint8Array.of(1));
  const { payload } = decodeFrame(message);
  assert.is(payload.buffer, message.buffer);
});

Layout.run();

const Views = suite('frames at any address');

Views('a frame decodes at every offset of a larger buffer', () => {
  const message = encodeFrame('infer', 5, { b: 1, t: 64 }, Uint8Array.of(1, 2, 3));
  for (let offset = 0; offset < 9; offset++) {
    const larger = new Uint8Array(message.length + offset + 3).fill(0xee);
    larger.set(message, offset);
    const frame = decodeFrame(larger.subarray(offset, offset + message.length));
    assert.is(frame.id, 5);
    assert.equal(frame.header, { b: 1, t: 64 });
    assert.equal(frame.payload, Uint8Array.of(1, 2, 3));
  }
});

Views('a Node Buffer of the shared pool decodes, and its neighbours are not seen', () => {
  const message = encodeFrame('infer', 5, { t: 'pool' }, Uint8Array.of(9, 8, 7));
  const first = Buffer.from('neighbour');
  const pooled = Buffer.from(message);
  assert.ok(pooled.buffer.byteLength > pooled.length, 'this Buffer is not of the pool');
  const frame = decodeFrame(pooled);
  assert.equal(frame.header, { t: 'pool' });
  assert.is(hex(frame.payload), '090807');
  assert.is(first.toString(), 'neighbour');
});

Views.run();

const Refusals = suite('frames that are refused');

const refused: readonly [name: string, message: string, part: string][] = [
  ['an empty message', '', '0 bytes'],
  ['7 bytes', '4f130100000000', '7 bytes'],
  ['another first byte', '50 13 0100 00000000 80 00000000000000', '0x50'],
  ['type 0', '4f 10 0100 00000000 80 00000000000000', 'type 0'],
  ['type 8', '4f 18 0100 00000000 80 00000000000000', 'type 8'],
  ['a header beyond the end', '4f 13 0900 00000000 80 00000000000000', '9 bytes'],
  ['a header whose padding is missing', '4f 13 0100 00000000 80 000000000000', '1 bytes'],
  ['padding that is not zero', '4f 13 0100 00000000 80 00000000000001', 'padding'],
  ['an empty header', '4f 13 0000 00000000', 'MessagePack'],
  ['a header with bytes left over', '4f 13 0200 00000000 8080 000000000000', 'MessagePack'],
  ['a header cut short', '4f 13 0200 00000000 81a1 000000000000', 'MessagePack'],
];

for (const [name, message, part] of refused) {
  Refusals(`${name} is FRAME_INVALID`, () => {
    throwsCode(() => decodeFrame(bytes(message)), 'FRAME_INVALID', part);
  });
}

Refusals('another version is PROTOCOL_UNSUPPORTED and names both versions', () => {
  throwsCode(() => decodeFrame(bytes('4f 23 0100 00000000 80 00000000000000')), 'PROTOCOL_UNSUPPORTED', '2');
  throwsCode(() => decodeFrame(bytes('4f 03 0100 00000000 80 00000000000000')), 'PROTOCOL_UNSUPPORTED', '0');
});

Refusals('a header longer than its limit is refused before it is decoded, on both sides', () => {
  const message = new Uint8Array(40_000);
  message.set(bytes('4f 13 0140 00000000'));
  throwsCode(() => decodeFrame(message), 'FRAME_INVALID', `${maxHeaderBytes}`);
  const header = { t: 'x'.repeat(maxHeaderBytes) };
  throwsCode(() => encodeFrame('infer', 1, header), 'FRAME_INVALID', `${maxHeaderBytes}`);
});

Refusals('a header of exactly the limit passes', () => {
  // 81 a1 74 da xxxx: 6 bytes before the letters
  const header = { t: 'x'.repeat(maxHeaderBytes - 6) };
  assert.equal(decodeFrame(encodeFrame('infer', 1, header)).header, header);
});

Refusals.run();
