import { OfframpError } from '../../shared/errors.ts';
import type { GraphTensor } from '../../shared/runtime/index.ts';
import type { ServedBundle } from '../served-bundle.ts';
import { type HttpLimits, maxJsonBytes } from './limits.ts';
import { rowBytes, rowElements, type TensorSpec } from './tensors.ts';

/** What a caller sees under one name: a whole bundle with its exits, or one of its segments as it stands. */
export interface Model {
  readonly name: string;
  readonly served: ServedBundle;
  /** Index of the segment; absent for the whole bundle. */
  readonly segment?: number;
  readonly input: TensorSpec;
  /** Largest value that the input's elements may have. */
  readonly maxInputValue: number;
  readonly outputs: readonly TensorSpec[];
  /** Rows of the largest request. */
  readonly maxRows: number;
  /** Bytes of the largest JSON, and of the largest body with or without it. */
  readonly maxJsonBytes: number;
  readonly maxBodyBytes: number;
}

/** Every model has this one version: a bundle is replaced as a whole. */
export const modelVersion = '1';

/** The name of the model that is one segment of a bundle. */
export function segmentModel(bundleId: string, segment: number): string {
  return `${bundleId}-s${segment}`;
}

/** Digits, comma, blank, and brackets where a row's last dimension is 1. */
const jsonBytesPerElement = 8;
/** Names, shapes, parameters. */
const jsonFrameBytes = 64 * 1024;

/** The models of the bundles that are being served, by name. */
export class ModelTable {
  readonly #byName: ReadonlyMap<string, Model>;

  /** @throws OfframpError CONFIG_INVALID when a bundle has the name of another's segment. */
  constructor(bundles: readonly ServedBundle[], limits: HttpLimits) {
    const models = bundles.flatMap((served) => modelsOf(served, limits));
    this.#byName = new Map(models.map((model) => [model.name, model]));
    const twin = models.find((model) => this.#byName.get(model.name) !== model);
    if (twin === undefined) return;
    throw new OfframpError(
      'CONFIG_INVALID',
      `Two models would be called '${twin.name}'; a segment is called by its bundle's id and -s0, -s1, ...`,
    );
  }

  /** In the order of the bundles, each before its segments. */
  get all(): readonly Model[] {
    return [...this.#byName.values()];
  }

  /** @throws OfframpError NOT_FOUND naming the models, or the version, that there are. */
  get(name: string, version?: string): Model {
    const model = this.#byName.get(name);
    if (model === undefined) {
      const known = [...this.#byName.keys()].join(', ');
      throw new OfframpError('NOT_FOUND', `No model '${name}' here, expected one of ${known}`);
    }
    if (version === undefined || version === modelVersion) return model;
    throw new OfframpError(
      'NOT_FOUND',
      `Model ${name} has no version '${version}', expected ${modelVersion}`,
    );
  }
}

function modelsOf(served: ServedBundle, limits: HttpLimits): Model[] {
  const { id, input, segments, cuts, classes } = served.bundle.manifest;
  const whole = withLimits(limits, {
    name: id,
    served,
    input: specOf(input),
    maxInputValue: 255,
    outputs: [
      { name: 'logits', datatype: 'FP32', shape: [classes.length] },
      { name: 'label', datatype: 'INT64', shape: [] },
      { name: 'exit', datatype: 'INT64', shape: [] },
    ],
  });
  const each = segments.map((segment, index) =>
    withLimits(limits, {
      name: segmentModel(id, index),
      served,
      segment: index,
      input: specOf(segment.input),
      maxInputValue: 2 ** (cuts[index - 1]?.bits ?? 8) - 1,
      outputs: [segment.logits, ...(segment.codes === undefined ? [] : [segment.codes])].map(specOf),
    }),
  );
  return [whole, ...each];
}

function withLimits(
  { maxHttpRows, maxHttpTensorBytes }: HttpLimits,
  model: Omit<Model, 'maxRows' | 'maxJsonBytes' | 'maxBodyBytes'>,
): Model {
  const inBytes = rowBytes(model.input);
  const outBytes = model.outputs.reduce((sum, output) => sum + rowBytes(output), 0);
  const fitting = Math.floor(maxHttpTensorBytes / Math.max(inBytes, outBytes));
  const maxRows = Math.max(1, Math.min(maxHttpRows, fitting));
  const oneRowJson = rowElements(model.input) * jsonBytesPerElement + jsonFrameBytes;
  const json = Math.max(maxJsonBytes, oneRowJson);
  return {
    ...model,
    maxRows,
    maxJsonBytes: json,
    maxBodyBytes: Math.max(json, maxRows * inBytes + jsonFrameBytes),
  };
}

function specOf({ name, dtype, shape }: GraphTensor): TensorSpec {
  return { name, datatype: dtype === 'uint8' ? 'UINT8' : 'FP32', shape };
}
