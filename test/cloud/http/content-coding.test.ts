import { randomBytes } from 'node:crypto';
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acceptedCoding, codingOf, decodeBody, encodeBody } from '../../../cloud/http/content-coding.ts';
import { rejectsCode, throwsCode } from '../../protocol/expect.ts';

const plain = Buffer.from('a body that is worth packing, '.repeat(100));

const Coding = suite('packed bodies');

Coding('are told by their header, whatever its case', () => {
  assert.is(codingOf(undefined), undefined);
  assert.is(codingOf('identity'), undefined);
  assert.is(codingOf(' GZIP '), 'gzip');
  assert.is(codingOf('x-gzip'), 'gzip');
  assert.is(codingOf('deflate'), 'deflate');
});

Coding('of another kind are refused, several on top of each other too', () => {
  for (const name of ['br', 'zstd', 'gzip, gzip', 'x'.repeat(10_000)]) {
    throwsCode(() => codingOf(name), 'INFERENCE_INVALID', 'expected gzip or deflate');
  }
});

Coding('are unpacked, deflate in the zlib format', async () => {
  assert.equal(Buffer.from(await decodeBody(gzipSync(plain), 'gzip', plain.length)), plain);
  assert.equal(Buffer.from(await decodeBody(deflateSync(plain), 'deflate', plain.length)), plain);
});

Coding('that become larger than allowed are refused, however small they came', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  assert.ok(bomb.length < 100_000);
  await rejectsCode(decodeBody(bomb, 'gzip', 1_000_000), 'REQUEST_TOO_LARGE', '1000000');
  await rejectsCode(decodeBody(deflateSync(plain), 'deflate', plain.length - 1), 'REQUEST_TOO_LARGE');
});

Coding('that are cut, damaged or of the other kind are refused', async () => {
  const packed = gzipSync(plain);
  await rejectsCode(decodeBody(packed.subarray(0, -9), 'gzip', 1e6), 'INFERENCE_INVALID');
  await rejectsCode(decodeBody(packed, 'deflate', 1e6), 'INFERENCE_INVALID');
  await rejectsCode(decodeBody(plain, 'gzip', 1e6), 'INFERENCE_INVALID');
  await rejectsCode(decodeBody(new Uint8Array(0), 'gzip', 1e6), 'INFERENCE_INVALID');
  const flipped = Buffer.from(packed);
  flipped[flipped.length - 6] = (flipped.at(-6) ?? 0) ^ 0xff;
  await rejectsCode(decodeBody(flipped, 'gzip', 1e6), 'INFERENCE_INVALID');
});

Coding('are made for who asks, and come out as they went in', async () => {
  const noise = randomBytes(5000);
  assert.equal(gunzipSync(await encodeBody(noise, 'gzip')), noise);
  assert.equal(inflateSync(await encodeBody(noise, 'deflate')), noise);
});

Coding('are chosen by the weights of Accept-Encoding', () => {
  const chosen = (header: string | undefined) => acceptedCoding(header, 5000);
  assert.is(chosen(undefined), undefined);
  assert.is(chosen(''), undefined);
  assert.is(chosen('gzip'), 'gzip');
  assert.is(chosen('deflate'), 'deflate');
  assert.is(chosen('br, GZIP, deflate'), 'gzip');
  assert.is(chosen('gzip;q=0.2, deflate;q=0.8'), 'deflate');
  assert.is(chosen('gzip;q=0'), undefined);
  assert.is(chosen('gzip;q=nonsense'), undefined);
  assert.is(chosen('identity, gzip;q=0.5'), undefined);
  assert.is(chosen('br'), undefined);
  assert.is(chosen('*'), 'gzip');
  assert.is(chosen('gzip;q=0, *'), 'deflate');
});

Coding('are not made of little', () => {
  assert.is(acceptedCoding('gzip', 1023), undefined);
  assert.is(acceptedCoding('gzip', 1024), 'gzip');
});

Coding.run();
