import * as native from 'onnxruntime-node';
import * as wasm from 'onnxruntime-web';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readIdxPair } from '../../scripts/data/index.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { argmax, decideExit } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import type { WorkerPool } from '../../shared/runtime/node/index.ts';
import { rejectsCode, within } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from './real-bundle.ts';

const bundle = await openRealBundle();
const graphs = segmentGraphs(bundle);
const last = graphs.length - 1;

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

const Pool = suite('inference threads on WASM');

interface Pass {
  readonly label: number;
  readonly entropy: number;
}

/** What each exit says of one image that passes all segments of the same pool. */
async function passes(pool: WorkerPool, image: Uint8Array): Promise<Pass[]> {
  let input = new Uint8Array(image);
  const found: Pass[] = [];
  for (const [index] of graphs.entries()) {
    const { outputs } = await pool.run(segmentKey(bundle.manifest.id, index), input, 1);
    const [logits, codes] = outputs;
    if (!(logits instanceof Float32Array)) throw new Error(`s${index} gave no logits`);
    const { entropy } = decideExit({ ...bundle.exit(index), logits });
    found.push({ label: argmax(logits), entropy });
    if (codes instanceof Uint8Array) input = codes;
  }
  return found;
}

Pool('give the native labels for 200 digits at every exit, entropies within 1e-4', async () => {
  const native = await startPool(graphs);
  const wasm = await startPool(graphs, { providers: ['wasm'] });
  assert.is(wasm.provider, 'wasm');
  try {
    for (let index = 0; index < 200; index++) {
      const [expected, got] = [
        await passes(native, drawnImage(index)),
        await passes(wasm, drawnImage(index)),
      ];
      assert.is(got.length, last + 1);
      for (const [exit, { label, entropy }] of expected.entries()) {
        assert.is(got[exit]?.label, label, `image ${index}, exit ${exit}`);
        const distance = Math.abs(entropy - (got[exit]?.entropy ?? Number.NaN));
        assert.ok(distance <= 1e-4, `image ${index}, exit ${exit}: entropies differ by ${distance}`);
      }
    }
  } finally {
    await Promise.all([native.close(), wasm.close()]);
  }
});

Pool('leave the thread that asks free to do other things', async () => {
  const pool = await startPool(graphs, { providers: ['wasm'] });
  const rows = 4000;
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 5);
  try {
    const key = segmentKey(bundle.manifest.id, 0);
    const { runMicros } = await pool.run(key, new Uint8Array(rows * 784), rows);
    assert.ok(runMicros > 50_000, `too short to tell: ${runMicros} us`);
    assert.ok(turns > runMicros / 50_000, `${turns} turns in ${runMicros} us`);
  } finally {
    clearInterval(timer);
    await pool.close();
  }
});

Pool('may have threads inside, and end with them', async () => {
  const pool = await startPool(graphs, { providers: ['wasm'], threadsPerWorker: 2, workers: 2 });
  assert.is(pool.parallel, 2);
  assert.is((await passes(pool, drawnImage(0))).length, last + 1);
  await within(5000, pool.close());
});

Pool('refuse what is no graph, and a graph that is not what the manifest says', async () => {
  const [graph] = graphs;
  if (graph === undefined) throw new Error('no segment');
  const broken = { ...graph, bytes: new Uint8Array(100).fill(7) };
  await rejectsCode(
    startPool([broken], { providers: ['wasm'] }),
    'BUNDLE_FILE_CORRUPT',
    'cannot load the graph',
  );
  const other = { ...graph, input: { ...graph.input, shape: [27, 28, 1] } };
  await rejectsCode(
    startPool([other], { providers: ['wasm'] }),
    'BUNDLE_GRAPH_MISMATCH',
    'uint8 [N, 28, 28, 1]',
  );
});

Wasm.run();
Pool.run();
