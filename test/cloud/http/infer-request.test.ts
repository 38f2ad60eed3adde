import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultHttpLimits, type Model, ModelTable } from '../../../cloud/http/index.ts';
import { readInferenceRequest } from '../../../cloud/http/infer-request.ts';
import { maxJsonNumbers } from '../../../cloud/http/limits.ts';
import { serveBundle } from '../../../cloud/index.ts';
import type { ErrorCode } from '../../../shared/errors.ts';
import { throwsCode } from '../../protocol/expect.ts';
import { openRealBundle } from '../../runtime/real-bundle.ts';

const table = new ModelTable([serveBundle(await openRealBundle())], defaultHttpLimits);
const whole = table.get('b-lenet-mnist');
/** Takes codes uint8 [6, 4, 4] of 3 bits. */
const second = table.get('b-lenet-mnist-s1');

const codes = Uint8Array.from({ length: 192 }, (_, at) => at % 8);
const flat = Array.from(codes);
const input = { name: 'codes', shape: [2, 6, 4, 4], datatype: 'UINT8' };

function read(json: unknown, binary: Uint8Array = new Uint8Array(0), model: Model = second) {
  const head = Buffer.from(JSON.stringify(json));
  const length = binary.length === 0 ? undefined : String(head.length);
  return readInferenceRequest(Buffer.concat([head, binary]), length, model);
}

function refuses(json: unknown, code: ErrorCode, words: string, binary?: Uint8Array): void {
  throwsCode(() => read(json, binary), code, words);
}

const logits = { name: 'logits', datatype: 'FP32' } as const;

/** Nests a flat list as a shape says. */
function nest(list: readonly number[], shape: readonly number[]): unknown[] {
  const [length = 0, ...inner] = shape;
  if (inner.length === 0) return [...list];
  const size = list.length / length;
  return Array.from({ length }, (_, at) => nest(list.slice(at * size, (at + 1) * size), inner));
}

const Tensors = suite('input tensors');

Tensors('come as flat JSON, as nested JSON and as binary data, and are the same', () => {
  const ways = [
    read({ inputs: [{ ...input, data: flat }] }),
    read({ inputs: [{ ...input, data: nest(flat, input.shape) }] }),
    read({ inputs: [{ ...input, parameters: { binary_data_size: 192 } }] }, codes),
    readInferenceRequest(codes, '0', second),
  ];
  for (const { rows, tensor } of ways) {
    assert.is(rows, 2);
    assert.equal(tensor, codes);
  }
});

Tensors('have memory of their own', () => {
  const body = Buffer.from(codes);
  const { tensor } = readInferenceRequest(body, '0', second);
  body.fill(0);
  assert.equal(tensor, codes);
  assert.is(tensor.buffer.byteLength, 192);
});

Tensors('of any rows come through as they were sent', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 7 })),
      (rows, values) => {
        const sent = Uint8Array.from([...values.take(rows * 96)]);
        const shape = [rows, 6, 4, 4];
        const { tensor } = read({ inputs: [{ ...input, shape, data: nest(Array.from(sent), shape) }] });
        assert.equal(tensor, sent);
      },
    ),
    { numRuns: 30 },
  );
});

Tensors('of another name, type or number are refused', () => {
  const data = flat;
  refuses({ inputs: [] }, 'TENSOR_INVALID', '0 inputs');
  refuses(
    {
      inputs: [
        { ...input, data },
        { ...input, data },
      ],
    },
    'TENSOR_INVALID',
    '2 inputs',
  );
  refuses({ inputs: [{ ...input, name: 'image', data }] }, 'TENSOR_INVALID', "'codes'");
  refuses({ inputs: [{ ...input, datatype: 'FP32', data }] }, 'TENSOR_INVALID', 'expected UINT8');
});

Tensors('of another shape are refused before anything is counted', () => {
  const shapes = [
    [],
    [2],
    [2, 6, 4],
    [2, 6, 4, 4, 1],
    [2, 4, 6, 4],
    [0, 6, 4, 4],
    [-1, 6, 4, 4],
    [second.maxRows + 1, 6, 4, 4],
    [2 ** 53, 2 ** 53, 2 ** 53, 2 ** 53],
    [1e300, 6, 4, 4],
    [4294967298, 6, 4, 4],
  ];
  for (const shape of shapes) {
    refuses({ inputs: [{ ...input, shape, data: flat }] }, 'TENSOR_INVALID', 'expected [rows, 6, 4, 4]');
  }
  refuses(
    { inputs: [{ ...input, shape: [2.5, 6, 4, 4], data: flat }] },
    'INFERENCE_INVALID',
    '/inputs/0/shape/0',
  );
  refuses(
    { inputs: [{ ...input, shape: ['2', 6, 4, 4], data: flat }] },
    'INFERENCE_INVALID',
    '/inputs/0/shape/0',
  );
});

Tensors('with too little or too much data are refused', () => {
  const sized = (binary_data_size: unknown) => ({ inputs: [{ ...input, parameters: { binary_data_size } }] });
  refuses({ inputs: [{ ...input, data: flat.slice(1) }] }, 'TENSOR_INVALID', '191 elements');
  refuses({ inputs: [{ ...input, data: [...flat, 0] }] }, 'TENSOR_INVALID', '193 elements');
  refuses({ inputs: [{ ...input, data: [] }] }, 'TENSOR_INVALID', '0 elements');
  refuses(sized(192), 'TENSOR_INVALID', '191 bytes', codes.subarray(1));
  refuses(sized(191), 'TENSOR_INVALID', '191 bytes', codes.subarray(1));
  refuses(sized(192), 'TENSOR_INVALID', '193 bytes', Buffer.concat([codes, codes.subarray(1, 2)]));
  for (const size of [-1, 1.5, '192', true, 2 ** 60]) {
    refuses(sized(size), 'INFERENCE_INVALID', 'binary_data_size', codes);
  }
  refuses({ inputs: [{ ...input, data: flat }] }, 'TENSOR_INVALID', '192 bytes follow', codes);
  refuses({ inputs: [input] }, 'INFERENCE_INVALID', 'neither');
  const both = { ...input, data: flat, parameters: { binary_data_size: 192 } };
  refuses({ inputs: [both] }, 'INFERENCE_INVALID', 'both', codes);
});

Tensors('nested otherwise than their shape says are refused', () => {
  const wrong = [
    nest(flat, [2, 4, 6, 4]),
    nest(flat, [192, 1]),
    [...nest(flat, input.shape).slice(0, 1), 5],
    [5, ...nest(flat, input.shape).slice(0, 1)],
    nest(flat, [2, 96]),
    nest(flat, [1, 2, 6, 4, 4]),
  ];
  for (const data of wrong) refuses({ inputs: [{ ...input, data }] }, 'TENSOR_INVALID', "'codes'");
});

Tensors('with elements that are no bytes are refused', () => {
  for (const element of [-1, 256, 0.5, 1e300, '1', true, null, {}, []]) {
    const data = [...flat.slice(0, 191), element];
    refuses({ inputs: [{ ...input, data }] }, 'TENSOR_INVALID', 'whole numbers from 0 to 255');
  }
});

Tensors('with codes above what their bits hold are refused', () => {
  const high = Uint8Array.from(codes);
  high[100] = 8;
  refuses({ inputs: [{ ...input, data: Array.from(high) }] }, 'TENSOR_INVALID', 'from 0 to 7');
  throwsCode(() => readInferenceRequest(high, '0', second), 'TENSOR_INVALID', 'from 0 to 7');
  readInferenceRequest(new Uint8Array(784).fill(255), '0', whole);
});

Tensors('in shared memory are NOT_SUPPORTED, in and out', () => {
  const parameters = { shared_memory_region: 'r', shared_memory_byte_size: 192 };
  refuses({ inputs: [{ ...input, parameters }] }, 'NOT_SUPPORTED', 'shared memory');
  const outputs = [{ name: 'logits', parameters }];
  refuses({ inputs: [{ ...input, data: flat }], outputs }, 'NOT_SUPPORTED', 'shared memory');
});

Tensors('as the whole body are any whole number of rows', () => {
  assert.is(readInferenceRequest(codes.subarray(0, 96), '0', second).rows, 1);
  for (const length of [0, 1, 95, 97]) {
    throwsCode(
      () => readInferenceRequest(codes.subarray(0, length), '0', second),
      'TENSOR_INVALID',
      'multiple of the 96',
    );
  }
  const many = new Uint8Array(96 * (second.maxRows + 1));
  throwsCode(() => readInferenceRequest(many, '0', second), 'TENSOR_INVALID', `${second.maxRows} rows`);
});

Tensors.run();

const Head = suite('the length of the JSON');

Head('has to be a number within the body', () => {
  const body = Buffer.from(JSON.stringify({ inputs: [{ ...input, data: flat }] }));
  for (const length of ['', ' 5', '-1', '1e2', '0x10', String(body.length + 1), '9'.repeat(30), '10, 10']) {
    throwsCode(() => readInferenceRequest(body, length, second), 'INFERENCE_INVALID', 'Inference-Header');
  }
  assert.is(readInferenceRequest(body, String(body.length), second).rows, 2);
  throwsCode(() => readInferenceRequest(body, String(body.length - 1), second), 'INFERENCE_INVALID');
});

Head('is limited, so that the thread of the sockets does not parse for long', () => {
  const long = { id: 'x'.repeat(1000), inputs: [{ ...input, data: flat }] };
  const spaces = Buffer.concat([Buffer.from(JSON.stringify(long)), Buffer.alloc(second.maxJsonBytes, 0x20)]);
  throwsCode(() => readInferenceRequest(spaces, undefined, second), 'REQUEST_TOO_LARGE', 'binary data');
});

Head.run();

const Wanted = suite('requests');
const inputs = [{ ...input, data: flat }];

Wanted('want all outputs unless they say which', () => {
  const names = (json: object) =>
    read({ inputs, ...json }).outputs.map(({ spec, index }) => [spec.name, index]);
  assert.equal(names({}), [['logits', 0]]);
  assert.equal(names({ outputs: [] }), [['logits', 0]]);
  const first = table.get('b-lenet-mnist-s0');
  const row = { name: 'image', shape: [1, 28, 28, 1], datatype: 'UINT8', data: new Array(784).fill(0) };
  const both = read({ inputs: [row], outputs: [{ name: 'codes' }, { name: 'logits' }] }, undefined, first);
  assert.equal(
    both.outputs.map(({ spec, index }) => [spec.name, index]),
    [
      ['codes', 1],
      ['logits', 0],
    ],
  );
});

Wanted('for an output that is not there, or twice for one, are refused', () => {
  refuses({ inputs, outputs: [{ name: 'label' }] }, 'INFERENCE_INVALID', 'expected one of logits');
  refuses({ inputs, outputs: [{ name: 'logits' }, { name: 'logits' }] }, 'INFERENCE_INVALID', 'twice');
});

Wanted('say of all outputs, or of one, that it is to be binary', () => {
  const binary = (json: object) => read({ inputs, ...json }).outputs.map((output) => output.binary);
  assert.equal(binary({}), [false]);
  assert.equal(binary({ parameters: { binary_data_output: true } }), [true]);
  const parameters = { binary_data: false };
  const outputs = [{ name: 'logits', parameters }];
  assert.equal(binary({ parameters: { binary_data_output: true }, outputs }), [false]);
  assert.equal(readInferenceRequest(codes, '0', second).outputs[0]?.binary, true);
  refuses({ inputs, parameters: { binary_data_output: 1 } }, 'INFERENCE_INVALID', 'true or false');
});

Wanted('for the best classes want at most all of them, of logits only', () => {
  const best = (classification: unknown) =>
    read({ inputs, outputs: [{ name: 'logits', parameters: { classification } }] });
  assert.is(best(3).outputs[0]?.bestClasses, 3);
  assert.is(best(1e9).outputs[0]?.bestClasses, 10);
  for (const value of [0, -1, 1.5, true, '3'])
    throwsCode(() => best(value), 'INFERENCE_INVALID', 'classification');
  const row = { name: 'image', shape: [1, 28, 28, 1], datatype: 'UINT8', data: new Array(784).fill(0) };
  const outputs = [{ name: 'label', parameters: { classification: 1 } }];
  throwsCode(() => read({ inputs: [row], outputs }, undefined, whole), 'INFERENCE_INVALID', 'has no classes');
});

Wanted('give their timeout in microseconds and their priority; 0 leaves them to the server', () => {
  const { timeoutMicros, priority } = read({ inputs, parameters: { timeout: 1500, priority: 2 } });
  assert.equal([timeoutMicros, priority], [1500, 2]);
  const left = read({ inputs, parameters: { timeout: 0, priority: 0, sequence_id: 'x', unknown: true } });
  assert.equal([left.timeoutMicros, left.priority], [undefined, undefined]);
  for (const timeout of [-1, 0.5, '5', true, 600_000_001]) {
    refuses({ inputs, parameters: { timeout } }, 'BUDGET_INVALID', 'microseconds');
  }
  for (const priority of [-1, 0.5, 'high', 2 ** 32]) {
    refuses({ inputs, parameters: { priority } }, 'INFERENCE_INVALID', 'priority');
  }
});

Wanted('of another form are refused, with the place', () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [null, 'body'],
    [5, 'body'],
    [[], 'body'],
    [{}, 'body'],
    [{ inputs: {} }, '/inputs'],
    [{ inputs: [null] }, '/inputs/0'],
    [{ inputs, id: 42 }, '/id'],
    [{ inputs, id: 'x'.repeat(1025) }, '/id'],
    [{ inputs, outputs: 'logits' }, '/outputs'],
    [{ inputs, outputs: [{}] }, '/outputs/0'],
    [{ inputs, parameters: [] }, '/parameters'],
    [{ inputs, parameters: { timeout: {} } }, '/parameters'],
    [{ inputs: [{ ...input, data: 'AAAA' }] }, '/inputs/0/data'],
    [{ inputs: [{ ...input, name: 'x'.repeat(10_000), data: flat }] }, '/inputs/0/name'],
    [{ inputs: new Array(17).fill(inputs[0]) }, '/inputs'],
  ];
  for (const [json, place] of wrong) refuses(json, 'INFERENCE_INVALID', place);
});

Wanted('keep their id, and may carry members that nobody knows', () => {
  assert.is(read({ inputs, id: 'ünïcode ✓', model_name: 'x' }).id, 'ünïcode ✓');
  assert.is(read({ inputs }).id, undefined);
});

Wanted('do not take parameters from a prototype', () => {
  const json = `{"inputs":${JSON.stringify(inputs)},"parameters":{"__proto__":{"timeout":5}}}`;
  throwsCode(
    () => readInferenceRequest(Buffer.from(json), undefined, second),
    'INFERENCE_INVALID',
    '/parameters',
  );
  const harmless = `{"inputs":${JSON.stringify(inputs)},"__proto__":{"id":"x"}}`;
  assert.is(readInferenceRequest(Buffer.from(harmless), undefined, second).id, undefined);
});

Wanted('for more JSON than is written at a time are refused, and not so as binary data', () => {
  const rows = Math.floor(maxJsonNumbers / (10 + 96)) + 1;
  const first = table.get('b-lenet-mnist-s0');
  const row = { name: 'image', datatype: 'UINT8', shape: [rows, 28, 28, 1] };
  const json = { inputs: [{ ...row, parameters: { binary_data_size: rows * 784 } }] };
  const images = new Uint8Array(rows * 784);
  throwsCode(() => read(json, images, first), 'INFERENCE_INVALID', 'ask for binary data');
  const parameters = { binary_data_output: true };
  read({ ...json, parameters }, images, first);
  const outputs = [{ name: 'logits', parameters: { classification: 1 } }];
  read({ ...json, parameters, outputs }, images, first);
  const many = { ...row, shape: [second.maxRows, 6, 4, 4], name: 'codes' };
  const bytes = second.maxRows * 96;
  const request = { inputs: [{ ...many, parameters: { binary_data_size: bytes } }], parameters, outputs };
  const large = {
    ...second,
    served: { ...second.served, classes: 1000 },
    outputs: [{ ...logits, shape: [1000] }],
  };
  throwsCode(() => read(request, new Uint8Array(bytes), large), 'INFERENCE_INVALID', 'fewer rows');
});

Wanted.run();
