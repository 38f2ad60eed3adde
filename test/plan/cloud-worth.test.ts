import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openBundle } from '../../shared/bundle/index.ts';
import type { ExitTable } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { cloudWorth } from '../../shared/plan/cloud-worth.ts';
import { Planner } from '../../shared/plan/index.ts';

const Worth = suite('what the cloud would add');

/** The last exit is always right; the first is right while its entropy, image / images, is below `sureBelow`. */
function tableOf(images: number, sureBelow: number): ExitTable {
  const entropies = Float64Array.from({ length: images }, (_, image) => image / images);
  return {
    ...{ images, exits: 2, labels: new Uint16Array(images) },
    answers: [
      Uint16Array.from(entropies, (entropy) => (entropy < sureBelow ? 0 : 1)),
      new Uint16Array(images),
    ],
    entropies: [entropies, new Float64Array(images)],
  };
}

Worth('is most for images of which the device is wrong, and least for those of which it is right', () => {
  const worth = cloudWorth(tableOf(2400, 0.5), 0);
  assert.equal([worth.at(0.9), worth.at(0.1)], [1, 0.1]);
});

Worth('is always as much where the last exit is no better', () => {
  const worth = cloudWorth(tableOf(2400, 2), 0);
  assert.equal([worth.at(0), worth.at(1)], [1, 1]);
});

Worth('never falls with the entropy, and is above 0 and at most 1, whatever the records', () => {
  const answer = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2), fc.nat(2), fc.nat(2));
  fc.assert(
    fc.property(
      fc.array(answer, { minLength: 1, maxLength: 200 }),
      fc.nat(100),
      fc.nat(100),
      (rows, one, other) => {
        const column = (at: 1 | 2 | 3) => Uint16Array.from(rows, (row) => row[at]);
        const entropies = Float64Array.from(rows, ([entropy]) => entropy);
        const answers = [column(1), column(2)];
        const worth = cloudWorth(
          { images: rows.length, exits: 2, labels: column(3), answers, entropies: [entropies, entropies] },
          0,
        );
        const [low, high] = [Math.min(one, other) / 100, Math.max(one, other) / 100];
        assert.ok(worth.at(low) >= 0.1 && worth.at(high) <= 1);
        assert.ok(worth.at(low) <= worth.at(high) + 1e-12);
      },
    ),
  );
});

Worth('of a real bundle is little just above the threshold of its branch', async () => {
  const folder = fileURLToPath(new URL('../../models/b-resnet-cifar10', import.meta.url));
  const bundle = await openBundle(bundleFolder(folder), { segments: [] });
  const planner = new Planner({ manifest: bundle.manifest, records: await bundle.records('calibration') });
  const threshold = bundle.exit(0).threshold ?? 0;
  assert.ok(planner.cloudWorth(0, threshold) < 0.5, `${planner.cloudWorth(0, threshold)}`);
  assert.ok(planner.cloudWorth(0, 0.7) > 0.8, `${planner.cloudWorth(0, 0.7)}`);
});

Worth.run();
