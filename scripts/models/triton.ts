import { graphDigestParameter, segmentModelName } from '../../cloud/executors/index.ts';
import type { Bundle } from '../../shared/bundle/index.ts';
import type { GraphTensor } from '../../shared/runtime/index.ts';

/** Kinds of Triton's instance groups that a segment can run on. */
export const instanceKinds = ['auto', 'cpu', 'gpu'] as const;
export type InstanceKind = (typeof instanceKinds)[number];

export interface TritonOptions {
  /** Rows of the largest batch that the server forms. */
  readonly maxBatchSize: number;
  /** Copies of each graph that run at the same time, on every device that the kind means. */
  readonly instances: number;
  /** `auto` is a GPU where there is one. */
  readonly instanceKind: InstanceKind;
}

/** One model of a Triton model repository. */
export interface TritonModel {
  readonly name: string;
  /** The text of `config.pbtxt`. */
  readonly config: string;
  /** `1/model.onnx`. */
  readonly onnx: Uint8Array;
}

const types = { float32: 'TYPE_FP32', uint8: 'TYPE_UINT8' } as const;

/** The segments of a bundle as models of Triton Inference Server, which finds them by their folders' names. */
export function tritonModels(bundle: Bundle, options: TritonOptions): TritonModel[] {
  return bundle.manifest.segments.map((spec, index) => {
    const { bytes } = bundle.segment(index);
    const name = segmentModelName(bundle.manifest.id, index);
    const outputs = spec.codes === undefined ? [spec.logits] : [spec.logits, spec.codes];
    const parameters = {
      bundle: bundle.manifest.id,
      bundle_version: bundle.manifest.version,
      bundle_digest: bundle.digest,
      [graphDigestParameter]: spec.sha256,
    };
    return {
      name,
      config: configText({ name, input: spec.input, outputs, parameters }, options),
      onnx: bytes,
    };
  });
}

interface ModelWords {
  readonly name: string;
  readonly input: GraphTensor;
  readonly outputs: readonly GraphTensor[];
  readonly parameters: Readonly<Record<string, string>>;
}

/** Triton's ModelConfig in the text format of protocol buffers. */
function configText({ name, input, outputs, parameters }: ModelWords, options: TritonOptions): string {
  const { maxBatchSize, instances, instanceKind } = options;
  const batches = [...new Set([1, maxBatchSize])];
  return [
    `name: ${quoted(name)}`,
    'platform: "onnxruntime_onnx"',
    'backend: "onnxruntime"',
    `max_batch_size: ${maxBatchSize}`,
    ...tensorText('input', input),
    ...outputs.flatMap((output) => tensorText('output', output)),
    `instance_group { count: ${instances} kind: KIND_${instanceKind.toUpperCase()} }`,
    // Batches are formed before they are sent; this joins those of several servers.
    'dynamic_batching { }',
    ...batches.flatMap((rows) => warmupText(input, rows)),
    ...Object.entries(parameters).map(
      ([key, value]) => `parameters { key: ${quoted(key)} value { string_value: ${quoted(value)} } }`,
    ),
    '',
  ].join('\n');
}

function tensorText(role: 'input' | 'output', { name, dtype, shape }: GraphTensor): string[] {
  return [
    `${role} {`,
    `  name: ${quoted(name)}`,
    `  data_type: ${types[dtype]}`,
    `  dims: [ ${shape.join(', ')} ]`,
    '}',
  ];
}

/** The first run of a shape allocates and, on a GPU, compiles. */
function warmupText({ name, dtype, shape }: GraphTensor, rows: number): string[] {
  const value = `data_type: ${types[dtype]} dims: [ ${shape.join(', ')} ] zero_data: true`;
  return [
    'model_warmup {',
    `  name: ${quoted(`batch of ${rows}`)}`,
    `  batch_size: ${rows}`,
    `  inputs { key: ${quoted(name)} value { ${value} } }`,
    '}',
  ];
}

/** A string literal of the text format; what is not plain ASCII as octal escapes of its UTF-8. */
function quoted(text: string): string {
  const escaped = [...new TextEncoder().encode(text)].map((byte) => {
    const char = String.fromCharCode(byte);
    if (char === '"' || char === '\\') return `\\${char}`;
    return byte >= 0x20 && byte < 0x7f ? char : `\\${byte.toString(8).padStart(3, '0')}`;
  });
  return `"${escaped.join('')}"`;
}
