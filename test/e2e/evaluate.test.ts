/** `offramp evaluate` on MNIST's test split: nothing moves with the cut, nothing is lost, and the bars of the product hold. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Evaluation } from '../../scripts/evaluate/summary.ts';
import { dataFolder, skip } from '../support/data.ts';
import { checkMacs, checkNothingMoved, evaluate, manifestOf } from './evaluations.ts';
import { cleanUp, committedBundle } from './support.ts';

const bars = { accuracy: 0.9925, deviceShare: 0.943, bytesMean: 150 };
const stages = ['cloudQueue', 'cloudRun', 'device', 'encode', 'exit', 'network', 'prepare'];
const concurrency = 16;

const evaluation = suite('offramp evaluate');
evaluation.after.each(cleanUp);

function checkShape(result: Evaluation): void {
  const { bundle, digest, dataset, split, cut, exits, offload, latencyMs, stagesMs, whole } = result;
  assert.equal([bundle, dataset, split, cut], ['b-lenet-mnist', 'mnist', 'test', 1]);
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(
    exits.map(({ name, side }) => [name, side]),
    [
      ['branch', 'device'],
      ['final', 'cloud'],
    ],
  );
  assert.ok(Math.abs(exits.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9, 'shares add up to 1');
  const weighted = exits.reduce((sum, { share, accuracy }) => sum + share * accuracy, 0);
  assert.ok(Math.abs(weighted - result.accuracy) < 1e-9, 'accuracies of the exits make up the whole');
  assert.is(offload.images, Math.round((exits[1]?.share ?? 0) * result.images));
  assert.ok(offload.bytesMean > 0 && offload.bytesP95 > 0);
  const spread = (offload.bytesMean * offload.images) / result.images;
  assert.ok(Math.abs(offload.bytesPerImage - spread) < 1e-6, `${offload.bytesPerImage} bytes per image`);
  assert.is(result.deviceShare, exits[0]?.share);
  assert.equal([result.exact, result.approximateImages], [undefined, undefined]);
  assert.ok(whole.accuracy > 0.9 && whole.accuracy <= 1);
  for (const route of ['exit', 'features'] as const) {
    const { p50, p95, p99 } = latencyMs[route] ?? { p50: 0, p95: -1, p99: -2 };
    assert.ok(p50 > 0 && p50 <= p95 && p95 <= p99, `${route}: latencies ${p50}, ${p95}, ${p99}`);
    assert.equal(Object.keys(stagesMs[route] ?? {}).sort(), stages, `${route}: stages`);
  }
}

evaluation(
  '1,000 images: the cut moves no label, none is lost or degraded, and the JSON is whole',
  async () => {
    const data = dataFolder();
    if (data === undefined) return skip('OFFRAMP_DATA is not set: the evaluation needs MNIST');
    const result = await evaluate(data, ['--bundle', committedBundle, '--limit', '1000']);
    checkNothingMoved(result, 1000);
    checkShape(result);
    checkMacs(result, manifestOf(committedBundle), 1);
  },
);

evaluation('all 10,000 images: the bars of the product hold', async () => {
  const data = dataFolder();
  if (data === undefined) return skip('OFFRAMP_DATA is not set: the bars are on MNIST');
  const result = await evaluate(data, ['--concurrency', String(concurrency)]);
  checkNothingMoved(result, 10_000);
  const deviceShare = result.exits.find(({ name }) => name === 'branch')?.share ?? 0;
  assert.ok(result.accuracy >= bars.accuracy, `accuracy ${result.accuracy}, the bar is ${bars.accuracy}`);
  assert.ok(deviceShare >= bars.deviceShare, `device share ${deviceShare}, the bar is ${bars.deviceShare}`);
  const { bytesMean } = result.offload;
  assert.ok(
    bytesMean <= bars.bytesMean,
    `${bytesMean} bytes per offloaded image, the bar is ${bars.bytesMean}`,
  );
});

evaluation.run();
