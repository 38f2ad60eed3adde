import type { ModelTable } from './models.ts';
import type { InferenceRequest } from './schemas.ts';
import { rowElements } from './tensors.ts';

/** A document with more numbers than this nobody reads. */
const maxElements = 4096;

/** One row of zeros for the first model, for the OpenAPI document; `undefined` where that would be too long. */
export function exampleRequest(models: ModelTable): InferenceRequest | undefined {
  const [model] = models.all;
  if (model === undefined) return undefined;
  const { input } = model;
  const elements = rowElements(input);
  if (elements > maxElements) return undefined;
  const data = new Array<number>(elements).fill(0);
  const inputs = [{ name: input.name, shape: [1, ...input.shape], datatype: input.datatype, data }];
  return { id: '42', parameters: { timeout: 2_000_000 }, inputs, outputs: [{ name: 'label' }] };
}
