/** Whatever bytes come, the answer is a 4xx with an error in words, and the next request is served. */
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readInferenceRequest } from '../../../cloud/http/infer-request.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { drawnImage } from '../../runtime/real-bundle.ts';
import { post, second, served, startApi, stopAll, whole, withBinary } from './api-source.ts';

const { url, api } = await startApi();
const place = `${url}/v2/models/${second.name}/infer`;

const codes = Uint8Array.from({ length: 96 }, (_, at) => at % 8);
const input = { name: 'codes', shape: [1, 6, 4, 4], datatype: 'UINT8' };
const asJson = Buffer.from(
  JSON.stringify({
    id: 'x',
    parameters: { timeout: 10_000_000 },
    inputs: [{ ...input, data: Array.from(codes) }],
  }),
);
const asBinary = withBinary(
  {
    inputs: [{ ...input, parameters: { binary_data_size: 96 } }],
    outputs: [{ name: 'logits', parameters: { binary_data: true } }],
  },
  codes,
);

/** Posts, and checks that the answer is one of the protocol: tensors, or an error with its words. */
async function answered(body: Uint8Array, headers: Record<string, string> = {}): Promise<number> {
  const { status, bytes } = await post(place, body, headers);
  if (status === 200) return status;
  assert.ok(status >= 400 && status < 500, `${status}: ${bytes.toString().slice(0, 500)}`);
  const { error, code } = JSON.parse(bytes.toString());
  assert.type(error, 'string');
  assert.match(code, /^[A-Z_]+$/);
  assert.ok(error.length < 5000);
  return status;
}

const Hostile = suite('hostile inference requests');

Hostile('of random bytes are refused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.option(fc.oneof(fc.nat(400).map(String), fc.constantFrom('-1', 'x', '1e9', '0'))),
      async (body, length) => {
        const headers = length === null ? undefined : { 'inference-header-content-length': length };
        const status = await answered(body, headers);
        // Only bare bytes can be a request by chance.
        if (length !== '0') assert.is(status, 400);
      },
    ),
    { numRuns: 100 },
  );
});

Hostile('of random JSON are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json({ maxDepth: 6 }), async (text) => {
      assert.is(await answered(Buffer.from(text)), 400);
    }),
    { numRuns: 100 },
  );
});

/** Something in the place of a value of a request. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(null, -1, 0, 1.5, 2 ** 53, 1e308, '', 'codes', 'UINT8', true, [], {}, [[]], {
    a: [{}],
  }),
  fc.string(),
  fc.array(fc.integer(), { maxLength: 6 }),
);

Hostile('in which any one value is another are answered or refused', async () => {
  const paths: readonly (readonly (string | number)[])[] = [
    ['id'],
    ['parameters'],
    ['parameters', 'timeout'],
    ['parameters', 'priority'],
    ['parameters', 'binary_data_output'],
    ['inputs'],
    ['inputs', 0],
    ['inputs', 0, 'name'],
    ['inputs', 0, 'shape'],
    ['inputs', 0, 'shape', 0],
    ['inputs', 0, 'shape', 3],
    ['inputs', 0, 'datatype'],
    ['inputs', 0, 'data'],
    ['inputs', 0, 'data', 5],
    ['inputs', 0, 'parameters'],
    ['outputs'],
    ['outputs', 0],
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), odd, async (path, value) => {
      const request = JSON.parse(asJson.toString());
      const last = path.at(-1) ?? '';
      const parent = path.slice(0, -1).reduce((node, step) => (node[step] ??= {}), request);
      parent[last] = value;
      await answered(Buffer.from(JSON.stringify(request)));
    }),
    { numRuns: 150 },
  );
});

Hostile('that are cut anywhere are refused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (json, share) => {
        const { body, headers } = json ? { body: asJson, headers: {} } : asBinary;
        assert.is(await answered(body.subarray(0, Math.floor(share * body.length)), headers), 400);
      },
    ),
    { numRuns: 80 },
  );
});

Hostile('with flipped bits are answered or refused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 4 }),
      async (json, flips) => {
        const { body, headers } = json ? { body: asJson, headers: {} } : asBinary;
        const bent = Buffer.from(body);
        for (const [at, bit] of flips) {
          const place = at % bent.length;
          bent[place] = (bent[place] ?? 0) ^ (1 << bit);
        }
        await answered(bent, headers);
      },
    ),
    { numRuns: 150 },
  );
});

/** What a packed body still unpacks to; `undefined` when it does not. */
function unpacked(coding: string, packed: Buffer): Buffer | undefined {
  try {
    return coding === 'gzip' ? gunzipSync(packed) : inflateSync(packed);
  } catch {
    return undefined;
  }
}

Hostile('with damaged packing are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('gzip', 'deflate'), fc.nat(), fc.nat(7), async (coding, at, bit) => {
      const packed = Buffer.from(coding === 'gzip' ? gzipSync(asJson) : deflateSync(asJson));
      // The first ten bytes of gzip hold fields that nobody reads, such as the time.
      const place = 10 + (at % (packed.length - 10));
      packed[place] = (packed[place] ?? 0) ^ (1 << bit);
      // Some bits change nothing: the same text may be copied from another distance.
      const text = unpacked(coding, packed);
      const expected = text === undefined ? 400 : await answered(text);
      assert.is(await answered(packed, { 'content-encoding': coding }), expected);
    }),
    { numRuns: 60, examples: [['deflate', 1732760283, 6]] },
  );
});

Hostile('never throw anything but an error of ours', () => {
  const models = [whole, second];
  fc.assert(
    fc.property(
      fc.constantFrom(...models),
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.json({ maxDepth: 10 }).map((text) => new Uint8Array(Buffer.from(text))),
      ),
      fc.option(fc.nat(250).map(String)),
      (model, body, length) => {
        try {
          readInferenceRequest(body, length ?? undefined, model);
        } catch (thrown) {
          assert.ok(thrown instanceof OfframpError, String(thrown));
          assert.ok(thrown.httpStatus < 500, thrown.code);
        }
      },
    ),
    { numRuns: 500 },
  );
});

Hostile('leave the server as it was', async () => {
  assert.is(api.inFlight, 0);
  assert.is(await answered(asJson), 200);
  assert.is(await answered(asBinary.body, asBinary.headers), 200);
  const { status } = await post(`${url}/v2/models/${served.id}/infer`, drawnImage(0), {
    'inference-header-content-length': '0',
  });
  assert.is(status, 200);
});

Hostile.after(stopAll);
Hostile.run();
