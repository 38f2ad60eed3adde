import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { segmentKey } from '../../shared/runtime/index.ts';
import { InlineRunner } from '../../shared/runtime/node/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, runAlone, segmentGraphs, startPool } from './real-bundle.ts';

const bundle = await openRealBundle();
const graphs = segmentGraphs(bundle);
const s0 = segmentKey(bundle.manifest.id, 0);

function start(maxQueuedRuns = 100): Promise<InlineRunner> {
  return InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns });
}

const Inline = suite('segments in the calling thread');

Inline('give to the bit what a thread of their own gives', async () => {
  const [runner, pool] = [await start(), await startPool(graphs)];
  const images = Array.from({ length: 30 }, (_, index) => drawnImage(index * 7));
  const expected = await runAlone(pool, bundle, images);
  for (const [index, image] of images.entries()) {
    const { outputs } = await runner.run(s0, image, 1);
    assert.equal(outputs, [expected[index]?.logits[0], expected[index]?.codes]);
  }
  await Promise.all([runner.close(), pool.close()]);
});

Inline('run one after the other, and leave the event loop a turn between them', async () => {
  const runner = await start();
  let turns = 0;
  let counting = true;
  const count = () => {
    turns++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all(Array.from({ length: 40 }, (_, index) => runner.run(s0, drawnImage(index), 1)));
  counting = false;
  assert.ok(turns >= 35, `${turns} turns`);
  await runner.close();
});

Inline('are refused beyond the queue, for an unknown graph and after close', async () => {
  const runner = await start(2);
  const runs = [0, 1, 2].map((index) => runner.run(s0, drawnImage(index), 1));
  await rejectsCode(runner.run(s0, drawnImage(3), 1), 'BUSY');
  await Promise.all(runs);
  await rejectsCode(runner.run('nope/s0', drawnImage(0), 1), 'RUNTIME_FAILED', 'nope');
  await rejectsCode(runner.run(s0, drawnImage(0), 3), 'RUNTIME_FAILED');
  await runner.run(s0, drawnImage(0), 1);
  const last = runner.run(s0, drawnImage(0), 1);
  await Promise.all([runner.close(), runner.close()]);
  assert.is((await last).outputs.length, 2, 'what runs is finished');
  await rejectsCode(runner.run(s0, drawnImage(0), 1), 'RUNTIME_STOPPED');
});

Inline('say what they take at start, and come and go', async () => {
  const [first, ...others] = graphs;
  if (first === undefined) throw new Error('a graph');
  const runner = await InlineRunner.start({
    graphs: [first],
    providers: ['cpu'],
    threads: 1,
    maxQueuedRuns: 9,
  });
  assert.equal(
    runner.warmRuns.map(({ key, rows }) => [key, rows]),
    [[s0, 1]],
  );
  assert.is((await runner.load(others)).length, 1);
  await rejectsCode(runner.load(others), 'RUNTIME_FAILED');
  await runner.unload([s0]);
  await rejectsCode(runner.run(s0, drawnImage(0), 1), 'RUNTIME_FAILED');
  await runner.close();
});

Inline.run();
