import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { OfframpError } from '../../shared/errors.ts';

/** What servers say of themselves and their models, with the names of the protocol. Members beyond these are kept. */

const text = Type.String();
const extensions = Type.Array(text);
const tensor = Type.Object({ name: text, datatype: text, shape: Type.Array(Type.Integer()) });

const serverMetadata = Type.Object({ name: text, version: text, extensions });
export type ServerMetadata = Readonly<Static<typeof serverMetadata>>;

/** The shapes have -1 for a dimension of any size, such as the rows. */
const modelMetadata = Type.Object({
  name: text,
  versions: Type.Optional(Type.Union([Type.Array(text), Type.Null()])),
  platform: text,
  inputs: Type.Array(tensor),
  outputs: Type.Array(tensor),
});
export type ModelMetadata = Readonly<Static<typeof modelMetadata>>;
export type TensorMetadata = ModelMetadata['inputs'][number];

/** Triton's ModelConfig; `dims` are those of one row when `max_batch_size` is above 0. */
const configTensor = Type.Object({ name: text, data_type: text });
const modelConfig = Type.Object({
  name: text,
  max_batch_size: Type.Optional(Type.Integer()),
  input: Type.Optional(Type.Array(configTensor)),
  output: Type.Optional(Type.Array(configTensor)),
  parameters: Type.Optional(Type.Record(text, Type.Object({ string_value: Type.Optional(text) }))),
});
export type ModelConfig = Readonly<Static<typeof modelConfig>>;

const duration = Type.Object({ count: Type.Number(), ns: Type.Number() });
const modelStatistics = Type.Object({
  model_stats: Type.Array(
    Type.Object({
      name: text,
      version: text,
      last_inference: Type.Optional(Type.Number()),
      inference_count: Type.Number(),
      execution_count: Type.Number(),
      inference_stats: Type.Record(text, duration),
    }),
  ),
});
export type ModelStatistics = Readonly<Static<typeof modelStatistics>>;

const repositoryIndex = Type.Array(
  Type.Object({
    name: text,
    version: Type.Optional(Type.Union([text, Type.Null()])),
    state: Type.Optional(Type.Union([text, Type.Null()])),
    reason: Type.Optional(Type.Union([text, Type.Null()])),
  }),
);
export type RepositoryIndex = Readonly<Static<typeof repositoryIndex>>;

export const documents = {
  modelConfig: Compile(modelConfig),
  modelMetadata: Compile(modelMetadata),
  modelStatistics: Compile(modelStatistics),
  repositoryIndex: Compile(repositoryIndex),
  serverMetadata: Compile(serverMetadata),
};

/** A compiled schema. */
export interface DocumentCheck<T> {
  Check(value: unknown): value is T;
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[];
}

/** @throws OfframpError RESPONSE_INVALID for what is no JSON in UTF-8. */
export function parseDocument(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    // The parser's own words quote what the server has sent.
    throw new OfframpError('RESPONSE_INVALID', `Got ${bytes.length} bytes that are no JSON`, { cause });
  }
}

/** @throws OfframpError RESPONSE_INVALID naming the first wrong member. */
export function checkedDocument<T>(check: DocumentCheck<T>, value: unknown): T {
  if (check.Check(value)) return value;
  const problem = check.Errors(value)[0];
  const where = (problem?.instancePath || 'the document').slice(0, 200);
  throw new OfframpError('RESPONSE_INVALID', `${where}: ${problem?.message ?? 'of another form'}`);
}
