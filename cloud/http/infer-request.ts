import { Compile } from 'typebox/compile';
import { OfframpError } from '../../shared/errors.ts';
import { parseJson } from './json-body.ts';
import { maxBudgetMs, maxJsonNumbers } from './limits.ts';
import type { Model } from './models.ts';
import { readInput } from './read-input.ts';
import { type InferenceRequest, schemas } from './schemas.ts';
import { rowElements, type TensorSpec } from './tensors.ts';

/** How a wanted output is to be sent. */
export interface WantedOutput {
  readonly spec: TensorSpec;
  /** Place among the model's outputs. */
  readonly index: number;
  readonly binary: boolean;
  /** Wanted of each row instead of the logits: so many classes in words, the best first. */
  readonly bestClasses?: number;
}

/** A request that has been checked through and through. */
export interface CheckedRequest {
  readonly id?: string;
  readonly rows: number;
  /** uint8 [rows, ...shape of the model's input], in memory of its own. */
  readonly tensor: Uint8Array<ArrayBuffer>;
  /** What its `timeout` says; absent leaves it to the server. */
  readonly timeoutMicros?: number;
  /** 1 is served first. */
  readonly priority?: number;
  readonly outputs: readonly WantedOutput[];
}

type Parameters = NonNullable<InferenceRequest['parameters']>;

const validator = Compile(schemas.InferenceRequest);
const maxPriority = 2 ** 32 - 1;

/**
 * Reads the body of an inference request: JSON, JSON with binary tensors behind it, or, with a header length of 0, the bare
 * bytes of the one input (binary tensor data extension).
 * @param headerLength `Inference-Header-Content-Length`, the bytes of the JSON; absent when all of the body is JSON.
 * @throws OfframpError INFERENCE_INVALID, REQUEST_TOO_LARGE, TENSOR_INVALID, BUDGET_INVALID.
 */
export function readInferenceRequest(
  body: Uint8Array,
  headerLength: string | undefined,
  model: Model,
): CheckedRequest {
  const jsonBytes = jsonLength(body, headerLength);
  if (jsonBytes === 0 && headerLength !== undefined) return bareRequest(body, model);
  if (jsonBytes > model.maxJsonBytes) {
    const message = `${jsonBytes} bytes of JSON, ${model.name} takes ${model.maxJsonBytes}; send the tensor as binary data`;
    throw new OfframpError('REQUEST_TOO_LARGE', message);
  }
  const request = checkForm(parseJson(body.subarray(0, jsonBytes)));
  const { rows, tensor } = readInput(request.inputs, body.subarray(jsonBytes), model);
  const { id, parameters = {} } = request;
  const outputs = wantedOutputs(request, model);
  refuseLongWork(outputs, rows);
  return { ...(id !== undefined && { id }), rows, tensor, outputs, ...schedule(parameters) };
}

function jsonLength(body: Uint8Array, header: string | undefined): number {
  if (header === undefined) return body.length;
  const length = /^\d{1,15}$/.test(header) ? Number(header) : Number.NaN;
  if (length <= body.length) return length;
  throw new OfframpError(
    'INFERENCE_INVALID',
    `Inference-Header-Content-Length '${header.slice(0, 64)}', expected 0 to the ${body.length} bytes of the body`,
  );
}

function bareRequest(body: Uint8Array, model: Model): CheckedRequest {
  const rows = body.length / rowElements(model.input);
  const input = {
    name: model.input.name,
    datatype: model.input.datatype,
    shape: [rows, ...model.input.shape],
    parameters: { binary_data_size: body.length },
  };
  if (!Number.isInteger(rows) || rows === 0) {
    const message = `${body.length} bytes, expected a multiple of the ${rowElements(model.input)} of one row of ${model.name}`;
    throw new OfframpError('TENSOR_INVALID', message);
  }
  const outputs = model.outputs.map((spec, index) => ({ spec, index, binary: true }));
  return { ...readInput([input], body, model), outputs };
}

function checkForm(value: unknown): InferenceRequest {
  if (validator.Check(value)) return value;
  const problem = validator.Errors(value)[0];
  const where = (problem?.instancePath || 'the body').slice(0, 200);
  throw new OfframpError('INFERENCE_INVALID', `${where}: ${problem?.message ?? 'not an inference request'}`);
}

function wantedOutputs({ outputs = [], parameters }: InferenceRequest, model: Model): WantedOutput[] {
  const binaryByDefault = flag(parameters, 'binary_data_output') ?? false;
  if (outputs.length === 0) {
    return model.outputs.map((spec, index) => ({ spec, index, binary: binaryByDefault }));
  }
  const names = outputs.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new OfframpError('INFERENCE_INVALID', `Output '${twice}' is asked for twice`);
  return outputs.map(({ name, parameters }) => {
    const index = model.outputs.findIndex((output) => output.name === name);
    const spec = model.outputs[index];
    if (spec === undefined) {
      const known = model.outputs.map((output) => output.name).join(', ');
      throw new OfframpError(
        'INFERENCE_INVALID',
        `${model.name} has no output '${name}', expected one of ${known}`,
      );
    }
    refuseSharedMemory(parameters);
    const bestClasses = classesWanted(parameters, spec, model);
    const binary = flag(parameters, 'binary_data') ?? binaryByDefault;
    return { spec, index, binary, ...(bestClasses !== undefined && { bestClasses }) };
  });
}

/** The classification extension: how many classes of each row, or `undefined` for the tensor as it is. */
function classesWanted(
  parameters: Parameters | undefined,
  { name, datatype }: TensorSpec,
  { served }: Model,
): number | undefined {
  const value = own(parameters, 'classification');
  if (value === undefined) return undefined;
  if (name !== 'logits' || datatype !== 'FP32') {
    throw new OfframpError('INFERENCE_INVALID', `Output '${name}' has no classes, 'logits' has`);
  }
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) {
    return Math.min(value, served.classes);
  }
  throw new OfframpError(
    'INFERENCE_INVALID',
    `classification of output '${name}' is ${JSON.stringify(value)}, expected a whole number from 1 on`,
  );
}

/** JSON is written, and classes are sorted, on the thread that owns the sockets, so there is an end to both. */
function refuseLongWork(outputs: readonly WantedOutput[], rows: number): void {
  const perRow = outputs
    .filter(({ binary, bestClasses }) => !binary || bestClasses !== undefined)
    .reduce((sum, { spec }) => sum + rowElements(spec), 0);
  if (perRow * rows <= maxJsonNumbers || rows === 1) return;
  throw new OfframpError(
    'INFERENCE_INVALID',
    `${perRow * rows} elements of the answer as JSON or classes, at most ${maxJsonNumbers} are; ask for binary data or send fewer rows`,
  );
}

/** `timeout` and `priority` of the schedule policy extension; 0 leaves either to the server. */
function schedule(parameters: Parameters): Pick<CheckedRequest, 'timeoutMicros' | 'priority'> {
  refuseSharedMemory(parameters);
  const timeoutMicros = own(parameters, 'timeout') ?? 0;
  if (!isWholeNumber(timeoutMicros, maxBudgetMs * 1000)) {
    throw new OfframpError(
      'BUDGET_INVALID',
      `timeout ${JSON.stringify(timeoutMicros)}, expected 0 to ${maxBudgetMs * 1000} microseconds`,
    );
  }
  const priority = own(parameters, 'priority') ?? 0;
  if (!isWholeNumber(priority, maxPriority)) {
    throw new OfframpError(
      'INFERENCE_INVALID',
      `priority ${JSON.stringify(priority)}, expected a whole number from 0 to ${maxPriority}`,
    );
  }
  return { ...(timeoutMicros > 0 && { timeoutMicros }), ...(priority > 0 && { priority }) };
}

function isWholeNumber(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function refuseSharedMemory(parameters: Parameters | undefined): void {
  if (own(parameters, 'shared_memory_region') === undefined) return;
  throw new OfframpError(
    'NOT_SUPPORTED',
    'This server takes no tensors in shared memory; send them as binary data',
  );
}

function flag(parameters: Parameters | undefined, name: string): boolean | undefined {
  const value = own(parameters, name);
  if (value === undefined || typeof value === 'boolean') return value;
  throw new OfframpError('INFERENCE_INVALID', `${name} is ${JSON.stringify(value)}, expected true or false`);
}

function own(parameters: Parameters | undefined, name: string): string | number | boolean | undefined {
  return parameters !== undefined && Object.hasOwn(parameters, name) ? parameters[name] : undefined;
}
