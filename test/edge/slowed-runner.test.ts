/** A real runner, slowed down: how long runs take, in which order they come, and what ends them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SlowedRunner } from '../../edge/daemon/slowed-runner.ts';
import { type LoadingRunner, type RunOutput, segmentKey } from '../../shared/runtime/index.ts';
import { InlineRunner } from '../../shared/runtime/node/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from '../runtime/real-bundle.ts';

const bundle = await openRealBundle();
const graphs = segmentGraphs(bundle);
const s0 = segmentKey(bundle.manifest.id, 0);
/** On a machine that does other things as well everything may take this much longer. */
const looseMs = 500;

interface Setting {
  readonly runner: SlowedRunner;
  /** The one that computes. */
  readonly real: LoadingRunner;
  /** When each of its runs began, and what it gave. */
  readonly began: number[];
  readonly gave: RunOutput[];
}

/** Has what happens inside written down on its way. */
function slowed(real: LoadingRunner, factor: number, maxQueuedRuns = 64): Setting {
  const began: number[] = [];
  const gave: RunOutput[] = [];
  const recorded: LoadingRunner = {
    provider: real.provider,
    parallel: real.parallel,
    warmRuns: real.warmRuns,
    async run(key, input, rows) {
      began.push(performance.now());
      const output = await real.run(key, input, rows);
      gave.push(output);
      return output;
    },
    load: (more) => real.load(more),
    unload: (keys) => real.unload(keys),
    close: () => real.close(),
  };
  return {
    runner: new SlowedRunner({ runner: recorded, pace: { factor }, maxQueuedRuns }),
    real,
    began,
    gave,
  };
}

async function inline(factor: number, maxQueuedRuns?: number): Promise<Setting> {
  const real = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 64 });
  return slowed(real, factor, maxQueuedRuns);
}

/** The median of what runs of the first segment took, the warm one among them. */
function usualMicros({ warmRuns }: LoadingRunner, gave: readonly RunOutput[]): number {
  const warm = warmRuns.filter(({ key }) => key === s0);
  const micros = [...warm, ...gave].map(({ runMicros }) => runMicros).sort((one, other) => one - other);
  return micros[(micros.length - 1) >> 1] ?? Number.NaN;
}

/** By which a run of the first segment takes about so long. */
function factorFor({ warmRuns }: LoadingRunner, ms: number): number {
  return Math.max(1, (1000 * ms) / (warmRuns[0]?.runMicros ?? 1));
}

const Slowed = suite('segments that are slowed down');

Slowed('take as long as they are told to, whatever they take here', async () => {
  const real = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 64 });
  const runner = new SlowedRunner({ runner: real, pace: { graphMs: new Map([[s0, 30]]) }, maxQueuedRuns: 4 });
  assert.is(runner.warmRuns.find(({ key }) => key === s0)?.runMicros, 30_000);
  const from = performance.now();
  const { runMicros } = await runner.run(s0, drawnImage(0), 1);
  assert.ok(performance.now() - from >= 29.9);
  assert.is(runMicros, 30_000);
  await runner.close();
});

Slowed('take so many times as long, one after the other, and say so', async () => {
  const { runner, real, began, gave } = await inline(20);
  const from = performance.now();
  const ended: number[] = [];
  const outputs = await Promise.all(
    [0, 1, 2].map(async (index) => {
      const output = await runner.run(s0, drawnImage(index), 1);
      ended[index] = performance.now();
      return output;
    }),
  );
  assert.equal(
    outputs.map(({ runMicros }) => runMicros),
    gave.map(({ runMicros }, run) => runMicros + 19 * usualMicros(real, gave.slice(0, run + 1))),
  );
  let sumMs = 0;
  for (const [index, { runMicros }] of outputs.entries()) {
    const freeAgainMs = (began[index] ?? 0) + runMicros / 1000;
    assert.ok((ended[index] ?? 0) >= freeAgainMs, `${runMicros} us, but it was there sooner`);
    assert.ok((began[index + 1] ?? Number.POSITIVE_INFINITY) >= freeAgainMs, 'the next began too soon');
    sumMs += runMicros / 1000;
  }
  const tookMs = performance.now() - from;
  assert.ok(tookMs >= sumMs && tookMs < sumMs + looseMs, `${tookMs} ms for ${sumMs} ms`);
  await runner.close();
});

Slowed('come in the order in which they were asked for, and give what they give at full speed', async () => {
  const { runner, real } = await inline(5);
  const images = Array.from({ length: 12 }, (_, index) => index * 7);
  const order: number[] = [];
  const outputs = await Promise.all(
    images.map(async (image) => {
      const { outputs: own } = await runner.run(s0, drawnImage(image), 1);
      order.push(image);
      return own;
    }),
  );
  assert.equal(order, images);
  for (const [index, image] of images.entries()) {
    assert.equal(outputs[index], (await real.run(s0, drawnImage(image), 1)).outputs);
  }
  await runner.close();
});

Slowed('proceed as many at a time as the runner has threads, and no more', async () => {
  const pool = await startPool(graphs, { workers: 2, warmUpRows: [1] });
  const { runner, began } = slowed(pool, factorFor(pool, 60));
  const outputs = await Promise.all([0, 1, 2, 3].map((index) => runner.run(s0, drawnImage(index), 1)));
  await runner.close();
  assert.equal([runner.parallel, began.length], [2, 4]);
  const freeAgainMs = outputs.map(({ runMicros }, index) => (began[index] ?? 0) + runMicros / 1000);
  assert.ok((began[1] ?? 0) < (freeAgainMs[0] ?? 0), 'the second one did not begin beside the first');
  for (const index of [2, 3]) {
    const stillRunning = freeAgainMs.slice(0, index).filter((freeMs) => freeMs > (began[index] ?? 0));
    assert.ok(stillRunning.length < 2, `${stillRunning.length} were running when another began`);
  }
});

Slowed('wait without computing and without holding up anybody', async () => {
  const real = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 64 });
  const { runner } = slowed(real, factorFor(real, 300));
  let turns = 0;
  const ticking = setInterval(() => turns++, 5);
  const [from, before] = [performance.now(), process.cpuUsage()];
  await runner.run(s0, drawnImage(0), 1);
  const { user, system } = process.cpuUsage(before);
  const tookMs = performance.now() - from;
  clearInterval(ticking);
  assert.ok((user + system) / 1000 < tookMs / 2, `${(user + system) / 1000} ms of ${tookMs} ms computed`);
  assert.ok(turns >= 10, `${turns} turns`);
  await runner.close();
});

Slowed('that fail do so at once, and the next one begins', async () => {
  const { runner, gave } = await inline(1000);
  const from = performance.now();
  const failing = [
    rejectsCode(runner.run('nope/s0', drawnImage(0), 1), 'RUNTIME_FAILED', 'nope'),
    rejectsCode(runner.run(s0, drawnImage(0), 3), 'RUNTIME_FAILED'),
  ];
  await Promise.all(failing);
  assert.ok(performance.now() - from < looseMs);
  assert.is(gave.length, 0);
  assert.ok((await runner.run(s0, drawnImage(0), 1)).runMicros > 0);
  await runner.close();
});

Slowed('are refused beyond the queue', async () => {
  const { runner } = await inline(20, 2);
  const runs = [0, 1, 2].map((index) => runner.run(s0, drawnImage(index), 1));
  await rejectsCode(runner.run(s0, drawnImage(3), 1), 'BUSY', '2 runs');
  assert.is((await Promise.all(runs)).length, 3);
  await runner.close();
});

Slowed('end with the runner: what runs takes its time, what waits is refused', async () => {
  const real = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 64 });
  const { runner } = slowed(real, factorFor(real, 60));
  const from = performance.now();
  const running = runner.run(s0, drawnImage(0), 1);
  const waiting = [1, 2].map((index) => runner.run(s0, drawnImage(index), 1));
  const refused = waiting.map((run) => rejectsCode(run, 'RUNTIME_STOPPED'));
  const closing = Promise.all([runner.close(), runner.close()]);
  await Promise.all(refused);
  await rejectsCode(runner.run(s0, drawnImage(3), 1), 'RUNTIME_STOPPED');
  const { runMicros, outputs } = await running;
  assert.is(outputs.length, 2);
  assert.ok(performance.now() - from >= runMicros / 1000);
  await closing;
  await rejectsCode(real.run(s0, drawnImage(0), 1), 'RUNTIME_STOPPED');
});

Slowed('say at start and on loading what they would take, and come and go', async () => {
  const [first, ...others] = graphs;
  if (first === undefined) throw new Error('a graph');
  const init = { graphs: [first], providers: ['cpu'] as const, threads: 1, maxQueuedRuns: 9 };
  const { runner, real } = slowed(await InlineRunner.start(init), 30);
  assert.equal(
    runner.warmRuns.map(({ key, rows, runMicros }) => [key, rows, runMicros]),
    real.warmRuns.map(({ key, rows, runMicros }) => [key, rows, runMicros * 30]),
  );
  assert.equal([runner.provider, runner.parallel, runner.problem], ['cpu', 1, undefined]);
  assert.is((await runner.load(others)).length, 1);
  await runner.unload([s0]);
  await rejectsCode(runner.run(s0, drawnImage(0), 1), 'RUNTIME_FAILED');
  await runner.close();
});

for (const factor of [0.5, 0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
  Slowed(`by ${factor} there are none`, async () => {
    const real = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 1, maxQueuedRuns: 1 });
    assert.throws(() => slowed(real, factor), /slowdown: got .*, expected a number from 1 on/);
    await real.close();
  });
}

Slowed.run();
