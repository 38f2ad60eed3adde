import * as native from 'onnxruntime-node';
import * as wasm from 'onnxruntime-web';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readIdxPair } from '../../scripts/data/index.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { argmax } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';

const Wasm = suite('the device segment on WASM');
const drawn = (part: string) => `models/samples/drawn-digits-${part}-ubyte.gz`;

Wasm('gives the native labels and codes, logits within 1e-4, so a browser may be the device', async () => {
  const images = readIdxPair(drawn('images-idx3'), drawn('labels-idx1'));
  const { bytes } = (await openBundle(bundleFolder('models/b-lenet-mnist'), { segments: [0] })).segment(0);
  const rows = 200;
  const pixels = images.pixels.slice(0, rows * 784);
  const nativeSession = await native.InferenceSession.create(bytes);
  const wasmSession = await wasm.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  const here = await nativeSession.run({ image: new native.Tensor('uint8', pixels, [rows, 28, 28, 1]) });
  const there = await wasmSession.run({ image: new wasm.Tensor('uint8', pixels, [rows, 28, 28, 1]) });
  const expected = here.logits?.data as Float32Array;
  const got = there.logits?.data as Float32Array;
  assert.is(got.length, rows * 10);
  let farthest = 0;
  for (let row = 0; row < rows; row++) {
    const range = [row * 10, (row + 1) * 10] as const;
    assert.is(argmax(got.subarray(...range)), argmax(expected.subarray(...range)), `row ${row}`);
  }
  for (const [index, value] of expected.entries()) {
    farthest = Math.max(farthest, Math.abs(value - (got[index] ?? Number.NaN)));
  }
  assert.ok(farthest <= 1e-4, `logits differ by ${farthest}`);
  const codes = [here.codes?.data as Uint8Array, there.codes?.data as Uint8Array] as const;
  const moved = codes[0].filter((code, index) => code !== codes[1][index]).length;
  assert.ok(moved <= codes[0].length / 1000, `${moved} of ${codes[0].length} codes differ`);
  await nativeSession.release();
  await wasmSession.release();
});

Wasm.run();
