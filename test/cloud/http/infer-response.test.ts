import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultHttpLimits, ModelTable } from '../../../cloud/http/index.ts';
import type { WantedOutput } from '../../../cloud/http/infer-request.ts';
import { encodeResponse } from '../../../cloud/http/infer-response.ts';
import { serveBundle } from '../../../cloud/index.ts';
import { openRealBundle } from '../../runtime/real-bundle.ts';

const model = new ModelTable([serveBundle(await openRealBundle())], defaultHttpLimits).get('b-lenet-mnist');
const logits = Float32Array.from({ length: 20 }, (_, at) => Math.fround(Math.sin(at)));
const tensors = [logits, BigInt64Array.of(2n, 7n), BigInt64Array.of(0n, 1n)];

function wanted(name: string, change: Partial<WantedOutput> = {}): WantedOutput {
  const index = model.outputs.findIndex((output) => output.name === name);
  const spec = model.outputs[index];
  if (spec === undefined) throw new Error(`no output ${name}`);
  return { spec, index, binary: false, ...change };
}

const Response = suite('inference responses');

Response('as JSON have every output in the order asked for, and all values', () => {
  const outputs = [wanted('exit'), wanted('logits')];
  const { body, headerBytes } = encodeResponse(model, { id: 'seven', rows: 2, outputs }, tensors);
  assert.is(headerBytes, undefined);
  assert.equal(JSON.parse(body.toString()), {
    model_name: 'b-lenet-mnist',
    model_version: '1',
    id: 'seven',
    outputs: [
      { name: 'exit', datatype: 'INT64', shape: [2], data: [0, 1] },
      { name: 'logits', datatype: 'FP32', shape: [2, 10], data: Array.from(logits) },
    ],
  });
});

Response('have neither id nor parameters unless there are any', () => {
  const outputs = [wanted('label')];
  const plain = JSON.parse(encodeResponse(model, { rows: 2, outputs }, tensors).body.toString());
  assert.equal(Object.keys(plain), ['model_name', 'model_version', 'outputs']);
  const degraded = encodeResponse(model, { rows: 2, outputs }, tensors, { degraded_rows: 1 });
  assert.equal(JSON.parse(degraded.body.toString()).parameters, { degraded_rows: 1 });
});

Response('may mix JSON and binary data, which follows little-endian in the order of the outputs', () => {
  const outputs = [wanted('label', { binary: true }), wanted('exit'), wanted('logits', { binary: true })];
  const { body, headerBytes = 0 } = encodeResponse(model, { rows: 2, outputs }, tensors);
  const json = JSON.parse(body.subarray(0, headerBytes).toString());
  assert.equal(
    json.outputs.map(({ name, data, parameters }: Record<string, unknown>) => [name, data, parameters]),
    [
      ['label', undefined, { binary_data_size: 16 }],
      ['exit', [0, 1], undefined],
      ['logits', undefined, { binary_data_size: 80 }],
    ],
  );
  const binary = body.subarray(headerBytes);
  assert.is(binary.length, 96);
  assert.equal([binary.readBigInt64LE(0), binary.readBigInt64LE(8)], [2n, 7n]);
  for (const [at, value] of logits.entries()) assert.is(binary.readFloatLE(16 + at * 4), value);
});

Response('take only their own part of a larger buffer', () => {
  const larger = new Float32Array(40).fill(9);
  larger.set(logits, 10);
  const outputs = [wanted('logits', { binary: true })];
  const { body, headerBytes = 0 } = encodeResponse(model, { rows: 2, outputs }, [larger.subarray(10, 30)]);
  assert.equal(body.subarray(headerBytes), Buffer.from(logits.buffer));
});

Response('name the best classes, the best first, of equal ones the smaller index', () => {
  const rows = Float32Array.of(0, 3, 1, 3, 2, 0, 0, 0, 0, -5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2.5);
  const outputs = [wanted('logits', { bestClasses: 3 })];
  const [output] = JSON.parse(encodeResponse(model, { rows: 2, outputs }, [rows]).body.toString()).outputs;
  assert.equal(output, {
    name: 'logits',
    datatype: 'BYTES',
    shape: [2, 3],
    data: ['3.000000:1:1', '3.000000:3:3', '2.000000:4:4', '2.500000:9:9', '1.000000:0:0', '0.000000:1:1'],
  });
});

Response('have words as binary data each behind its length', () => {
  const rows = Float32Array.of(0, 3, 1, 0, 0, 0, 0, 0, 0, 0);
  const outputs = [wanted('logits', { bestClasses: 1, binary: true })];
  const { body, headerBytes = 0 } = encodeResponse(model, { rows: 1, outputs }, [rows]);
  const binary = body.subarray(headerBytes);
  assert.is(binary.readUInt32LE(0), 12);
  assert.is(binary.subarray(4).toString(), '3.000000:1:1');
  assert.is(JSON.parse(body.subarray(0, headerBytes).toString()).outputs[0].parameters.binary_data_size, 16);
});

Response.run();
