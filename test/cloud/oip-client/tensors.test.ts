/** What goes over the wire and what comes back: every type, both encodings, the bytes of the specification. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Datatype, InferRequest, Tensor } from '../../../cloud/oip-client/index.ts';
import { encodeInferRequest } from '../../../cloud/oip-client/infer-request.ts';
import { decodeInferResponse } from '../../../cloud/oip-client/infer-response.ts';
import { answer, cleanUp, clientOf, type Handler, partsOf, refusal, serveHttp } from './servers.ts';

const samples: readonly Tensor[] = [
  { name: 'bf16', datatype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0x7fc0) },
  { name: 'bool', datatype: 'BOOL', shape: [3], data: Uint8Array.of(0, 1, 1) },
  { name: 'fp16', datatype: 'FP16', shape: [2], data: Uint16Array.of(0x3c00, 0xfc00) },
  { name: 'fp32', datatype: 'FP32', shape: [1, 3], data: Float32Array.of(0.1, -1e38, 1.17e-38) },
  { name: 'fp64', datatype: 'FP64', shape: [2, 1], data: Float64Array.of(Math.PI, -5e-324) },
  { name: 'int16', datatype: 'INT16', shape: [2], data: Int16Array.of(-32768, 32767) },
  { name: 'int32', datatype: 'INT32', shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) },
  { name: 'int64', datatype: 'INT64', shape: [2], data: BigInt64Array.of(-(2n ** 53n) + 1n, 5n) },
  { name: 'int8', datatype: 'INT8', shape: [2], data: Int8Array.of(-128, 127) },
  { name: 'uint16', datatype: 'UINT16', shape: [1], data: Uint16Array.of(65535) },
  { name: 'uint32', datatype: 'UINT32', shape: [1], data: Uint32Array.of(2 ** 32 - 1) },
  { name: 'uint64', datatype: 'UINT64', shape: [1], data: BigUint64Array.of(2n ** 53n - 1n) },
  { name: 'uint8', datatype: 'UINT8', shape: [2, 2], data: Uint8Array.of(0, 1, 254, 255) },
  { name: 'none', datatype: 'FP32', shape: [0, 7], data: new Float32Array(0) },
];
const binaryOnly: readonly Datatype[] = ['BF16', 'FP16'];

/** Gives every input back as an output, in the encoding in which it came. */
const echo: Handler = (request, response) => {
  const { words, tail } = partsOf(request);
  const head = { model_name: 'echo', model_version: '1', id: words.id };
  if (request.headers['inference-header-content-length'] === undefined) {
    answer(response, { ...head, outputs: words.inputs });
  } else answer(response, { ...head, outputs: words.inputs }, tail);
};

const Wire = suite('tensors over the wire');
Wire.after.each(cleanUp);

Wire('every type comes back as it went, as binary data', async () => {
  const client = clientOf(await serveHttp(echo));
  const { outputs } = await client.infer({ model: 'echo', inputs: samples });
  assert.equal(outputs, samples);
});

Wire('every type that JSON can hold comes back as it went, as JSON', async () => {
  const inputs = samples.filter(({ datatype }) => !binaryOnly.includes(datatype));
  const client = clientOf(await serveHttp(echo));
  const { outputs } = await client.infer({ model: 'echo', inputs, encoding: 'json' });
  assert.equal(outputs, inputs);
});

Wire('tensors have memory of their own that holds nothing else', async () => {
  const client = clientOf(await serveHttp(echo));
  const { outputs } = await client.infer({ model: 'echo', inputs: samples });
  for (const { data } of outputs) assert.is(data.buffer.byteLength, data.byteLength);
  assert.is(new Set(outputs.map(({ data }) => data.buffer)).size, outputs.length);
});

Wire('a part of a larger array is sent without what is around it', async () => {
  const client = clientOf(await serveHttp(echo));
  const data = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
  const { outputs } = await client.infer({
    model: 'echo',
    inputs: [{ name: 'part', datatype: 'FP32', shape: [2], data }],
  });
  assert.equal(outputs[0]?.data, Float32Array.of(1, 2));
});

Wire('any tensors of any sizes come back as they went', async () => {
  const client = clientOf(await serveHttp(echo));
  // A NaN comes back as it went, but is equal to nothing.
  const floats = fc.float32Array({ maxLength: 3000, noNaN: true });
  const bytes = fc.uint8Array({ maxLength: 3000 });
  await fc.assert(
    fc.asyncProperty(floats, bytes, fc.string(), async (fp32, uint8, id) => {
      const inputs: Tensor[] = [
        { name: 'a', datatype: 'UINT8', shape: [uint8.length], data: uint8 },
        { name: 'b', datatype: 'FP32', shape: [1, fp32.length], data: fp32 },
      ];
      const { outputs, id: returned } = await client.infer({ model: 'echo', id, inputs });
      assert.equal(outputs, inputs);
      assert.is(returned, id);
    }),
    { numRuns: 100 },
  );
});

Wire('wanted outputs come in the order in which they were asked for, others are left out', async () => {
  const client = clientOf(await serveHttp(echo));
  const outputs = [{ name: 'uint8' }, { name: 'fp32', datatype: 'FP32', shape: [-1, 3] }] as const;
  const answered = await client.infer({ model: 'echo', inputs: samples, outputs });
  assert.equal(
    answered.outputs.map(({ name }) => name),
    ['uint8', 'fp32'],
  );
});

Wire('an answer may be JSON although binary data was asked for, flat or nested', async () => {
  for (const data of [
    [1, 2, 3, 4],
    [
      [1, 2],
      [3, 4],
    ],
  ]) {
    const server = await serveHttp((_request, response) =>
      answer(response, {
        model_name: 'm',
        model_version: null,
        parameters: null,
        outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 2], parameters: {}, data }],
      }),
    );
    const { outputs } = await clientOf(server).infer({ model: 'm', inputs: [] });
    assert.equal(outputs[0]?.data, Float32Array.of(1, 2, 3, 4));
  }
});

Wire.run();

const Requests = suite('inference requests');

const pixels = { name: 'image', datatype: 'UINT8', shape: [1, 2], data: Uint8Array.of(7, 255) } as const;

function jsonOf(request: InferRequest): unknown {
  return JSON.parse(Buffer.from(encodeInferRequest(request).parts[0] ?? []).toString());
}

Requests('are JSON with the bytes behind it, as the binary tensor data extension has them', () => {
  const { path, headers, parts } = encodeInferRequest({ model: 'net-s0', inputs: [pixels] });
  const json =
    '{"parameters":{"binary_data_output":true},"inputs":[{"name":"image","shape":[1,2],"datatype":"UINT8","parameters":{"binary_data_size":2}}]}';
  assert.is(path, '/v2/models/net-s0/infer');
  assert.equal(headers, {
    'Content-Type': 'application/octet-stream',
    'Inference-Header-Content-Length': String(json.length),
  });
  assert.is(Buffer.concat(parts).toString('latin1'), `${json}\x07\xff`);
});

Requests('are all JSON when asked to', () => {
  const { headers, parts } = encodeInferRequest({ model: 'm', inputs: [pixels], encoding: 'json' });
  assert.equal(headers, { 'Content-Type': 'application/json' });
  assert.is(
    Buffer.concat(parts).toString(),
    '{"inputs":[{"name":"image","shape":[1,2],"datatype":"UINT8","data":[7,255]}]}',
  );
});

Requests('do not copy tensors', () => {
  const { parts } = encodeInferRequest({ model: 'm', inputs: [pixels] });
  assert.is(parts[1]?.buffer, pixels.data.buffer);
});

Requests('carry id, version, priority, timeout, parameters and wanted outputs', () => {
  const request = {
    ...{ model: 'a b/c', version: '3', id: 'r1', priority: 2, timeoutMicros: 1500.4 },
    ...{ inputs: [pixels], outputs: [{ name: 'logits' }], parameters: { tenant: 'x' } },
  };
  assert.is(encodeInferRequest(request).path, '/v2/models/a%20b%2Fc/versions/3/infer');
  assert.equal(jsonOf(request), {
    id: 'r1',
    parameters: { tenant: 'x', priority: 2, timeout: 1500 },
    inputs: [{ name: 'image', shape: [1, 2], datatype: 'UINT8', parameters: { binary_data_size: 2 } }],
    outputs: [{ name: 'logits', parameters: { binary_data: true } }],
  });
});

const refused: readonly [string, Tensor, 'binary' | 'json', RegExp][] = [
  ['fewer elements than its shape says', { ...pixels, shape: [1, 3] }, 'binary', /2 elements, expected 3/],
  ['a dimension below 0', { ...pixels, shape: [-1, -2] }, 'binary', /expected a valid shape/],
  ['a dimension that is no whole number', { ...pixels, shape: [0.5, 4] }, 'binary', /a valid shape/],
  ['more elements than can be counted', { ...pixels, shape: [2 ** 40, 2 ** 40] }, 'binary', /a valid shape/],
  [
    'NaN in JSON',
    { name: 'x', datatype: 'FP32', shape: [1], data: Float32Array.of(Number.NaN) },
    'json',
    /NaN/,
  ],
  ['FP16 in JSON', { name: 'x', datatype: 'FP16', shape: [1], data: Uint16Array.of(1) }, 'json', /FP16/],
  [
    '2^53 in JSON',
    { name: 'x', datatype: 'INT64', shape: [1], data: BigInt64Array.of(2n ** 53n) },
    'json',
    /9007199254740992/,
  ],
];
for (const [what, tensor, encoding, words] of refused) {
  Requests(`are not sent with ${what}`, async () => {
    const server = await serveHttp(() => {
      throw new Error('it was sent');
    });
    const error = await refusal(clientOf(server).infer({ model: 'm', inputs: [tensor], encoding }));
    assert.is(error.code, 'TENSOR_INVALID');
    assert.match(error.message, words);
    assert.is(server.opened(), 0);
    await cleanUp();
  });
}

Requests('are not sent with an array of another type', () => {
  // What a caller without types can do.
  const wrong = { ...pixels, datatype: 'FP32' } as unknown as Tensor;
  assert.throws(() => encodeInferRequest({ model: 'm', inputs: [wrong] }), /got no Float32Array/);
});

Requests.run();

const Answers = suite('inference answers');

const request: InferRequest = {
  model: 'm',
  id: 'r7',
  inputs: [],
  outputs: [
    { name: 'logits', datatype: 'FP32', shape: [1, 2] },
    { name: 'codes', datatype: 'UINT8', shape: [1, 3] },
  ],
};
const honest = {
  model_name: 'm',
  model_version: '1',
  id: 'r7',
  outputs: [
    { name: 'logits', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } },
    { name: 'codes', datatype: 'UINT8', shape: [1, 3], parameters: { binary_data_size: 3 } },
  ],
};
const tail = Buffer.concat([Buffer.from(Float32Array.of(1.5, -2).buffer), Buffer.of(3, 4, 5)]);
const truth = [Float32Array.of(1.5, -2), Uint8Array.of(3, 4, 5)];

function decoded(json: Buffer, rest: Buffer): readonly Tensor[] {
  const body = { chunks: [json, rest], headerLength: String(json.length) };
  return decodeInferResponse(body, request).outputs;
}

Answers('that are honest are read', () => {
  assert.equal(
    decoded(Buffer.from(JSON.stringify(honest)), tail).map(({ data }) => data),
    truth,
  );
});

Answers(
  'with any byte of their words changed, taken away or put in are refused or read as they were meant',
  () => {
    const json = Buffer.from(JSON.stringify(honest));
    const edits = fc.tuple(fc.nat(json.length - 1), fc.nat(255), fc.constantFrom('change', 'drop', 'insert'));
    fc.assert(
      fc.property(edits, ([at, byte, how]) => {
        const middle = how === 'drop' ? [] : [byte];
        const after = how === 'insert' ? at : at + 1;
        const edited = Buffer.concat([json.subarray(0, at), Buffer.from(middle), json.subarray(after)]);
        let tensors: readonly Tensor[];
        try {
          tensors = decoded(edited, tail);
        } catch (thrown) {
          assert.is((thrown as { code?: string }).code, 'RESPONSE_INVALID');
          return;
        }
        assert.equal(
          tensors.map(({ data }) => data),
          truth,
        );
      }),
      { numRuns: 3000 },
    );
  },
);

Answers('cut anywhere, or with bytes behind their end, are refused', () => {
  const json = Buffer.from(JSON.stringify(honest));
  const whole = Buffer.concat([json, tail]);
  const headerLength = String(json.length);
  for (let length = 0; length < whole.length; length++) {
    const chunks = [whole.subarray(0, length)];
    assert.throws(
      () => decodeInferResponse({ chunks, headerLength }, request),
      ({ code }: { code: string }) => code === 'RESPONSE_INVALID',
    );
  }
  const chunks = [whole, Buffer.of(0)];
  assert.throws(() => decodeInferResponse({ chunks, headerLength }, request), /1 bytes follow/);
});

Answers('of anything at all are refused or are tensors of the wanted types and shapes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.option(fc.string({ maxLength: 4 })),
      (bytes, length) => {
        const headerLength = length ?? undefined;
        assert.throws(
          () => decodeInferResponse({ chunks: [bytes], headerLength }, request),
          ({ code }: { code: string }) => code === 'RESPONSE_INVALID',
        );
      },
    ),
    { numRuns: 1000 },
  );
});

type Words = Record<string, unknown>;
const [logits, codes] = honest.outputs;
const lies: readonly [string, Words, RegExp][] = [
  ['another model', { ...honest, model_name: 'n' }, /model_name is 'n', expected 'm'/],
  ['another id', { ...honest, id: 'r8' }, /id is 'r8', expected 'r7'/],
  ['no id', { ...honest, id: undefined }, /id is missing/],
  [
    'an output that is missing',
    { ...honest, outputs: [logits, { ...codes, name: 'other' }] },
    /'codes' is missing/,
  ],
  ['an output that comes twice', { ...honest, outputs: [logits, logits] }, /'logits' comes twice/],
  [
    'another type',
    { ...honest, outputs: [{ ...logits, datatype: 'INT64', shape: [1, 1] }, codes] },
    /INT64 \[1, 1\], expected FP32 \[1, 2\]/,
  ],
  ['a type of the same width', { ...honest, outputs: [{ ...logits, datatype: 'INT32' }, codes] }, /INT32/],
  [
    'a type that there is not',
    { ...honest, outputs: [{ ...logits, datatype: '__proto__' }, codes] },
    /no tensor of a known type/,
  ],
  [
    'another shape of as many elements',
    { ...honest, outputs: [{ ...logits, shape: [2, 1] }, codes] },
    /\[2, 1\], expected FP32 \[1, 2\]/,
  ],
  ['a negative dimension', { ...honest, outputs: [{ ...logits, shape: [-1, -2] }, codes] }, /no tensor/],
  [
    'a gigantic shape',
    { ...honest, outputs: [{ ...logits, shape: [2 ** 52, 2 ** 52] }, codes] },
    /no tensor/,
  ],
  [
    'fewer bytes than the shape says',
    { ...honest, outputs: [{ ...logits, parameters: { binary_data_size: 4 } }, codes] },
    /4 bytes, expected 8/,
  ],
  [
    'more bytes than there are',
    { ...honest, outputs: [{ ...logits, parameters: { binary_data_size: 800 } }, codes] },
    /800, 11 bytes are left/,
  ],
  [
    'a size that is no number',
    { ...honest, outputs: [{ ...logits, parameters: { binary_data_size: '8' } }, codes] },
    /"8"/,
  ],
  [
    'a size below 0',
    { ...honest, outputs: [{ ...logits, parameters: { binary_data_size: -8 } }, codes] },
    /-8/,
  ],
  ['both data and bytes', { ...honest, outputs: [{ ...logits, data: [1.5, -2] }, codes] }, /and data/],
  ['neither', { ...honest, outputs: [{ ...logits, parameters: {} }, codes] }, /0 elements/],
  [
    'words in place of numbers',
    { ...honest, outputs: [{ ...logits, parameters: {}, data: ['1.5', '-2'] }, codes] },
    /"1.5", expected FP32/,
  ],
  [
    'too many numbers',
    { ...honest, outputs: [{ ...logits, parameters: {}, data: [1, 2, 3] }, codes] },
    /3 elements/,
  ],
  [
    'data nested unlike its shape',
    { ...honest, outputs: [{ ...logits, parameters: {}, data: [[1], [2]] }, codes] },
    /nested unlike/,
  ],
  [
    'data nested in part',
    { ...honest, outputs: [{ ...logits, parameters: {}, data: [[1, 2], 3] }, codes] },
    /nested unlike/,
  ],
  [
    'numbers beyond the type',
    { ...honest, outputs: [logits, { ...codes, parameters: {}, data: [3, 4, 256] }] },
    /256, expected UINT8/,
  ],
  [
    'fractions for integers',
    { ...honest, outputs: [logits, { ...codes, parameters: {}, data: [3, 4, 0.5] }] },
    /0.5, expected UINT8/,
  ],
  [
    'a null in the data',
    { ...honest, outputs: [{ ...logits, parameters: {}, data: [null, 1] }, codes] },
    /null, expected FP32/,
  ],
  ['outputs that are no list', { ...honest, outputs: {} }, /outputs/],
];
for (const [what, words, message] of lies) {
  Answers(`with ${what} are refused`, () => {
    assert.throws(
      () => decoded(Buffer.from(JSON.stringify(words)), tail),
      (error: { code: string; message: string }) =>
        error.code === 'RESPONSE_INVALID' && message.test(error.message),
    );
  });
}

Answers('of another version than the one asked for are refused', () => {
  const body = {
    chunks: [Buffer.from(JSON.stringify(honest)), tail],
    headerLength: String(JSON.stringify(honest).length),
  };
  assert.throws(
    () => decodeInferResponse(body, { ...request, version: '2' }),
    /model_version is '1', expected '2'/,
  );
});

Answers('with integers that JSON has rounded are refused', () => {
  const words =
    '{"model_name":"m","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}';
  assert.throws(
    () => decodeInferResponse({ chunks: [Buffer.from(words)] }, { model: 'm', inputs: [] }),
    /9007199254740992, expected INT64/,
  );
});

Answers.run();
