/** Scenarios of several bundles, and their cells in threads. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectFolder } from '../../../scripts/project.ts';
import {
  cellsOf,
  parseScenario,
  prepareScenario,
  type RunResult,
  resultTable,
  withRegret,
  withSweep,
} from '../../../scripts/simulate/index.ts';
import { SweepThread } from '../../../scripts/simulate/sweep/sweep-thread.ts';
import { OfframpError } from '../../../shared/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-sweep-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const [lenet, alexnet, resnet] = ['b-lenet-mnist', 'b-alexnet-cifar10', 'b-resnet-cifar10'];
const base = {
  name: 'short',
  bundle: [lenet, resnet],
  devices: [1, 3],
  arrivals: { kind: 'poisson', imagesPerSecond: 4 },
  ...{ deviceSlowdown: 20, seconds: 10, warmUpSeconds: 2, budgetMs: 500 },
  links: ['wifi-good', 'lte'],
  policies: [
    { name: 'split', cut: 1 },
    { name: 'ours', objective: 'latency' },
    { name: 'best static', best: 'static' },
    { name: 'best each moment', best: 'moment' },
  ],
};

function opened(change: object = {}) {
  const file = join(folder, 'mine.json');
  const place = { file, dataFolder: undefined };
  const scenario = parseScenario(JSON.stringify({ ...base, ...change }), file);
  return { scenario, place };
}

async function run(jobs: number, change: object = {}): Promise<RunResult[]> {
  const { scenario, place } = opened(change);
  const prepared = await prepareScenario(scenario, place);
  return withSweep({ prepared, place, jobs }, (runCell) => Promise.all(cellsOf(prepared).map(runCell)));
}

async function problemOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (thrown) {
    const error = OfframpError.from(thrown);
    return `${error.code}: ${error.message}`;
  }
  return 'none';
}

/** What a thread that has not ended holds here. */
const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

const Bundles = suite('a scenario of several bundles');

Bundles('runs every cell for each of them, in their order, and compares within each', async () => {
  const results = withRegret(opened().scenario, await run(1, { devices: [1] }));
  const names = results.map(({ bundle, link, policy }) => [bundle, link, policy]);
  const expected = [lenet, resnet].flatMap((bundle) =>
    base.links.flatMap((link) => base.policies.map(({ name }) => [bundle, link, name])),
  );
  assert.equal(names, expected);
  for (const { policy, regret } of results) assert.is(regret === undefined, policy === 'best each moment');
  // Classes of digits are easier than those of photographs.
  const [digits, photographs] = [lenet, resnet].map((id) => results.find(({ bundle }) => bundle === id));
  assert.ok((digits?.accuracy.share ?? 0) > (photographs?.accuracy.share ?? 1));
});

Bundles('is shown with a column that a scenario of one does not have', async () => {
  const few = { devices: [1], links: ['lte'], policies: [{ name: 'split', cut: 1 }], seconds: 5 };
  const several = resultTable(await run(1, few)).split('\n');
  const single = resultTable(await run(1, { ...few, bundle: lenet })).split('\n');
  assert.match(several[0] ?? '', /^bundle/);
  assert.match(several[2] ?? '', /^b-lenet-mnist/);
  assert.match(single[0] ?? '', /^link/);
});

Bundles('of one in a list is as the one by itself', async () => {
  const few = { devices: [1], seconds: 5 };
  assert.equal(await run(1, { ...few, bundle: [lenet] }), await run(1, { ...few, bundle: lenet }));
});

const shipped = join(projectFolder, 'scripts', 'simulate', 'profiles', `${lenet}.json`);

Bundles('takes the profiles that it names, and those that come with the project for the rest', async () => {
  const profile = JSON.parse(readFileSync(shipped, 'utf8'));
  profile.device.callMs = [100];
  writeFileSync(join(folder, 'late.json'), JSON.stringify(profile));
  const few = { devices: [1], links: ['lte'], policies: [{ name: 'device', cut: 'all' }], seconds: 20 };
  const [usualDigits, usualPhotographs] = await run(1, few);
  const [digits, photographs] = await run(1, { ...few, profile: { [lenet]: 'late.json' } });
  assert.ok((digits?.latencyMs.mean.ms ?? 0) > (usualDigits?.latencyMs.mean.ms ?? 0) + 90);
  assert.equal(photographs, usualPhotographs);
});

for (const [what, change, problem] of [
  [
    'a cut that one does not have',
    { policies: [{ name: 'deep', cut: 3 }] },
    /policy deep: cut: got 3.*lenet/,
  ],
  ['one profile for all', { profile: 'mine.json' }, /profile: got "mine\.json".*b-lenet-mnist, b-resnet/],
  ['a profile of another bundle', { profile: { [alexnet]: 'x.json' } }, /profile: got "b-alexnet/],
  ['a bundle twice', { bundle: [lenet, lenet] }, /bundle: got b-lenet-mnist twice/],
  ['no bundle', { bundle: [] }, /bundle: got \[\]/],
  [
    "a server's costs for another number of segments",
    { cloud: { executors: 1, segments: Array(3).fill({ fixedMs: 1, perRowMs: 1 }) } },
    /cloud\.segments: got 3, expected 2 for b-lenet/,
  ],
] as const) {
  Bundles(`with ${what} is refused by what was got`, async () => {
    const got = await problemOf(async () => {
      const { scenario, place } = opened(change);
      return prepareScenario(scenario, place);
    });
    assert.ok(got.startsWith('CONFIG_INVALID: '), got);
    assert.match(got, problem);
  });
}

Bundles.run();

const Threads = suite('a sweep');

Threads('gives the same results to the last digit, whatever the number of threads', async () => {
  const alone = await run(1);
  assert.equal(await run(3), alone);
  assert.is(threads(), 0);
});

Threads('that fails in a thread fails with its code and words, and leaves no thread', async () => {
  const file = join(folder, 'gone.json');
  writeFileSync(file, readFileSync(shipped));
  const { scenario, place } = opened({ profile: { [lenet]: 'gone.json' } });
  const prepared = await prepareScenario(scenario, place);
  // What this thread has read the others will not find.
  rmSync(file);
  const got = await problemOf(() =>
    withSweep({ prepared, place, jobs: 2 }, (runCell) => Promise.all(cellsOf(prepared).map(runCell))),
  );
  assert.match(got, /^CONFIG_INVALID: .*gone\.json cannot be read/);
  assert.is(threads(), 0);
});

Threads('whose work throws leaves no thread, though they are running', async () => {
  const { scenario, place } = opened({ seconds: 100_000 });
  const prepared = await prepareScenario(scenario, place);
  const startedMs = performance.now();
  const got = await problemOf(() =>
    withSweep({ prepared, place, jobs: 2 }, async (runCell) => {
      const long = cellsOf(prepared).map((cell) => problemOf(() => runCell(cell)));
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.ok(threads() > 0, `${long.length} cells want to run`);
      throw new OfframpError('DATA_MISSING', 'enough');
    }),
  );
  assert.is(got, 'DATA_MISSING: enough');
  assert.is(threads(), 0);
  assert.ok(performance.now() - startedMs < 20_000, 'nothing is run to its end');
});

Threads('whose thread dies says so instead of waiting for it', async () => {
  // What no sweep hands over: the thread throws before it can say anything.
  const thread = new SweepThread(undefined as never);
  const piece = { cell: { bundle: 0, link: 0, devices: 1, policy: 0 } };
  assert.match(await problemOf(() => thread.run(piece)), /^INTERNAL: /);
  assert.match(await problemOf(() => thread.run(piece)), /^INTERNAL: /);
  await thread.stop();
});

Threads.run();
