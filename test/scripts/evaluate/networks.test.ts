/** The networks of the committed bundle, run side by side on drawn digits. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readIdxPair } from '../../../scripts/data/index.ts';
import { Networks, newStopwatch } from '../../../scripts/evaluate/table/networks.ts';
import { projectFolder } from '../../../scripts/project.ts';
import { type Bundle, openBundle } from '../../../shared/bundle/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { bundleFolder } from '../../../shared/host/index.ts';

const samples = join(projectFolder, 'models', 'samples');
const digits = readIdxPair(
  join(samples, 'drawn-digits-images-idx3-ubyte.gz'),
  join(samples, 'drawn-digits-labels-idx1-ubyte.gz'),
);
const rows = 40;
const bundle = await openBundle(bundleFolder(join(projectFolder, 'models', 'b-lenet-mnist')));
const thresholds = bundle.manifest.exits.flatMap(({ threshold }) => threshold ?? []);

/** The first images, in memory that a run may take away. */
function batch(count = rows): Uint8Array<ArrayBuffer> {
  return new Uint8Array(digits.pixels.subarray(0, count * 28 * 28));
}

async function withNetworks<T>(cut: number, use: (networks: Networks) => Promise<T>): Promise<T> {
  const networks = await Networks.start(bundle, cut);
  try {
    return await use(networks);
  } finally {
    await networks.close();
  }
}

const Rows = suite('networks of a table');

Rows('answer a row of a batch as the same image alone', async () => {
  await withNetworks(1, async (networks) => {
    const together = await networks.branchy(batch(), rows, thresholds);
    const alone = [];
    for (let row = 0; row < rows; row++) {
      alone.push(...(await networks.branchy(new Uint8Array(digits.image(row)), 1, thresholds)));
    }
    assert.equal(alone, together);
    const exits = new Set(together.map(({ exit }) => exit));
    assert.is(exits.size, 2, 'some rows stay, some leave');
  });
});

Rows('answer alike wherever the cut is: the codec loses nothing', async () => {
  const [atStart, between, atEnd] = await Promise.all(
    [0, 1, 2].map((cut) => withNetworks(cut, (networks) => networks.branchy(batch(), rows, thresholds))),
  );
  assert.equal(atStart, between);
  assert.equal(atEnd, between);
});

Rows('pass every exit where no threshold lets them leave, and none where it lets all', async () => {
  await withNetworks(1, async (networks) => {
    const last = await networks.branchy(batch(), rows, [0]);
    assert.ok(last.every(({ exit }) => exit === 1));
    const first = await networks.branchy(batch(), rows, [1]);
    assert.ok(first.every(({ exit }) => exit === 0));
  });
});

Rows('tell when each exit was reached, and how much of it was the way to the thread', async () => {
  await withNetworks(1, async (networks) => {
    const watch = newStopwatch();
    await networks.branchy(batch(1), 1, [0], watch);
    const [first = 0, second = 0] = watch.reachedMs;
    assert.equal([watch.reachedMs.length, watch.threadMs.length], [2, 2]);
    assert.ok(first > 0 && first < second, `${watch.reachedMs}`);
    assert.ok(watch.threadMs.every((ms, exit) => ms > 0 && ms < (watch.reachedMs[exit] ?? 0)));
    const short = newStopwatch();
    await networks.branchy(batch(1), 1, [1], short);
    assert.is(short.reachedMs.length, 1);
  });
});

Rows('run a baseline where the bundle has one', async () => {
  const { sha256, bytes, file, macs, parameters } = bundle.segment(0).spec;
  const baseline = { sha256, bytes, file, macs, parameters, logits: 'logits' as const };
  const own: Bundle = {
    ...bundle,
    manifest: { ...bundle.manifest, baseline },
    segment: (index) => bundle.segment(index),
    exit: (index) => bundle.exit(index),
    read: (name) => bundle.read(name),
  };
  const networks = await Networks.start(own, 2);
  const answers = await networks.baseline(batch(), rows);
  const first = await networks.branchy(batch(), rows, [1]);
  await networks.close();
  assert.equal(answers, first, 'the first segment, which stands in for it, answers as the branch');
});

Rows('refuse a cut that the bundle does not have', async () => {
  const error = await Networks.start(bundle, 3).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof OfframpError && error.code === 'CUT_UNSUPPORTED', String(error));
  assert.match(error.message, 'b-lenet-mnist: got cut 3, expected 0 to 2');
});

Rows.run();
