/** Element types of the Open Inference Protocol that our tensors have. */
export type Datatype = 'FP32' | 'INT64' | 'UINT8';

export const elementBytes: Readonly<Record<Datatype, number>> = { FP32: 4, INT64: 8, UINT8: 1 };

/** A tensor of a model; `shape` is that of one row, without the batch dimension. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** Elements of a tensor's data, row after row. */
export type TensorData = BigInt64Array | Float32Array | Uint8Array;

/** Elements of one row. */
export function rowElements({ shape }: Pick<TensorSpec, 'shape'>): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function rowBytes(spec: TensorSpec): number {
  return rowElements(spec) * elementBytes[spec.datatype];
}
