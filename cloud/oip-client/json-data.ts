import { OfframpError } from '../../shared/errors.ts';
import { elementsOf, type Tensor } from './tensors.ts';

/** JSON has no 16-bit floats; the specification allows them as binary data only. */
const binaryOnly: readonly string[] = ['BF16', 'FP16'];

/**
 * The elements of a tensor as JSON takes them, flat.
 * @throws OfframpError TENSOR_INVALID for what JSON cannot say: FP16, BF16, NaN, infinities, integers beyond 2^53.
 */
export function toJsonData(tensor: Tensor): (boolean | number)[] {
  const { name, datatype, data } = tensor;
  const refuse = (what: string) =>
    new OfframpError('TENSOR_INVALID', `Input '${name}' has ${what}; send it as binary data`);
  if (binaryOnly.includes(datatype)) throw refuse(`the type ${datatype}, which JSON cannot hold`);
  const numbers = Array.from<bigint | number, number>(data, Number);
  const sayable = typeof data[0] === 'bigint' ? Number.isSafeInteger : Number.isFinite;
  const bad = numbers.find((value) => !sayable(value));
  if (bad !== undefined) throw refuse(`the element ${bad}, which JSON cannot hold`);
  return datatype === 'BOOL' ? numbers.map((value) => value !== 0) : numbers;
}

/** The elements of data that is flat, or nested exactly as its shape says; `undefined` for any other. */
export function flattened(
  data: readonly unknown[],
  shape: readonly number[],
): readonly unknown[] | undefined {
  if (!Array.isArray(data[0])) return data;
  const [length, ...inner] = shape;
  if (data.length !== length || inner.length === 0) return undefined;
  const rows: unknown[] = [];
  for (const element of data) {
    const row = Array.isArray(element) ? flattened(element, inner) : undefined;
    if (row === undefined || row.length !== elementsOf(inner)) return undefined;
    for (const one of row) rows.push(one);
  }
  return rows;
}

/**
 * Fills a tensor with elements that came as JSON, flat.
 * @returns the first element that is none of the tensor's type, in words; `undefined` when all are.
 */
export function fromJsonData(data: readonly unknown[], into: Tensor): string | undefined {
  for (let index = 0; index < into.data.length; index++) {
    const element = data[index];
    const value = typeof element === 'boolean' ? Number(element) : element;
    if (typeof value === 'number' && write(into, index, value)) continue;
    return `the element ${String(JSON.stringify(element)).slice(0, 32)}, expected ${into.datatype}`;
  }
  return undefined;
}

/** Whether the array took the value as it is; floats may be rounded to their type. */
function write({ data, datatype }: Tensor, index: number, value: number): boolean {
  if (binaryOnly.includes(datatype)) return false;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    if (!Number.isSafeInteger(value)) return false;
    data[index] = BigInt(value);
    return data[index] === BigInt(value);
  }
  data[index] = value;
  if (data instanceof Float32Array || data instanceof Float64Array) return Number.isFinite(data[index]);
  return data[index] === value && (datatype !== 'BOOL' || value <= 1);
}
