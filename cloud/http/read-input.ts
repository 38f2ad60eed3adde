import { OfframpError } from '../../shared/errors.ts';
import type { Model } from './models.ts';
import type { InferenceRequest } from './schemas.ts';
import { rowElements } from './tensors.ts';

type RequestInput = InferenceRequest['inputs'][number];

export interface InputTensor {
  readonly rows: number;
  /** uint8 [rows, ...shape], in memory of its own. */
  readonly tensor: Uint8Array<ArrayBuffer>;
}

/**
 * Takes the one input tensor of a model out of a request. Name, type and every dimension are compared with the model's before
 * anything is counted or made.
 * @param binary what follows behind the JSON.
 * @throws OfframpError TENSOR_INVALID, INFERENCE_INVALID, NOT_SUPPORTED.
 */
export function readInput(inputs: readonly RequestInput[], binary: Uint8Array, model: Model): InputTensor {
  const input = onlyInput(inputs, model);
  const rows = checkedRows(input, model);
  const bytes = rows * rowElements(model.input);
  const { data } = input;
  const binaryBytes = input.parameters === undefined ? undefined : binarySize(input, input.parameters);
  if ((data === undefined) === (binaryBytes === undefined)) {
    const got = data === undefined ? 'neither' : 'both';
    throw new OfframpError(
      'INFERENCE_INVALID',
      `Input '${input.name}' has ${got} of data and binary_data_size, expected one of them`,
    );
  }
  if (binary.length !== (binaryBytes ?? 0)) {
    throw new OfframpError(
      'TENSOR_INVALID',
      `${binary.length} bytes follow behind the JSON, expected ${binaryBytes ?? 0}`,
    );
  }
  const tensor = data === undefined ? copied(input, binary, bytes) : filled(input, data, model);
  checkValues(tensor, model);
  return { rows, tensor };
}

function onlyInput(inputs: readonly RequestInput[], { name, input }: Model): RequestInput {
  const [first, ...more] = inputs;
  if (first === undefined || more.length > 0) {
    throw new OfframpError('TENSOR_INVALID', `${inputs.length} inputs, ${name} has one: '${input.name}'`);
  }
  if (first.name !== input.name) {
    throw new OfframpError('TENSOR_INVALID', `Input '${first.name}', ${name} has '${input.name}'`);
  }
  if (first.datatype !== input.datatype) {
    throw new OfframpError(
      'TENSOR_INVALID',
      `Input '${input.name}' of type '${first.datatype}', expected ${input.datatype}`,
    );
  }
  return first;
}

function checkedRows({ name, shape }: RequestInput, { input, maxRows }: Model): number {
  const [rows = 0, ...rest] = shape;
  const same = rest.length === input.shape.length && rest.every((size, at) => size === input.shape[at]);
  if (same && rows >= 1 && rows <= maxRows) return rows;
  throw new OfframpError(
    'TENSOR_INVALID',
    `Input '${name}' of shape [${shape.join(', ')}], expected [rows, ${input.shape.join(', ')}] with 1 to ${maxRows} rows`,
  );
}

function binarySize({ name }: RequestInput, parameters: NonNullable<RequestInput['parameters']>) {
  if (Object.hasOwn(parameters, 'shared_memory_region')) {
    const message = `Input '${name}' in shared memory; this server takes none, send it as binary data`;
    throw new OfframpError('NOT_SUPPORTED', message);
  }
  const size = Object.hasOwn(parameters, 'binary_data_size') ? parameters.binary_data_size : undefined;
  if (size === undefined || (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0))
    return size;
  const message = `binary_data_size of input '${name}' is ${JSON.stringify(size)}, expected a number of bytes`;
  throw new OfframpError('INFERENCE_INVALID', message);
}

/** The body is the peer's and may be part of a larger buffer; the tensor is given away. */
function copied({ name }: RequestInput, binary: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  if (binary.length === bytes) return new Uint8Array(binary);
  throw new OfframpError(
    'TENSOR_INVALID',
    `Input '${name}' has ${binary.length} bytes, its shape says ${bytes}`,
  );
}

function filled(
  { name, shape }: RequestInput,
  data: readonly unknown[],
  { input }: Model,
): Uint8Array<ArrayBuffer> {
  const elements = (shape[0] ?? 0) * rowElements(input);
  const tensor = new Uint8Array(elements);
  fill(name, data, Array.isArray(data[0]) ? shape : [elements], tensor);
  return tensor;
}

/** Puts the elements of nested arrays, which must be as the shape says, one behind the other. */
function fill(
  name: string,
  data: readonly unknown[],
  [length = 0, ...inner]: readonly number[],
  into: Uint8Array,
): void {
  if (data.length !== length) {
    throw new OfframpError(
      'TENSOR_INVALID',
      `Data of input '${name}' has ${data.length} elements where its shape says ${length}`,
    );
  }
  const size = into.length / length;
  for (let index = 0; index < length; index++) {
    const element = data[index];
    if (inner.length === 0) into[index] = byteOf(name, element);
    else if (Array.isArray(element))
      fill(name, element, inner, into.subarray(index * size, (index + 1) * size));
    else throw new OfframpError('TENSOR_INVALID', `Data of input '${name}' is nested here and flat there`);
  }
}

function byteOf(name: string, element: unknown): number {
  if (typeof element === 'number' && Number.isInteger(element) && element >= 0 && element <= 255)
    return element;
  const got = typeof element === 'number' ? element : `a ${element === null ? 'null' : typeof element}`;
  throw new OfframpError(
    'TENSOR_INVALID',
    `Data of input '${name}' has ${got}, expected whole numbers from 0 to 255`,
  );
}

/** Codes of fewer than 8 bits: what lies above them no graph has been trained on. */
function checkValues(tensor: Uint8Array, { input, maxInputValue }: Model): void {
  if (maxInputValue >= 255) return;
  const above = tensor.find((value) => value > maxInputValue);
  if (above === undefined) return;
  throw new OfframpError(
    'TENSOR_INVALID',
    `Input '${input.name}' has the value ${above}, its codes go from 0 to ${maxInputValue}`,
  );
}
