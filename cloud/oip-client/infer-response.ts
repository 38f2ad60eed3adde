import Type, { type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { OfframpError } from '../../shared/errors.ts';
import { ChunkReader } from './chunks.ts';
import { checkedDocument, parseDocument } from './documents.ts';
import type { InferRequest, WantedOutput } from './infer-request.ts';
import { flattened, fromJsonData } from './json-data.ts';
import {
  bytesOf,
  type Datatype,
  elementBytes,
  elementsOf,
  emptyTensor,
  fitsShape,
  isDatatype,
  type Tensor,
} from './tensors.ts';

/** An answer whose every tensor has the bytes that its type and shape ask for. */
export interface InferResponse {
  readonly model: string;
  readonly version?: string;
  readonly id?: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Those that were wanted, in their order; all when none was named. Each has memory of its own. */
  readonly outputs: readonly Tensor<ArrayBuffer>[];
}

/** A body as it came. */
export interface ReceivedBody {
  readonly chunks: readonly Uint8Array[];
  /** `Inference-Header-Content-Length`; absent when all of the body is JSON. */
  readonly headerLength?: string | undefined;
}

// Some servers write null where they have nothing.
const maybe = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));
const parameters = maybe(Type.Record(Type.String(), Type.Unknown()));
const outputSchema = Type.Object({
  name: Type.String(),
  datatype: Type.String(),
  shape: Type.Array(Type.Integer()),
  parameters,
  data: maybe(Type.Array(Type.Unknown())),
});
const responseSchema = Type.Object({
  model_name: Type.String(),
  model_version: maybe(Type.String()),
  id: maybe(Type.String()),
  parameters,
  outputs: Type.Array(outputSchema, { maxItems: 1024 }),
});
const responseCheck = Compile(responseSchema);
type Words = Static<typeof responseSchema>;
type OutputWords = Static<typeof outputSchema>;

/**
 * Reads an inference response and holds it against its request: model, version and id, every wanted output once, its type and
 * shape where they were given, and in any case as many bytes or elements as type and shape ask for, no more and no fewer.
 * @throws OfframpError RESPONSE_INVALID.
 */
export function decodeInferResponse(body: ReceivedBody, request: InferRequest): InferResponse {
  const reader = new ChunkReader(body.chunks);
  const words = checkedDocument(responseCheck, parseDocument(jsonPart(reader, body.headerLength)));
  checkOrigin(words, request);
  const outputs = readOutputs(words.outputs, request.outputs, reader);
  const { model_name: model, model_version: version, id } = words;
  return {
    model,
    ...(typeof version === 'string' && { version }),
    ...(typeof id === 'string' && { id }),
    parameters: words.parameters ?? {},
    outputs,
  };
}

function jsonPart(reader: ChunkReader, headerLength: string | undefined): Uint8Array {
  const length = headerLength === undefined ? reader.left : Number(headerLength);
  if (headerLength !== undefined && !(/^\d{1,15}$/.test(headerLength) && length <= reader.left)) {
    const got = headerLength.slice(0, 32);
    throw invalid(`Inference-Header-Content-Length is '${got}', the body has ${reader.left} bytes`);
  }
  const json = new Uint8Array(length);
  reader.read(json);
  return json;
}

function checkOrigin(words: Words, { model, version, id }: InferRequest): void {
  const compare = (what: string, got: string | null | undefined, expected: string | undefined) => {
    if (expected === undefined || got === expected) return;
    throw invalid(
      `${what} is ${got === undefined || got === null ? 'missing' : `'${got.slice(0, 200)}'`}, expected '${expected}'`,
    );
  };
  compare('model_name', words.model_name, model);
  // Optional in the protocol, unlike the other two.
  compare('model_version', words.model_version ?? version, version);
  compare('id', words.id, id);
}

/** The wanted outputs in their order; binary data is read in the order of the answer. */
function readOutputs(
  outputs: readonly OutputWords[],
  wanted: readonly WantedOutput[] | undefined,
  reader: ChunkReader,
): Tensor<ArrayBuffer>[] {
  const asked = wanted ?? outputs.map(({ name }) => ({ name }));
  const expectations = new Map<string, WantedOutput>(asked.map((output) => [output.name, output]));
  const found = new Map<string, Tensor<ArrayBuffer>>();
  for (const words of outputs) {
    const expected = expectations.get(words.name);
    if (expected === undefined) reader.skip(binarySize(words, reader) ?? 0);
    else if (found.has(words.name)) throw invalid(`output '${words.name}' comes twice`);
    else found.set(words.name, readOutput(words, expected, reader));
  }
  if (reader.left > 0) throw invalid(`${reader.left} bytes follow behind the last output`);
  return asked.map(({ name }) => {
    const tensor = found.get(name);
    if (tensor === undefined) throw invalid(`output '${name}' is missing`);
    return tensor;
  });
}

function readOutput(words: OutputWords, expected: WantedOutput, reader: ChunkReader): Tensor<ArrayBuffer> {
  const { name, datatype, shape } = words;
  const elements = elementsOf(shape);
  const got = `${datatype.slice(0, 32)} [${shape.join(', ')}]`;
  if (!isDatatype(datatype) || elements === undefined) {
    throw invalid(`output '${name}' is ${got}, which is no tensor of a known type`);
  }
  const { datatype: wantedType = datatype, shape: wantedShape = shape } = expected;
  if (datatype !== wantedType || !fitsShape(shape, wantedShape)) {
    throw invalid(`output '${name}' is ${got}, expected ${wantedType} [${wantedShape.join(', ')}]`);
  }
  const size = binarySize(words, reader);
  if (size === undefined) return fromJson(words, datatype, elements);
  const needed = elements * elementBytes(datatype);
  if (size !== needed || Array.isArray(words.data)) {
    const both = Array.isArray(words.data) ? ' and data' : '';
    throw invalid(`output '${name}' is ${got} and has ${size} bytes${both}, expected ${needed} bytes`);
  }
  const tensor = emptyTensor(name, datatype, shape, elements);
  reader.read(bytesOf(tensor));
  return tensor;
}

function fromJson(words: OutputWords, datatype: Datatype, elements: number): Tensor<ArrayBuffer> {
  const { name, shape } = words;
  const data = flattened(words.data ?? [], shape);
  // Nothing is made before it is known that its content is there.
  if (data?.length !== elements) {
    const got = data === undefined ? 'is nested unlike its shape' : `has ${data.length} elements`;
    throw invalid(`data of output '${name}' ${got}, expected [${shape.join(', ')}]`);
  }
  const tensor = emptyTensor(name, datatype, shape, elements);
  const problem = fromJsonData(data, tensor);
  if (problem !== undefined) throw invalid(`data of output '${name}' has ${problem}`);
  return tensor;
}

/** What an output has behind the JSON; `undefined` when it is in the JSON. */
function binarySize({ name, parameters }: OutputWords, reader: ChunkReader): number | undefined {
  const size = parameters?.binary_data_size;
  if (size === undefined || size === null) return undefined;
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 && size <= reader.left) return size;
  const got = JSON.stringify(size).slice(0, 32);
  throw invalid(`binary_data_size of output '${name}' is ${got}, ${reader.left} bytes are left`);
}

function invalid(message: string): OfframpError {
  return new OfframpError('RESPONSE_INVALID', message);
}
