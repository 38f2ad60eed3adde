import { OfframpError } from '../../shared/errors.ts';

/**
 * Element types of the Open Inference Protocol v2 and the arrays that hold them: FP16 and BF16 as their 16 bits, BOOL as 0 and 1.
 * BYTES has no array and is not among them. Elements are in the order of the platform, which is that of the protocol,
 * little-endian, wherever Node is commonly run.
 */
export interface TensorArrays<Memory extends ArrayBufferLike = ArrayBufferLike> {
  readonly BF16: Uint16Array<Memory>;
  readonly BOOL: Uint8Array<Memory>;
  readonly FP16: Uint16Array<Memory>;
  readonly FP32: Float32Array<Memory>;
  readonly FP64: Float64Array<Memory>;
  readonly INT16: Int16Array<Memory>;
  readonly INT32: Int32Array<Memory>;
  readonly INT64: BigInt64Array<Memory>;
  readonly INT8: Int8Array<Memory>;
  readonly UINT16: Uint16Array<Memory>;
  readonly UINT32: Uint32Array<Memory>;
  readonly UINT64: BigUint64Array<Memory>;
  readonly UINT8: Uint8Array<Memory>;
}

export type Datatype = keyof TensorArrays;

/** A tensor of any of the types; `data` is row-major. */
export type Tensor<Memory extends ArrayBufferLike = ArrayBufferLike> = {
  readonly [D in Datatype]: {
    readonly name: string;
    readonly datatype: D;
    readonly shape: readonly number[];
    readonly data: TensorArrays<Memory>[D];
  };
}[Datatype];

const arrays = {
  BF16: Uint16Array,
  BOOL: Uint8Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  INT8: Int8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  UINT8: Uint8Array,
} as const satisfies Record<Datatype, unknown>;

const maxRank = 16;

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(arrays, name);
}

/** Bytes of one element. */
export function elementBytes(datatype: Datatype): number {
  return arrays[datatype].BYTES_PER_ELEMENT;
}

/** Elements of a shape; `undefined` for one that no tensor has, such as a dimension below 0 or more than can be counted. */
export function elementsOf(shape: readonly number[]): number | undefined {
  if (shape.length > maxRank || !shape.every((size) => Number.isSafeInteger(size) && size >= 0))
    return undefined;
  const elements = shape.reduce((product, size) => product * size, 1);
  return Number.isSafeInteger(elements) ? elements : undefined;
}

/** Whether a shape is the expected one; an expected -1 stands for any size. */
export function fitsShape(shape: readonly number[], expected: readonly number[]): boolean {
  return (
    shape.length === expected.length && expected.every((size, axis) => size === -1 || size === shape[axis])
  );
}

/** An empty tensor whose memory holds exactly `elements`, all 0. */
export function emptyTensor(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  elements: number,
): Tensor<ArrayBuffer> {
  const data = new arrays[datatype](elements);
  // The table pairs every type with its array, which the compiler does not follow through an index.
  return { name, datatype, shape, data } as Tensor<ArrayBuffer>;
}

/** The memory of a tensor as it goes over the wire; not a copy. */
export function bytesOf({ data }: Pick<Tensor, 'data'>): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** @throws OfframpError TENSOR_INVALID when the data is not as long as the shape says, or of another type. */
export function checkTensor({ name, datatype, shape, data }: Tensor): void {
  if (!(data instanceof arrays[datatype])) {
    const expected = arrays[datatype].name;
    throw new OfframpError('TENSOR_INVALID', `Input '${name}' is ${datatype}: got no ${expected}`);
  }
  const elements = elementsOf(shape);
  if (elements === data.length) return;
  throw new OfframpError(
    'TENSOR_INVALID',
    `Input '${name}' of shape [${shape.join(', ')}] has ${data.length} elements, expected ${elements ?? 'a valid shape'}`,
  );
}
