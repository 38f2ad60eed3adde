/** `offramp evaluate` on CIFAR-10, for every bundle that was trained on it: three segments, and images that are not all exact. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleFolders } from '../models/bundles.ts';
import { dataFolder, skip } from '../support/data.ts';
import { checkMacs, checkNothingMoved, evaluate, manifestOf } from './evaluations.ts';
import { temporaryFolder } from './images.ts';
import { cleanUp } from './support.ts';

const limit = 300;
const bundles = bundleFolders.filter(({ folder }) => manifestOf(folder).training.dataset === 'cifar10');

/** The test file of CIFAR-10 beside a list of approximate images that is the test's own. */
function cifarWith(data: string, approximate: readonly number[]): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'cifar10'));
  const file = join('cifar10', 'test_batch.bin.gz');
  symlinkSync(join(data, file), join(folder, file));
  const list = JSON.stringify({ 'test_batch.bin': approximate });
  writeFileSync(join(folder, 'cifar10', 'approx_indices.json'), list);
  return folder;
}

const evaluation = suite('offramp evaluate on photographs');
evaluation.after.each(cleanUp);

evaluation('moves no label at any cut, counts the MACs, and tells approximate images apart', async () => {
  const data = dataFolder();
  if (data === undefined) return skip('OFFRAMP_DATA is not set: the evaluation needs CIFAR-10');
  if (bundles.length === 0) return skip('there is no bundle for CIFAR-10');
  const folder = cifarWith(data, [3, 7, limit - 1, limit, 9999]);
  for (const { folder: bundle } of bundles) {
    const manifest = manifestOf(bundle);
    for (const cut of manifest.cuts.map((_, index) => index + 1)) {
      const args = ['--limit', String(limit), '--cut', String(cut), '--budget-ms', '30000'];
      const result = await evaluate(folder, ['--bundle', bundle, ...args]);
      checkNothingMoved(result, limit);
      checkMacs(result, manifest, cut);
      const { exact = { images: 0, accuracy: 0 }, approximateImages, accuracy, exits, deviceShare } = result;
      assert.equal([exact.images, approximateImages], [limit - 3, 3]);
      const rightAmongThem = Math.round(accuracy * limit) - Math.round(exact.accuracy * exact.images);
      assert.ok(rightAmongThem >= 0 && rightAmongThem <= 3, `${rightAmongThem} of 3 right`);
      const onDevice = exits.slice(0, cut).reduce((sum, { share }) => sum + share, 0);
      assert.ok(Math.abs(deviceShare - onDevice) < 1e-9, `device share ${deviceShare}, exits ${onDevice}`);
    }
  }
});

evaluation.run();
