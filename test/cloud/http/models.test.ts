import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultHttpLimits, ModelTable } from '../../../cloud/http/index.ts';
import { type ServedBundle, serveBundle } from '../../../cloud/index.ts';
import { openBundle } from '../../../shared/bundle/index.ts';
import { bundleFolder } from '../../../shared/host/index.ts';
import { throwsCode } from '../../protocol/expect.ts';
import { openRealBundle, realBundleFolder } from '../../runtime/real-bundle.ts';

const served = serveBundle(await openRealBundle());
const threeSegments = serveBundle(
  await openBundle(bundleFolder(realBundleFolder.replace('b-lenet-mnist', 'b-alexnet-cifar10'))),
);
const table = new ModelTable([served, threeSegments], defaultHttpLimits);

function renamed(bundle: ServedBundle, id: string): ServedBundle {
  return { ...bundle, id, bundle: { ...bundle.bundle, manifest: { ...bundle.bundle.manifest, id } } };
}

const Models = suite('models');

Models('are each bundle and each of its segments', () => {
  assert.equal(
    table.all.map(({ name }) => name),
    [
      ...['b-lenet-mnist', 'b-lenet-mnist-s0', 'b-lenet-mnist-s1'],
      ...['b-alexnet-cifar10', 'b-alexnet-cifar10-s0', 'b-alexnet-cifar10-s1', 'b-alexnet-cifar10-s2'],
    ],
  );
});

Models('of a whole bundle take the image and give logits, label and exit', () => {
  const { input, outputs, segment } = table.get('b-alexnet-cifar10');
  assert.is(segment, undefined);
  assert.equal(input, { name: 'image', datatype: 'UINT8', shape: [32, 32, 3] });
  assert.equal(outputs, [
    { name: 'logits', datatype: 'FP32', shape: [10] },
    { name: 'label', datatype: 'INT64', shape: [] },
    { name: 'exit', datatype: 'INT64', shape: [] },
  ]);
});

Models('of a segment have the tensors of the manifest, and codes no larger than their bits', () => {
  const { segments, cuts } = threeSegments.bundle.manifest;
  const middle = table.get('b-alexnet-cifar10-s1');
  assert.is(middle.segment, 1);
  assert.is(middle.input.name, segments[1]?.input.name);
  assert.equal(
    middle.outputs.map(({ name, datatype, shape }) => [name, datatype, shape]),
    [
      ['logits', 'FP32', [10]],
      ['codes2', 'UINT8', segments[1]?.codes?.shape],
    ],
  );
  assert.is(middle.maxInputValue, 2 ** (cuts[0]?.bits ?? 0) - 1);
  assert.is(table.get('b-alexnet-cifar10-s2').maxInputValue, 2 ** (cuts[1]?.bits ?? 0) - 1);
  assert.is(table.get('b-alexnet-cifar10-s0').maxInputValue, 255);
  assert.equal(table.get('b-alexnet-cifar10-s2').outputs.length, 1);
});

Models('that are not there are NOT_FOUND, and the message names those that are', () => {
  throwsCode(() => table.get('nope'), 'NOT_FOUND', 'b-lenet-mnist-s1');
  throwsCode(() => table.get('b-lenet-mnist-s2'), 'NOT_FOUND');
  throwsCode(() => table.get('__proto__'), 'NOT_FOUND');
  throwsCode(() => table.get('b-lenet-mnist', '2'), 'NOT_FOUND', 'expected 1');
  assert.is(table.get('b-lenet-mnist', '1'), table.get('b-lenet-mnist'));
});

Models('of two bundles cannot have one name', () => {
  throwsCode(
    () => new ModelTable([served, renamed(threeSegments, 'b-lenet-mnist-s0')], defaultHttpLimits),
    'CONFIG_INVALID',
    'b-lenet-mnist-s0',
  );
});

Models('take as many rows as bytes in and out allow, and always one', () => {
  const rows = (maxHttpTensorBytes: number, maxHttpRows = 1000) =>
    new ModelTable([served], { ...defaultHttpLimits, maxHttpTensorBytes, maxHttpRows }).get('b-lenet-mnist');
  assert.is(rows(784 * 5 + 783).maxRows, 5);
  assert.is(rows(784 * 5, 3).maxRows, 3);
  assert.is(rows(1).maxRows, 1);
  // A row of codes has 96 bytes, its logits 40.
  const second = new ModelTable([served], { ...defaultHttpLimits, maxHttpTensorBytes: 960 }).get(
    'b-lenet-mnist-s1',
  );
  assert.is(second.maxRows, 10);
});

Models('take a body that holds their largest request, binary or a row of JSON', () => {
  const large = new ModelTable([served], {
    ...defaultHttpLimits,
    maxHttpTensorBytes: 784 * 4000,
    maxHttpRows: 4000,
  });
  const { maxBodyBytes, maxRows, maxJsonBytes } = large.get('b-lenet-mnist');
  assert.is(maxRows, 4000);
  assert.ok(maxBodyBytes > 4000 * 784);
  assert.ok(maxJsonBytes < maxBodyBytes);
  assert.ok(maxJsonBytes > JSON.stringify(new Array(784).fill([255])).length);
});

Models.run();
