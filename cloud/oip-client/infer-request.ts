import { toJsonData } from './json-data.ts';
import { bytesOf, checkTensor, type Datatype, type Tensor } from './tensors.ts';

/** How tensors travel: bytes behind the JSON (binary tensor data extension), or numbers inside it. */
export type Encoding = 'binary' | 'json';

/** A wanted output, and what the answer is held against where it is given. */
export interface WantedOutput {
  readonly name: string;
  readonly datatype?: Datatype;
  /** All dimensions, rows first; -1 for any size. */
  readonly shape?: readonly number[];
}

export interface InferRequest {
  readonly model: string;
  /** The server chooses when absent. */
  readonly version?: string;
  /** Comes back in the answer. */
  readonly id?: string;
  readonly inputs: readonly Tensor[];
  /** In this order in the answer; all of the model's when absent. */
  readonly outputs?: readonly WantedOutput[];
  /** Of inputs and outputs; binary when absent. */
  readonly encoding?: Encoding;
  /** 1 is served first, 0 is the server's default (schedule policy extension). */
  readonly priority?: number;
  /** How long the request may wait to be computed, microseconds (schedule policy extension). */
  readonly timeoutMicros?: number;
  /** Further parameters of the request, by the server's names. */
  readonly parameters?: Readonly<Record<string, boolean | number | string>>;
}

/** A request as it goes over the wire. */
export interface EncodedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** One behind the other; the tensors are the caller's memory, not copies. */
  readonly parts: readonly Uint8Array[];
}

/**
 * Writes an inference request of the Open Inference Protocol v2.
 * @throws OfframpError TENSOR_INVALID for data that does not fit its shape or type, or that JSON cannot hold.
 */
export function encodeInferRequest(request: InferRequest): EncodedRequest {
  const { model, version, inputs, encoding = 'binary' } = request;
  for (const input of inputs) checkTensor(input);
  const json = new TextEncoder().encode(JSON.stringify(wordsOf(request, encoding)));
  const path = `${modelPath(model, version)}/infer`;
  if (encoding === 'json') return { path, headers: { 'Content-Type': 'application/json' }, parts: [json] };
  return {
    path,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Inference-Header-Content-Length': String(json.length),
    },
    parts: [json, ...inputs.map(bytesOf).filter((part) => part.length > 0)],
  };
}

/** Where a model is served. */
export function modelPath(model: string, version?: string): string {
  const whole = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? whole : `${whole}/versions/${encodeURIComponent(version)}`;
}

function wordsOf(request: InferRequest, encoding: Encoding): unknown {
  const { id, inputs, outputs, priority, timeoutMicros } = request;
  const binary = encoding === 'binary';
  const parameters = {
    ...request.parameters,
    ...(priority !== undefined && { priority }),
    ...(timeoutMicros !== undefined && { timeout: Math.round(timeoutMicros) }),
    ...(binary && outputs === undefined && { binary_data_output: true }),
  };
  return {
    ...(id !== undefined && { id }),
    ...(Object.keys(parameters).length > 0 && { parameters }),
    inputs: inputs.map((input) => inputWords(input, encoding)),
    ...(outputs !== undefined && {
      outputs: outputs.map(({ name }) => ({ name, ...(binary && { parameters: { binary_data: true } }) })),
    }),
  };
}

function inputWords(input: Tensor, encoding: Encoding): unknown {
  const { name, shape, datatype, data } = input;
  const head = { name, shape, datatype };
  if (encoding === 'json') return { ...head, data: toJsonData(input) };
  return { ...head, parameters: { binary_data_size: data.byteLength } };
}
