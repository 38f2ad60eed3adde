import type { Runner } from '../../shared/runtime/index.ts';
import type { BatchingPolicy } from '../batching/index.ts';
import { type Model, modelVersion } from './models.ts';
import type { TensorSpec } from './tensors.ts';

/** Extensions of the protocol that are served, by the names that Triton gives them. */
export const extensions = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'model_repository',
  'schedule_policy',
  'statistics',
] as const;

const platform = 'onnxruntime_onnx';
/** Where segments run, in Triton's words; of another server only that knows. */
const kinds = {
  ...{ cpu: 'KIND_CPU', wasm: 'KIND_CPU' },
  ...{ cuda: 'KIND_GPU', webgpu: 'KIND_GPU' },
  remote: 'KIND_MODEL',
} as const;

/** `$metadata_model_response`. */
export function describeModel({ name, input, outputs }: Model): unknown {
  const inBatches = ({ name, datatype, shape }: TensorSpec) => ({ name, datatype, shape: [-1, ...shape] });
  return {
    name,
    versions: [modelVersion],
    platform,
    inputs: [inBatches(input)],
    outputs: outputs.map(inBatches),
  };
}

/** The configuration of the model configuration extension, with the keys of Triton's `ModelConfig` that mean something here. */
export function configureModel(
  { name, served, segment, input, outputs, maxRows }: Model,
  { provider, parallel }: Pick<Runner, 'parallel' | 'provider'>,
  policy: BatchingPolicy,
): unknown {
  const { manifest, digest } = served.bundle;
  const spec = segment === undefined ? undefined : manifest.segments[segment];
  const exits = segment === undefined ? manifest.exits : manifest.exits.slice(segment, segment + 1);
  return {
    name,
    platform,
    backend: 'onnxruntime',
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: policy.maxBatchRows,
    input: [configureTensor(input)],
    output: outputs.map(configureTensor),
    instance_group: [{ name, kind: kinds[provider], count: parallel }],
    dynamic_batching: configureBatching(policy),
    parameters: textParameters({
      bundle: manifest.id,
      bundle_version: manifest.version,
      digest,
      classes: JSON.stringify(manifest.classes),
      exits: JSON.stringify(exits.map((exit) => exit.name)),
      max_request_rows: String(maxRows),
      // Of the graph, by which another server knows that it has the same one.
      ...(spec !== undefined && { sha256: spec.sha256 }),
    }),
  };
}

/** With the key names of `ModelDynamicBatching`. */
function configureBatching(policy: BatchingPolicy): unknown {
  const { queuePolicies } = policy;
  const queues = queuePolicies.map((queue, index) => [
    index + 1,
    {
      timeout_action: queue.timeoutAction,
      default_timeout_microseconds: queue.defaultTimeoutMicros,
      allow_timeout_override: queue.allowTimeoutOverride,
      max_queue_size: queue.maxQueuedRequests,
    },
  ]);
  return {
    preferred_batch_size: policy.preferredBatchRows,
    max_queue_delay_microseconds: policy.maxQueueDelayMicros,
    preserve_ordering: false,
    priority_levels: policy.priorityLevels,
    default_priority_level: policy.defaultPriorityLevel,
    priority_queue_policy: Object.fromEntries(queues),
  };
}

/** One number a row has no dimensions, which `dims` must have: Triton writes 1 there and takes it away again. */
function configureTensor({ name, datatype, shape }: TensorSpec): unknown {
  const tensor = { name, data_type: `TYPE_${datatype}` };
  return shape.length === 0 ? { ...tensor, dims: [1], reshape: { shape } } : { ...tensor, dims: shape };
}

function textParameters(values: Readonly<Record<string, string>>): Record<string, { string_value: string }> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { string_value: value }]));
}
