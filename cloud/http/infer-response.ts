import { bestOfRows, bytesTensor } from './classification.ts';
import type { CheckedRequest, WantedOutput } from './infer-request.ts';
import { type Model, modelVersion } from './models.ts';
import type { TensorData } from './tensors.ts';

/** The body of an answer. */
export interface EncodedResponse {
  readonly body: Buffer;
  /** Bytes of the JSON at its beginning; absent when it is all JSON. */
  readonly headerBytes?: number;
}

interface EncodedOutput {
  readonly words: Readonly<Record<string, unknown>>;
  /** What follows behind the JSON. */
  readonly binary?: Buffer;
}

/**
 * Writes an inference response: JSON, and behind it those tensors that were asked for as binary data, little-endian, in their
 * order (binary tensor data extension).
 * @param tensors all outputs of the model, in its order.
 * @param parameters of the response; none is left out when empty.
 */
export function encodeResponse(
  model: Model,
  { id, rows, outputs }: Pick<CheckedRequest, 'id' | 'rows' | 'outputs'>,
  tensors: readonly TensorData[],
  parameters: Readonly<Record<string, number>> = {},
): EncodedResponse {
  const encoded = outputs.map((wanted) => encodeOutput(model, wanted, rows, tensors[wanted.index]));
  const json = Buffer.from(
    JSON.stringify({
      model_name: model.name,
      model_version: modelVersion,
      ...(id !== undefined && { id }),
      ...(Object.keys(parameters).length > 0 && { parameters }),
      outputs: encoded.map(({ words }) => words),
    }),
  );
  const binaries = encoded.flatMap(({ binary }) => (binary === undefined ? [] : [binary]));
  if (binaries.length === 0) return { body: json };
  return { body: Buffer.concat([json, ...binaries]), headerBytes: json.length };
}

function encodeOutput(
  { served }: Model,
  { spec, binary, bestClasses }: WantedOutput,
  rows: number,
  tensor: TensorData = new Uint8Array(0),
): EncodedOutput {
  if (bestClasses !== undefined && tensor instanceof Float32Array) {
    const words = bestOfRows(tensor, served.bundle.manifest.classes, bestClasses);
    const head = { name: spec.name, datatype: 'BYTES', shape: [rows, bestClasses] };
    return binary ? withBinary(head, bytesTensor(words)) : { words: { ...head, data: words } };
  }
  const head = { name: spec.name, datatype: spec.datatype, shape: [rows, ...spec.shape] };
  if (!binary) return { words: { ...head, data: Array.from<number | bigint, number>(tensor, Number) } };
  return withBinary(head, Buffer.from(tensor.buffer, tensor.byteOffset, tensor.byteLength));
}

function withBinary(head: Readonly<Record<string, unknown>>, binary: Buffer): EncodedOutput {
  return { words: { ...head, parameters: { binary_data_size: binary.length } }, binary };
}
