/** `offramp models`: what it lists, verifies and exports. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type InstanceKind, type TritonOptions, tritonModels } from '../../scripts/models/triton.ts';
import { verifyBundle } from '../../scripts/models/verify.ts';
import { writeRepository } from '../../scripts/models/write-repository.ts';
import { bundleIds, findBundle } from '../../scripts/project.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { editedBundle, temporaryFolder } from '../e2e/images.ts';
import { cleanUp, runCommand } from '../e2e/support.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { type Message, parseTextFormat, type Value } from './text-format.ts';

const options: TritonOptions = { maxBatchSize: 64, instances: 1, instanceKind: 'auto' };

function opened(id: string) {
  return openBundle(bundleFolder(findBundle(id)));
}

function messages(values: readonly Value[] = []): Message[] {
  return values.map((value) => {
    // A word is the only other object, and has one member, which is no list.
    if (typeof value === 'object' && !('word' in value && typeof value.word === 'string'))
      return value as Message;
    throw new Error(`expected a message, got ${JSON.stringify(value)}`);
  });
}

function tensorsOf(values: readonly Value[] | undefined): unknown[] {
  return messages(values).map(({ name, data_type, dims }) => [name, data_type, dims]);
}

const Export = suite('an exported model repository');
Export.after.each(cleanUp);

for (const id of bundleIds()) {
  Export(`has a model for every segment of ${id}, with the tensors of manifest and graph`, async () => {
    const bundle = await opened(id);
    const models = tritonModels(bundle, options);
    assert.equal(
      models.map(({ name }) => name),
      bundle.manifest.segments.map((_, index) => `${id}-s${index}`),
    );
    for (const [index, { name, config, onnx }] of models.entries()) {
      const { input, logits, codes, sha256 } = bundle.segment(index).spec;
      const words = parseTextFormat(config);
      assert.equal(words.name, [name]);
      assert.equal(words.backend, ['onnxruntime']);
      assert.equal(words.platform, ['onnxruntime_onnx']);
      assert.equal(words.max_batch_size, [64]);
      const tensor = (one: typeof input | typeof logits) => [
        [one.name],
        [{ word: one.dtype === 'uint8' ? 'TYPE_UINT8' : 'TYPE_FP32' }],
        one.shape,
      ];
      assert.equal(tensorsOf(words.input), [tensor(input)]);
      assert.equal(tensorsOf(words.output), [logits, ...(codes === undefined ? [] : [codes])].map(tensor));
      const parameters = messages(words.parameters).map(({ key, value }) => [
        key?.[0],
        messages(value)[0]?.string_value?.[0],
      ]);
      assert.equal(Object.fromEntries(parameters), {
        ...{ bundle: id, bundle_version: bundle.manifest.version, bundle_digest: bundle.digest, sha256 },
      });

      const session = await ort.InferenceSession.create(onnx);
      const ofGraph = (found: readonly ort.InferenceSession.ValueMetadata[]) =>
        found.map((one) => {
          assert.ok(one.isTensor && typeof one.shape[0] === 'string', 'the rows have no fixed number');
          return [
            [one.name],
            [{ word: one.type === 'uint8' ? 'TYPE_UINT8' : 'TYPE_FP32' }],
            one.shape.slice(1),
          ];
        });
      assert.equal(tensorsOf(words.input), ofGraph(session.inputMetadata));
      assert.equal(tensorsOf(words.output), ofGraph(session.outputMetadata));
      await session.release();
    }
  });
}

Export('warms up every batch size that counts, with all inputs of the model', async () => {
  const [first] = tritonModels(await opened('b-lenet-mnist'), options);
  const words = parseTextFormat(first?.config ?? '');
  const warmups = messages(words.model_warmup);
  assert.equal(
    warmups.map(({ batch_size }) => batch_size),
    [[1], [64]],
  );
  for (const { inputs } of warmups) {
    const [{ key, value } = {}] = messages(inputs);
    assert.equal(key, ['image']);
    assert.equal(messages(value), [
      { data_type: [{ word: 'TYPE_UINT8' }], dims: [28, 28, 1], zero_data: [{ word: 'true' }] },
    ]);
  }
  const [single] = tritonModels(await opened('b-lenet-mnist'), { ...options, maxBatchSize: 1 });
  assert.is(messages(parseTextFormat(single?.config ?? '').model_warmup).length, 1);
});

Export('has the instances that were asked for', async () => {
  const bundle = await opened('b-lenet-mnist');
  for (const [instanceKind, kind] of [
    ['auto', 'KIND_AUTO'],
    ['cpu', 'KIND_CPU'],
    ['gpu', 'KIND_GPU'],
  ] satisfies [InstanceKind, string][]) {
    const [model] = tritonModels(bundle, { maxBatchSize: 8, instances: 3, instanceKind });
    const words = parseTextFormat(model?.config ?? '');
    assert.equal(messages(words.instance_group), [{ count: [3], kind: [{ word: kind }] }]);
    assert.equal(words.dynamic_batching, [{}]);
  }
});

Export('keeps words that the text format would take for its own', async () => {
  const bundle = await opened('b-lenet-mnist');
  const version = '1"\\\n}é';
  const [model] = tritonModels(
    { ...withMethods(bundle), manifest: { ...bundle.manifest, version } },
    options,
  );
  const values = messages(parseTextFormat(model?.config ?? '').parameters).map(
    ({ value }) => messages(value)[0]?.string_value,
  );
  assert.equal(values[1], [version]);
});

/** A bundle whose methods go along when it is spread. */
function withMethods(bundle: Awaited<ReturnType<typeof opened>>) {
  return {
    ...bundle,
    segment: (index: number) => bundle.segment(index),
    codec: bundle.codec,
    exit: bundle.exit,
    read: bundle.read,
    records: bundle.records,
  };
}

Export('replaces nothing unless it is told to, and then only its own files', async () => {
  const folder = join(temporaryFolder(), 'new', 'repository');
  const models = tritonModels(await opened('b-lenet-mnist'), options);
  await writeRepository(folder, models.slice(1), 'refuse');
  const file = join(folder, 'b-lenet-mnist-s1', '1', 'model.onnx');
  assert.equal(new Uint8Array(readFileSync(file)), new Uint8Array(models[1]?.onnx ?? []));
  writeFileSync(file, 'mine');
  writeFileSync(join(folder, 'b-lenet-mnist-s1', 'labels.txt'), 'kept');
  await rejectsCode(writeRepository(folder, models, 'refuse'), 'CONFIG_INVALID', 'b-lenet-mnist-s1 already');
  assert.not(existsSync(join(folder, 'b-lenet-mnist-s0')), 'something was written before it was refused');
  assert.is(readFileSync(file, 'utf8'), 'mine');
  await writeRepository(folder, models, 'replace');
  assert.equal(new Uint8Array(readFileSync(file)), new Uint8Array(models[1]?.onnx ?? []));
  assert.is(readFileSync(join(folder, 'b-lenet-mnist-s1', 'labels.txt'), 'utf8'), 'kept');
});

Export.run();

const Verify = suite('verified bundles');
Verify.after.each(cleanUp);

Verify('have all their files, and say how many', async () => {
  const verified = await verifyBundle(findBundle('b-lenet-mnist'));
  const { manifest, digest } = await opened('b-lenet-mnist');
  assert.is(verified.digest, digest);
  assert.is(verified.files, manifest.segments.length + manifest.cuts.length + manifest.records.length + 2);
});

Verify('are refused when any of their files differs, those too that no server reads', async () => {
  for (const file of ['whole.onnx', 'baseline.onnx', 'records-test.bin', 's1.onnx', 'cut1.tables.bin']) {
    const folder = temporaryFolder();
    cpSync(findBundle('b-lenet-mnist'), folder, { recursive: true });
    const bytes = readFileSync(join(folder, file));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(join(folder, file), bytes);
    await rejectsCode(verifyBundle(folder), 'BUNDLE_FILE_CORRUPT', file);
  }
});

Verify.run();

const Command = suite('offramp models');
Command.after.each(cleanUp);

Command('lists bundles with versions and digests', async () => {
  const { ending, stdout } = await runCommand(['models', 'list', '--json']);
  assert.is(ending, 0);
  const listed: readonly { readonly id: string; readonly digest: string }[] = JSON.parse(stdout);
  assert.equal(
    listed.map(({ id }) => id),
    bundleIds(),
  );
  for (const { id, digest } of listed) assert.is(digest, (await opened(id)).digest);
});

Command('ends with 1 and the code when a bundle that it verifies is damaged', async () => {
  const folder = editedBundle((manifest) => {
    const [first] = manifest.segments;
    if (first !== undefined) first.sha256 = '00'.repeat(32);
  });
  const bad = await runCommand(['models', 'verify', '--bundle', folder]);
  assert.is(bad.ending, 1);
  assert.match(bad.stderr, 'BUNDLE_FILE_CORRUPT');
});

Command('exports a repository, and refuses to do it twice without --force', async () => {
  const folder = temporaryFolder();
  const args = ['models', 'export', '--triton', folder, '--bundle', 'b-lenet-mnist', '--json'];
  const first = await runCommand(args);
  assert.is(first.ending, 0, first.stderr);
  assert.equal(JSON.parse(first.stdout), { folder, models: ['b-lenet-mnist-s0', 'b-lenet-mnist-s1'] });
  const second = await runCommand(args);
  assert.is(second.ending, 1);
  assert.match(second.stderr, 'CONFIG_INVALID');
});

Command('says how it is used: 2 for a missing folder or an unknown word', async () => {
  for (const args of [['export'], ['sell']]) {
    assert.is((await runCommand(['models', ...args])).ending, 2, args.join(' '));
  }
});

Command.run();
