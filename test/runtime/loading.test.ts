import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { segmentKey } from '../../shared/runtime/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from './real-bundle.ts';

const bundle = await openRealBundle();
const [first, last, ...more] = segmentGraphs(bundle);
if (first === undefined || last === undefined || more.length > 0) throw new Error('expected two segments');
const { id } = bundle.manifest;
const [s0, s1] = [segmentKey(id, 0), segmentKey(id, 1)];
const codesPerImage = last.input.shape.reduce((product, size) => product * size, 1);

const WarmUp = suite('warming up');

WarmUp('every graph has run at every size before the pool is there', async () => {
  const pool = await startPool([first, last], { workers: 2, warmUpRows: [1, 4] });
  const seen = pool.warmRuns.map(({ key, rows }) => `${key} ${rows}`);
  assert.equal(seen, [`${s0} 1`, `${s0} 4`, `${s1} 1`, `${s1} 4`]);
  assert.ok(pool.warmRuns.every(({ runMicros }) => runMicros > 0));
  await pool.close();
});

WarmUp('no sizes, no runs', async () => {
  const pool = await startPool([first]);
  assert.equal(pool.warmRuns, []);
  await pool.close();
});

WarmUp.run();

const Loading = suite('loading and unloading');

Loading('a graph that comes later runs on every thread, and says how long its sizes take', async () => {
  const pool = await startPool([first], { workers: 2, warmUpRows: [2] });
  await rejectsCode(pool.run(s1, new Uint8Array(codesPerImage), 1), 'RUNTIME_FAILED', s1);
  const runs = await pool.load([last]);
  assert.equal(
    runs.map(({ key, rows }) => [key, rows]),
    [[s1, 2]],
  );
  const both = [0, 1].map(() => pool.run(s1, new Uint8Array(codesPerImage), 1));
  assert.is((await Promise.all(both)).length, 2);
  await pool.close();
});

Loading('the other graphs are run meanwhile', async () => {
  const pool = await startPool([first], { workers: 2, maxQueuedRuns: 20 });
  const loading = pool.load([last]);
  const runs = Array.from({ length: 20 }, (_, index) => pool.run(s0, drawnImage(index), 1));
  assert.is((await Promise.all(runs)).length, 20);
  await loading;
  const after = Array.from({ length: 4 }, () => pool.run(s1, new Uint8Array(codesPerImage), 1));
  assert.is((await Promise.all(after)).length, 4);
  await pool.close();
});

Loading('a graph that is none changes nothing, whichever came before it', async () => {
  const pool = await startPool([first], { workers: 2 });
  const broken = { ...last, key: 'broken/s0', bytes: new Uint8Array([1, 2, 3]) };
  await rejectsCode(pool.load([last, broken]), 'BUNDLE_FILE_CORRUPT', 'broken/s0');
  await rejectsCode(pool.run(s1, new Uint8Array(codesPerImage), 1), 'RUNTIME_FAILED', s1);
  await pool.load([last]);
  await pool.run(s1, new Uint8Array(codesPerImage), 1);
  await pool.close();
});

Loading('a graph with other tensors than it claims is refused', async () => {
  const pool = await startPool([first]);
  const other = { ...last, input: { ...last.input, name: 'nobody' } };
  await rejectsCode(pool.load([other]), 'BUNDLE_GRAPH_MISMATCH', "'nobody'");
  await pool.close();
});

Loading('a key that is taken is refused, and the graph that has it stays', async () => {
  const pool = await startPool([first]);
  await rejectsCode(pool.load([{ ...last, key: s0 }]), 'RUNTIME_FAILED', s0);
  await pool.run(s0, drawnImage(0), 1);
  await pool.close();
});

Loading('an unloaded graph is gone, the runs asked for before it are answered', async () => {
  const pool = await startPool([first, last]);
  const run = pool.run(s1, new Uint8Array(codesPerImage), 1);
  await pool.unload([s1, 'nobody/s0']);
  await run;
  await rejectsCode(pool.run(s1, new Uint8Array(codesPerImage), 1), 'RUNTIME_FAILED', s1);
  await pool.run(s0, drawnImage(0), 1);
  await pool.load([last]);
  await pool.run(s1, new Uint8Array(codesPerImage), 1);
  await pool.close();
});

Loading('two loads at once both succeed, and no thread is lost or doubled', async () => {
  const pool = await startPool([first], { workers: 2, maxQueuedRuns: 1 });
  await Promise.all([pool.load([last]), pool.load([{ ...last, key: 'again/s1' }])]);
  const taken = [0, 1, 2].map((index) => pool.run(s0, drawnImage(index), 1));
  await rejectsCode(pool.run(s0, drawnImage(3), 1), 'BUSY');
  await Promise.all(taken);
  await pool.close();
});

Loading('a pool that has stopped loads nothing', async () => {
  const pool = await startPool([first]);
  await pool.close();
  await rejectsCode(pool.load([last]), 'RUNTIME_STOPPED');
});

Loading.run();
