import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { vulkanDevices } from '../../../../scripts/bench/device/adapters.ts';
import { agrees, compareOutputs } from '../../../../scripts/bench/device/compare.ts';
import { batchesOf, batchSizes, runRows, timeSegment } from '../../../../scripts/bench/device/runs.ts';
import { segmentKey } from '../../../../shared/runtime/index.ts';
import {
  drawnImage,
  furthest,
  openRealBundle,
  runAlone,
  segmentGraphs,
  stack,
  startPool,
} from '../../../runtime/real-bundle.ts';

const Compare = suite('outputs of two devices');

const logits = Float32Array.of(1, 3, 2, 5, 4, 0);

Compare('that are the same have no difference', () => {
  const outputs = { logits, codes: Uint8Array.of(0, 7, 3, 15) };
  const same = compareOutputs(outputs, outputs, 2);
  assert.equal(same, {
    ...{ rows: 2, labelsDiffering: 0, largestLogitDifference: 0 },
    codes: { compared: 4, differing: 0, rows: 0, largest: 0 },
  });
  assert.ok(agrees(same, 1e-9));
});

Compare('of a segment without codes have none to compare', () => {
  assert.is(compareOutputs({ logits }, { logits }, 2).codes, undefined);
});

Compare('differ by a label where another logit is the largest, however close', () => {
  const other = { logits: Float32Array.of(1, 3, 2, 5, 5.000001, 0) };
  const found = compareOutputs({ logits: Float32Array.of(1, 3, 2, 5.000001, 5, 0) }, other, 2);
  assert.is(found.labelsDiffering, 1);
  assert.not(agrees(found, 1));
});

Compare('differ by the furthest logit', () => {
  const found = compareOutputs({ logits }, { logits: Float32Array.of(1, 3.25, 2, 5, 4, -0.5) }, 2);
  assert.equal([found.labelsDiffering, found.largestLogitDifference], [0, 0.5]);
  assert.ok(agrees(found, 0.5));
  assert.not(agrees(found, 0.49));
});

Compare('never agree where one of them is no finite number', () => {
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const broken = { logits: Float32Array.of(1, 3, 2, odd, 4, 0) };
    for (const pair of [
      [{ logits }, broken],
      [broken, { logits }],
      [broken, broken],
    ] as const) {
      assert.is(compareOutputs(pair[0], pair[1], 2).labelsDiffering, 1);
    }
  }
});

Compare('count codes that differ, their rows, and the largest step', () => {
  const one = { logits, codes: Uint8Array.of(0, 7, 3, 15) };
  const found = compareOutputs(one, { logits, codes: Uint8Array.of(0, 7, 4, 12) }, 2);
  assert.equal(found.codes, { compared: 4, differing: 2, rows: 1, largest: 3 });
  assert.ok(agrees(found, 1e-9), 'what follows from codes is compared for itself');
});

Compare.run();

const Batches = suite('batches of the device bench');

Batches('are of every size in turn and hold every row once', () => {
  assert.equal(batchSizes(64), [1, 2, 4, 8, 16, 32, 64]);
  assert.equal(batchSizes(10), [1, 2, 4, 8]);
  assert.equal(batchesOf(16, batchSizes(64)), [1, 2, 4, 8, 1]);
  assert.equal(batchesOf(10, [1, 2, 4]), [1, 2, 4, 1, 2]);
});

Batches('give each row what it gives alone, and leave the input as it was', async () => {
  const bundle = await openRealBundle();
  const pool = await startPool(segmentGraphs(bundle));
  try {
    const images = Array.from({ length: 11 }, (_, index) => drawnImage(index));
    const alone = await runAlone(pool, bundle, images);
    const segment = { key: segmentKey(bundle.manifest.id, 0), input: stack(images), rows: images.length };
    const outputs = await runRows(pool, segment, [1, 2, 4]);
    assert.equal(new Uint8Array(outputs.codes ?? []), stack(alone.map(({ codes }) => codes)));
    const expected = alone.flatMap((one) => [...(one.logits[0] ?? [])]);
    assert.ok(furthest(outputs.logits, expected) < 1e-4);
    assert.equal(segment.input, stack(images));
    const speed = await timeSegment(pool, segment, [1, 16], 2);
    assert.equal(
      speed.batches.map(({ rows }) => rows),
      [1, 16],
    );
    assert.ok(speed.batches.every(({ durationMs }) => durationMs > 0));
    assert.ok(speed.rowsPerSecond > 0 && speed.line.perRowMs >= 0 && speed.line.fixedMs >= 0);
  } finally {
    await pool.close();
  }
});

Batches.run();

const Adapters = suite('devices that vulkaninfo names');

Adapters('are named with their drivers, as far as it tells them', () => {
  const summary = [
    'Devices:',
    '========',
    'GPU0:',
    '\tapiVersion         = 1.3.0',
    '\tdeviceName         = SwiftShader Device (Subzero)',
    '\tdriverName         = SwiftShader driver',
    '\tdriverInfo         = ',
    'GPU1:',
    '\tdeviceName         = NVIDIA H200',
    '\tdriverName         = NVIDIA',
    '\tdriverInfo         = 570.1',
    '',
  ].join('\n');
  assert.equal(vulkanDevices(summary), [
    'SwiftShader Device (Subzero), SwiftShader driver',
    'NVIDIA H200, NVIDIA, 570.1',
  ]);
  assert.equal(vulkanDevices(''), []);
});

Adapters.run();
