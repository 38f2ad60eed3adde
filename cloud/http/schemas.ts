import Type, { type Static, type TSchema } from 'typebox';
import { consoleSnapshot } from '../console/snapshot-schema.ts';

/**
 * The bodies of the Open Inference Protocol v2 and of the extensions that are served, with the names of its specification. Both
 * the checks of requests and the OpenAPI document are made of them.
 */

const parameters = Type.Record(
  Type.String(),
  Type.Union([Type.String({ maxLength: 4096 }), Type.Number(), Type.Boolean()]),
  { description: 'parameters by name: strings, numbers and booleans', maxProperties: 64 },
);
const tensorName = Type.String({ description: 'the name of the tensor', maxLength: 256 });
const datatype = Type.String({ description: 'the element type: UINT8, FP32, INT64, BYTES', maxLength: 16 });
const shape = Type.Array(Type.Integer(), {
  description: 'the dimensions, rows first; -1 in metadata for any number of them',
  maxItems: 16,
});
// Its elements are checked one by one where they are put into the tensor.
const data = Type.Array(Type.Unknown(), {
  description: 'the elements, row-major, flat or nested as the shape',
});

const inferenceRequest = Type.Object(
  {
    id: Type.Optional(Type.String({ description: "the caller's name for the request", maxLength: 1024 })),
    parameters: Type.Optional(parameters),
    inputs: Type.Array(
      Type.Object(
        {
          name: tensorName,
          shape,
          datatype,
          parameters: Type.Optional(parameters),
          data: Type.Optional(data),
        },
        { description: 'one input tensor, with data or with the parameter binary_data_size' },
      ),
      { description: 'the input tensors; every model here has one', maxItems: 16 },
    ),
    outputs: Type.Optional(
      Type.Array(Type.Object({ name: tensorName, parameters: Type.Optional(parameters) }), {
        description: 'the wanted output tensors, in their order; all when absent',
        maxItems: 16,
      }),
    ),
  },
  { description: 'an inference request' },
);
export type InferenceRequest = Static<typeof inferenceRequest>;

const inferenceResponse = Type.Object(
  {
    model_name: Type.String(),
    model_version: Type.String(),
    id: Type.Optional(Type.String({ description: 'the id of the request' })),
    parameters: Type.Optional(parameters),
    outputs: Type.Array(
      Type.Object({
        name: tensorName,
        shape,
        datatype,
        parameters: Type.Optional(parameters),
        data: Type.Optional(data),
      }),
    ),
  },
  { description: 'an inference response; binary tensors follow behind it' },
);

const serverMetadata = Type.Object(
  { name: Type.String(), version: Type.String(), extensions: Type.Array(Type.String()) },
  { description: 'what the server is' },
);

const tensorMetadata = Type.Object({ name: tensorName, datatype, shape });
const modelMetadata = Type.Object(
  {
    name: Type.String(),
    versions: Type.Array(Type.String()),
    platform: Type.String(),
    inputs: Type.Array(tensorMetadata),
    outputs: Type.Array(tensorMetadata),
  },
  { description: 'what a model is' },
);

const configTensor = Type.Object({
  name: tensorName,
  data_type: Type.String(),
  dims: Type.Array(Type.Integer(), { description: 'the dimensions of one row' }),
});
const modelConfig = Type.Object(
  {
    name: Type.String(),
    platform: Type.String(),
    backend: Type.String(),
    max_batch_size: Type.Integer({ description: 'the rows of the largest batch' }),
    input: Type.Array(configTensor),
    output: Type.Array(configTensor),
    instance_group: Type.Array(
      Type.Object({ name: Type.String(), kind: Type.String(), count: Type.Integer() }),
    ),
    parameters: Type.Record(Type.String(), Type.Object({ string_value: Type.String() })),
  },
  { description: "a model's configuration in Triton's shape" },
);

const duration = Type.Object({ count: Type.Integer(), ns: Type.Integer() });
const statistics = Type.Object(
  {
    model_stats: Type.Array(
      Type.Object({
        name: Type.String(),
        version: Type.String(),
        last_inference: Type.Integer({ description: 'milliseconds since 1970' }),
        inference_count: Type.Integer({ description: 'rows computed' }),
        execution_count: Type.Integer({ description: 'batches computed' }),
        inference_stats: Type.Object({
          success: duration,
          fail: duration,
          queue: duration,
          compute_input: duration,
          compute_infer: duration,
          compute_output: duration,
          cache_hit: duration,
          cache_miss: duration,
        }),
        batch_stats: Type.Array(
          Type.Object({
            batch_size: Type.Integer(),
            compute_input: duration,
            compute_infer: duration,
            compute_output: duration,
          }),
        ),
      }),
    ),
  },
  { description: 'counters since the start' },
);

const indexRequest = Type.Object(
  { ready: Type.Optional(Type.Boolean({ description: 'only models that are ready' })) },
  { description: 'which models to list' },
);
const changeRequest = Type.Object(
  {
    parameters: Type.Optional(
      Type.Object({
        digest: Type.Optional(
          Type.String({
            description: 'only the version whose digest begins so',
            pattern: '^[0-9a-f]{8,64}$',
          }),
        ),
      }),
    ),
  },
  { description: 'what to do with a bundle' },
);
const repositoryIndex = Type.Array(
  Type.Object({
    name: Type.String(),
    version: Type.Optional(Type.String({ description: 'absent for what is not loaded' })),
    state: Type.String(),
    reason: Type.String(),
  }),
  { description: 'the models that there are' },
);

const error = Type.Object(
  {
    error: Type.String({ description: 'what was got and what was expected, for people' }),
    code: Type.String({ description: 'a stable code of docs/errors.md, for programs' }),
  },
  { description: 'why there is no answer' },
);

const draining = Type.Object({ draining: Type.Boolean() });
const live = Type.Object({ live: Type.Boolean() });
const serverReady = Type.Object({ live: Type.Boolean(), ready: Type.Boolean() });
const readiness = Type.Object(
  {
    ready: Type.Boolean(),
    provider: Type.String({ description: 'where segments really run' }),
    bundles: Type.Array(Type.Object({ id: Type.String(), digest: Type.String() })),
  },
  { description: 'whether work is taken, and of which bundles' },
);
const modelReady = Type.Object({ name: Type.String(), ready: Type.Boolean() });

/** By their name in the OpenAPI document. */
export const schemas = {
  ConsoleSnapshot: consoleSnapshot,
  Draining: draining,
  Error: error,
  InferenceRequest: inferenceRequest,
  InferenceResponse: inferenceResponse,
  Live: live,
  ModelConfig: modelConfig,
  ModelMetadata: modelMetadata,
  ModelReady: modelReady,
  Readiness: readiness,
  RepositoryChangeRequest: changeRequest,
  RepositoryIndex: repositoryIndex,
  RepositoryIndexRequest: indexRequest,
  ServerMetadata: serverMetadata,
  ServerReady: serverReady,
  Statistics: statistics,
} satisfies Record<string, TSchema>;

export type SchemaName = keyof typeof schemas;
