import { createHash } from 'node:crypto';
import { OfframpError } from '../../shared/errors.ts';
import type { GraphTensor, SegmentGraph } from '../../shared/runtime/index.ts';
import type { CallOptions, Datatype, ModelConfig, OipClient, TensorMetadata } from '../oip-client/index.ts';

/** A segment and what another server calls it. */
export interface RemoteModel {
  readonly name: string;
  readonly graph: SegmentGraph;
}

/** What a server was found to have. */
export interface RemoteCheck {
  /** Whether it said that its graph is the very same file; some servers cannot say. */
  readonly identity: 'same' | 'unknown';
}

const datatypes = { float32: 'FP32', uint8: 'UINT8' } as const satisfies Record<
  GraphTensor['dtype'],
  Datatype
>;

/** The parameter of a model's configuration that holds the SHA-256 of its graph, 64 hex digits. */
export const graphDigestParameter = 'sha256';

/** What our own server and `offramp models export` call segment `n` of a bundle. */
export function segmentModelName(bundleId: string, segment: number): string {
  return `${bundleId}-s${segment}`;
}

/** The model of a graph by its key, such as `b-lenet-mnist/s0`; what tells two versions of a bundle apart is left out. */
export function modelNameOf(key: string): string {
  const [, bundleId = key, segment = '0'] = /^(.*?)(?:@[0-9a-f]+)?\/s(\d+)$/.exec(key) ?? [];
  return segmentModelName(bundleId, Number(segment));
}

export function datatypeOf({ dtype }: GraphTensor): Datatype {
  return datatypes[dtype];
}

/**
 * Holds a server's model against the segment: it is ready, has the tensors of the manifest with their names, types and shapes,
 * takes batches of `maxRows`, and, where its configuration names it, is the very same graph.
 * @throws OfframpError BUNDLE_GRAPH_MISMATCH, CONFIG_INVALID (batches too small), RUNTIME_FAILED (not ready), or what the client
 * throws.
 */
export async function checkRemoteModel(
  client: OipClient,
  { name, graph }: RemoteModel,
  maxRows: number,
  options: CallOptions,
): Promise<RemoteCheck> {
  if (!(await client.isModelReady(name, options))) {
    throw new OfframpError('RUNTIME_FAILED', `${client.origin} has no model '${name}' that is ready`);
  }
  const { inputs, outputs } = await client.modelMetadata(name, options);
  compareTensor(name, 'input', graph.input, inputs);
  for (const output of graph.outputs) compareTensor(name, 'output', output, outputs);
  const needless = inputs.find((input) => input.name !== graph.input.name);
  if (needless !== undefined) {
    throw mismatch(name, `also asks for the input '${needless.name}', expected '${graph.input.name}' only`);
  }
  const config = await configOf(client, name, options);
  if (config === undefined) return { identity: 'unknown' };
  checkRows(name, config, maxRows);
  return { identity: compareDigest(name, config, graph) };
}

function compareTensor(
  model: string,
  role: string,
  expected: GraphTensor,
  found: readonly TensorMetadata[],
): void {
  const tensor = found.find(({ name }) => name === expected.name);
  const got = tensor === undefined ? 'no such tensor' : describe(tensor.datatype, tensor.shape);
  const wanted = describe(datatypeOf(expected), [-1, ...expected.shape]);
  if (got !== wanted) throw mismatch(model, `${role} '${expected.name}': got ${got}, expected ${wanted}`);
}

/** `undefined` from a server without the model configuration extension. */
async function configOf(
  client: OipClient,
  model: string,
  options: CallOptions,
): Promise<ModelConfig | undefined> {
  try {
    return await client.modelConfig(model, options);
  } catch (thrown) {
    if (!(thrown instanceof OfframpError)) throw thrown;
    if (['METHOD_NOT_ALLOWED', 'NOT_FOUND', 'NOT_SUPPORTED'].includes(thrown.code)) return undefined;
    throw thrown;
  }
}

function checkRows(model: string, { max_batch_size, parameters = {} }: ModelConfig, maxRows: number): void {
  // Our own server takes larger requests than batches, and says so.
  const limit = Number(parameters.max_request_rows?.string_value ?? max_batch_size ?? maxRows);
  if (limit === 0 || limit >= maxRows) return;
  throw new OfframpError(
    'CONFIG_INVALID',
    `Model '${model}' takes ${limit} rows, expected the ${maxRows} of --max-batch-rows`,
  );
}

function compareDigest(
  model: string,
  { parameters = {} }: ModelConfig,
  { key, bytes }: SegmentGraph,
): RemoteCheck['identity'] {
  const got = parameters[graphDigestParameter]?.string_value;
  if (got === undefined) return 'unknown';
  const expected = createHash('sha256').update(bytes).digest('hex');
  if (got === expected) return 'same';
  throw mismatch(model, `is the graph ${got.slice(0, 64)}, expected ${expected} of ${key}`);
}

function describe(datatype: string, shape: readonly number[]): string {
  return `${datatype} [${shape.join(', ')}]`;
}

function mismatch(model: string, what: string): OfframpError {
  return new OfframpError('BUNDLE_GRAPH_MISMATCH', `Model '${model}' ${what}`);
}
